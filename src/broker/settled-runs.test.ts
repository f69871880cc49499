import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { SettledRuns } from './settled-runs.ts'

describe('SettledRuns', () => {
  it('holds exactly the numbers that were added, in as many runs as there are breaks', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 1, max: 200 })), (numbers) => {
        const runs = new SettledRuns()
        for (const number of numbers) runs.add(number)
        const held: number[] = []
        for (let i = 0; i < runs.runCount; i++) for (let j = 0; j < runs.lengthOf(i); j++) held.push(runs.firstOf(i) + j)
        assert.deepEqual(held, numbers)
        assert.equal(runs.count, numbers.length)
        const breaks = numbers.filter((number, i) => i === 0 || number !== (numbers[i - 1] as number) + 1).length
        assert.equal(runs.runCount, breaks)
        runs.clear()
        assert.equal(runs.count + runs.runCount, 0)
      }),
    )
  })
})
