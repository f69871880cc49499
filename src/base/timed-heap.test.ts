import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { NumberDeque } from './number-deque.ts'
import { TimedHeap } from './timed-heap.ts'

describe('TimedHeap', () => {
  it('gives entries back by time, then by number', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(20), fc.nat(1000)), { maxLength: 300 }), (entries) => {
        const heap = new TimedHeap()
        for (const [time, number] of entries) heap.push(time, number)
        const sorted = entries.toSorted((a, b) => a[0] - b[0] || a[1] - b[1])
        for (const [time, number] of sorted) {
          assert.equal(heap.firstTime, time)
          assert.equal(heap.firstNumber, number)
          assert.equal(heap.pop(), number)
        }
        assert.equal(heap.firstTime, Infinity)
      }),
    )
  })

  it('keeps what it is told to keep, in order', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(20), fc.nat(1000)), { maxLength: 300 }), fc.integer({ min: 1, max: 5 }), (entries, divisor) => {
        const heap = new TimedHeap()
        for (const [time, number] of entries) heap.push(time, number)
        heap.retain((number) => number % divisor === 0)
        const kept = entries.filter(([, number]) => number % divisor === 0).toSorted((a, b) => a[0] - b[0] || a[1] - b[1])
        assert.deepEqual(
          Array.from(kept, () => [heap.firstTime, heap.pop()]),
          kept,
        )
        assert.equal(heap.size, 0)
      }),
    )
  })
})

describe('NumberDeque', () => {
  it('gives numbers back first in, first out, however pushes and shifts mix', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 500 }), (pushes) => {
        const deque = new NumberDeque()
        const model: number[] = []
        let next = 0
        for (const push of pushes) {
          if (push) {
            deque.push(next)
            model.push(next++)
          } else if (model.length > 0) assert.equal(deque.shift(), model.shift())
          assert.equal(deque.size, model.length)
        }
      }),
    )
  })
})
