/** Headers that clients write themselves and the broker reads: nothing in them may stop it. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { LIMITS } from '../../src/base/limits.ts'
import type { HeaderValue } from '../../src/message/header-value.ts'
import { BrokerWorld } from './broker-world.ts'

const TO_DEAD = { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'dead' }

/** Rejects a message with these headers and gives back what arrives in the dead-letter queue. */
async function rejected(headers: Readonly<Record<string, HeaderValue>>) {
  const world = await BrokerWorld.start({ limits: {} })
  const queue = world.queue('q', TO_DEAD)
  world.queue('dead')
  const client = world.client()
  client.consume(queue)
  client.publish('q', 'm', { headers })
  await world.clock.runUntil(() => client.deliveries.length > 0)
  client.reject(client.takeOne())
  await world.clock.runUntil(() => world.queueNamed('dead').readyCount > 0)
  const dead = await world.fetch(client, 'dead')
  assert.equal(dead?.body, 'm')
  return dead.headers
}

describe('a history that a client wrote', () => {
  const counts: readonly HeaderValue[] = ['many', 1.5, Infinity, Number.NaN, -3, new Map<string, HeaderValue>([['a', 1]]), [1], null, true]
  for (const count of counts) {
    it(`counts from one when its count is of the kind ${typeof count} (${JSON.stringify(count)})`, async () => {
      const known = new Map<string, HeaderValue>([
        ['queue', 'q'],
        ['reason', 'rejected'],
        ['count', count],
      ])
      const other = new Map<string, HeaderValue>([
        ['queue', 'other'],
        ['count', count],
      ])
      const headers = await rejected({ 'x-death': [other, known] })
      const [newest] = headers.get('x-death') as readonly ReadonlyMap<string, HeaderValue>[]
      assert.deepEqual([newest?.get('queue'), Number(newest?.get('count'))], ['q', 1])
    })
  }

  it('is left out when the headers have no room for it', async () => {
    const headers: Record<string, HeaderValue> = {}
    for (let i = 0; i < LIMITS.headerEntriesMax; i++) headers[`h${i}`] = 1
    const dead = await rejected(headers)
    assert.equal(dead.size, LIMITS.headerEntriesMax)
  })
})

describe('a dead-letter routing key', () => {
  it('is refused when it is too long for an address', async () => {
    const world = await BrokerWorld.start()
    const args = (length: number) => ({ 'x-dead-letter-exchange': 'x', 'x-dead-letter-routing-key': 'k'.repeat(length) })
    assert.throws(() => world.queue('q', args(256)), { code: 'PRECONDITION_FAILED' })
    world.queue('q', args(255))
  })
})
