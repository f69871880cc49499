import assert from 'node:assert/strict'
import { it } from 'node:test'
import { BrokerWorld } from './broker-world.ts'

it('counts a message once that expires while it is held back, although its back-off ends before it has reached the dead-letter queue', async () => {
  const world = await BrokerWorld.start()
  const queue = world.queue('q', {
    'x-dead-letter-exchange': '',
    'x-dead-letter-routing-key': 'dead',
    'x-redelivery-delay': 10_000,
  })
  world.queue('dead')
  const client = world.client()
  // More than is kept in memory: the dead letters have to be read from the disk, one after the other.
  const count = 400
  const expiresAtMs = world.clock.now() + 11_000
  for (let i = 0; i < count; i++) client.publish('q', `m${i}`.padEnd(400, '.'), { expirationMs: expiresAtMs - world.clock.now() })
  await world.durable()
  const consumer = client.consume(queue)
  await world.clock.runUntil(() => client.deliveries.length === count)
  await world.clock.runFor(expiresAtMs + 1 - 10_000 - world.clock.now())
  client.cancel(consumer)
  client.release(...client.take())
  assert.equal(queue.heldCount, count)
  let most = 0
  while (queue.messageCount > 0) {
    // Each step checks the counts of all queues.
    await world.pass(1)
    if (queue.messageCount < count) most = Math.max(most, queue.messageCount)
  }
  assert.ok(most > 0, 'they left one after the other')
  assert.equal(world.queueNamed('dead').readyCount, count)
})
