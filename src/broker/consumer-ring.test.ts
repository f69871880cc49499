import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ConsumerRing } from './consumer-ring.ts'
import type { Consumer } from './consumer.ts'

/** What the ring looks at of a consumer. */
function consumerOf(priority: number): Consumer {
  return { priority, inLine: false, canReceive: true } as unknown as Consumer
}

describe('ConsumerRing', () => {
  it('keeps nothing of priorities that nobody has any more', () => {
    const ring = new ConsumerRing()
    const stays = consumerOf(5)
    ring.add(stays)
    for (let priority = 0; priority < 1_000; priority++) {
      const consumer = consumerOf(priority)
      ring.add(consumer)
      if (priority % 2 === 0) (consumer as { canReceive: boolean }).canReceive = false
      ring.next()
      ring.remove(consumer)
    }
    assert.equal(ring.lineCount, 1)
    assert.equal(ring.next(), stays)
  })
})
