/**
 * The crash test by hand, for longer than CI has time:
 *
 *   npm run crash -- --rounds 1000 --seed 7
 */
import { randomInt } from 'node:crypto'
import { parseArgs } from 'node:util'
import { crashRepeatedly } from './run.ts'

const { values } = parseArgs({ options: { rounds: { type: 'string' }, seed: { type: 'string' } } })
const rounds = Number(values.rounds ?? 200)
const seed = Number(values.seed ?? randomInt(2 ** 31))
process.stdout.write(`seed ${seed}\n`)
const report = await crashRepeatedly({ seed, rounds, report: (line) => process.stdout.write(`${line}\n`) })
process.stdout.write(`${JSON.stringify(report)}\n`)
