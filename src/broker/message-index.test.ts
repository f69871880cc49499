import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { ENTRY, MessageIndex, PAGE_ENTRIES } from './message-index.ts'

describe('MessageIndex', () => {
  it('agrees with a map of sequence numbers under any appends and removals', () => {
    const step = fc.oneof(
      { weight: 3, arbitrary: fc.record({ op: fc.constant('append' as const), count: fc.integer({ min: 1, max: PAGE_ENTRIES * 2 }) }) },
      {
        weight: 3,
        arbitrary: fc.record({ op: fc.constant('removeOldest' as const), count: fc.integer({ min: 1, max: PAGE_ENTRIES * 2 }) }),
      },
      { weight: 2, arbitrary: fc.record({ op: fc.constant('removeAny' as const), pick: fc.nat() }) },
      { weight: 1, arbitrary: fc.record({ op: fc.constant('keepOne' as const), pick: fc.nat() }) },
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const index = new MessageIndex()
        const model = new Map<number, number>()
        let position = 8
        for (const s of steps) {
          const keys = [...model.keys()]
          if (s.op === 'append') {
            for (let i = 0; i < s.count; i++) model.set(index.append((position += 8), 100), position)
          } else {
            const victims =
              s.op === 'removeOldest'
                ? keys.slice(0, s.count)
                : s.op === 'removeAny'
                  ? keys.slice(s.pick % (keys.length + 1)).slice(0, 1)
                  : keys.filter((_, i) => i !== s.pick % (keys.length + 1))
            for (const victim of victims) {
              assert.equal(index.remove(victim), model.get(victim))
              model.delete(victim)
            }
          }
          assert.equal(index.size, model.size)
        }
        const seen = new Map<number, number>()
        index.forEach((sequence, at) => seen.set(sequence, at))
        assert.deepEqual([...seen], [...model])
        let at = index.firstAtOrAfter(1)
        for (const key of model.keys()) {
          assert.equal(at, key)
          at = index.firstAtOrAfter(at + 1)
        }
        assert.equal(at, index.nextSequence)
      }),
      { numRuns: 60 },
    )
  })

  it('keeps its directory short when one old message stays while millions pass', () => {
    const index = new MessageIndex()
    const straggler = index.append(8, 1)
    for (let i = 0; i < 3_000_000; i++) index.remove(index.append(16, 1))
    const late = index.append(24, 1)
    assert.equal(index.positionOf(straggler), 8)
    assert.equal(index.positionOf(late), 24)
    assert.equal(index.firstAtOrAfter(straggler + 1), late)
    assert.equal(index.remove(straggler), 8)
    assert.equal(index.firstAtOrAfter(1), late)
  })

  it('restores entries at given numbers with gaps of any size', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 1, max: 2 ** 45 }), { maxLength: 30 }), (numbers) => {
        const index = new MessageIndex()
        for (const number of numbers) index.restore(number, number * 8, 5)
        for (const number of numbers) assert.equal(index.positionOf(number), number * 8)
        assert.equal(index.size, numbers.length)
        const order: number[] = []
        index.forEach((sequence) => order.push(sequence))
        assert.deepEqual(
          order,
          numbers.toSorted((a, b) => a - b),
        )
        for (const number of numbers) assert.equal(index.remove(number), number * 8)
        assert.equal(index.size, 0)
      }),
    )
  })

  it('tells waiting entries from those that are out or held back', () => {
    const index = new MessageIndex()
    const sequence = index.append(8, 42)
    assert.equal(index.isWaiting(sequence), true)
    for (const bit of [ENTRY.out, ENTRY.held]) {
      index.setBits(sequence, bit)
      assert.equal(index.isWaiting(sequence), false)
      index.clearBits(sequence, bit)
      assert.equal(index.isWaiting(sequence), true)
    }
    index.setBits(sequence, ENTRY.redelivered)
    assert.equal(index.isWaiting(sequence), true)
    assert.equal(index.sizeOf(sequence), 42)
  })
})
