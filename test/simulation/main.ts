/**
 * `npm run simulate -- --seed N` runs one seed and prints what it did; `--seeds COUNT [--from N]` runs many and stops at the first
 * that breaks a promise, with the command that replays it.
 */
import { parseArgs } from 'node:util'
import { runSeed } from './run.ts'

const { values } = parseArgs({
  options: { seed: { type: 'string' }, seeds: { type: 'string' }, from: { type: 'string', default: '1' }, verbose: { type: 'boolean' } },
})
const from = values.seed === undefined ? Number(values.from) : Number(values.seed)
const count = values.seed === undefined ? Number(values.seeds ?? 1000) : 1
const totals = { publications: 0, deliveries: 0, crashes: 0, stops: 0 }
for (let seed = from; seed < from + count; seed++) {
  const lines: string[] = []
  try {
    const report = await runSeed(seed, { trace: (line) => lines.push(line) })
    for (const key of Object.keys(totals) as (keyof typeof totals)[]) totals[key] += report[key]
  } catch (error) {
    if (values.verbose === true || values.seed !== undefined) console.error(lines.join('\n'))
    console.error(error)
    console.error(`seed ${seed} breaks a promise; replay it with: npm run simulate -- --seed ${seed}`)
    process.exit(1)
  }
}
console.log(`${count} seeds hold: ${JSON.stringify(totals)}`)
