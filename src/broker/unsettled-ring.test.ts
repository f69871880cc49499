import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Queue } from './queue.ts'
import { UnsettledRing } from './unsettled-ring.ts'

const queue = { name: 'q' } as Queue

describe('UnsettledRing', () => {
  it('agrees with a map under any pushes (with gaps) and takes', () => {
    const step = fc.record({ push: fc.boolean(), gap: fc.nat(5), pick: fc.nat(10_000), repeat: fc.integer({ min: 1, max: 40 }) })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const ring = new UnsettledRing()
        const model = new Map<number, number>()
        let tag = 0
        for (const { push, gap, pick, repeat } of steps) {
          for (let i = 0; i < repeat; i++) {
            if (push) {
              tag += 1 + gap
              ring.push(tag, queue, undefined, tag * 10, 7)
              model.set(tag, tag * 10)
            } else {
              const keys = [...model.keys()]
              const victim = keys[pick % (keys.length + 1)]
              if (victim === undefined) continue
              assert.equal(ring.take(victim), true)
              assert.equal(ring.takenSequence, model.get(victim))
              assert.equal(ring.take(victim), false)
              model.delete(victim)
            }
          }
          assert.equal(ring.count, model.size)
          assert.equal(ring.firstTag, model.size === 0 ? 0 : Math.min(...model.keys()))
          for (const key of model.keys()) assert.equal(ring.has(key), true)
        }
        const seen: number[] = []
        ring.forEach((at) => seen.push(at))
        assert.deepEqual(seen, [...model.keys()])
      }),
    )
  })

  it('stays small when one delivery is unsettled while a million pass', () => {
    const ring = new UnsettledRing()
    ring.push(1, queue, undefined, 1, 5)
    for (let tag = 2; tag < 1_000_000; tag++) {
      ring.push(tag, queue, undefined, tag, 6)
      ring.take(tag)
    }
    assert.equal(ring.firstTag, 1)
    assert.equal(ring.deliveredAtMs(1), 5)
    assert.equal(ring.take(1), true)
    assert.equal(ring.count, 0)
  })
})
