import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { ConfirmRing } from './confirm-ring.ts'

describe('ConfirmRing', () => {
  it('gives each publication exactly one outcome, in order, and none before its position is durable', () => {
    const publication = fc.record({ step: fc.nat(3), refused: fc.boolean() })
    fc.assert(
      fc.property(fc.array(publication, { maxLength: 80 }), fc.array(fc.nat(300), { maxLength: 20 }), (publications, watermarks) => {
        const ring = new ConfirmRing()
        const positions: number[] = [0]
        let position = 0
        for (const { step, refused } of publications) {
          position += step
          positions.push(refused ? -1 : position)
          ring.push(position, refused)
        }
        const outcomes = new Map<number, boolean>()
        let last = 0
        const cover = (tag: number, ok: boolean, multiple: boolean): void => {
          assert.ok(tag > last)
          const from = multiple ? last + 1 : tag
          assert.equal(from, last + 1, 'no publication is left out')
          for (let t = from; t <= tag; t++) outcomes.set(t, ok)
          last = tag
        }
        let watermark = 0
        for (const next of [...watermarks, position]) {
          watermark = Math.max(watermark, next)
          ring.advance(watermark, {
            confirmed: (tag, multiple) => cover(tag, true, multiple),
            refused: (tag) => cover(tag, false, false),
          })
          for (const [tag, ok] of outcomes) {
            if (ok) assert.ok((positions[tag] as number) >= 0 && (positions[tag] as number) <= watermark)
            else assert.equal(positions[tag], -1)
          }
        }
        assert.equal(outcomes.size, publications.length)
        assert.equal(ring.size, 0)
      }),
    )
  })
})
