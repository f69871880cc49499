import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Violation } from './model.ts'
import { runSeed } from './run.ts'

/** CI runs the same seeds every time, so that a failure is the change's; `npm run simulate` looks at others. */
const SEEDS = Number(process.env['WAYBILL_SIMULATION_SEEDS'] ?? 400)
const SEEDS_PER_TEST = 50

describe('simulation', () => {
  for (let from = 1; from <= SEEDS; from += SEEDS_PER_TEST) {
    it(`keeps every promise in the seeds ${from} to ${from + SEEDS_PER_TEST - 1}`, async () => {
      for (let seed = from; seed < from + SEEDS_PER_TEST; seed++) {
        try {
          await runSeed(seed)
        } catch (error) {
          throw new Error(`seed ${seed} breaks a promise; replay it with: npm run simulate -- --seed ${seed}`, { cause: error })
        }
      }
    })
  }

  it('does the same again with the same seed', async () => {
    const traces = [[], []] as [string[], string[]]
    for (const trace of traces) await runSeed(7, { trace: (line) => trace.push(line) })
    assert.deepEqual(traces[0], traces[1])
    assert.deepEqual(await runSeed(7), await runSeed(7))
  })

  it('notices a disk that loses what it called durable', async () => {
    let noticed = 0
    for (let seed = 1; seed <= 30; seed++) {
      try {
        await runSeed(seed, { lyingDisk: true })
      } catch (error) {
        // A start that is refused for damage is noticing, too.
        assert.ok(error instanceof Violation || (error as { code?: string }).code?.startsWith('STORAGE_') === true, String(error))
        noticed++
      }
    }
    assert.ok(noticed >= 5, `noticed in ${noticed} of 30 runs`)
  })
})
