import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AmqpWorld } from './amqp-world.ts'

test('a delivery that is not settled in time ends its channel, and goes to another consumer', async () => {
  const world = await AmqpWorld.start()
  const slow = await world.client()
  const other = await world.client()
  await slow.call('queue.declare', { queue: 'q' })
  await slow.call('basic.consume', { queue: 'q', 'consumer-tag': 'slow', arguments: { 'x-consumer-timeout': 60_000 } })
  slow.publish('q', 'm')
  assert.deepEqual(await slow.settle(), ['basic.deliver slow 1 m'])
  await other.call('basic.consume', { queue: 'q', 'consumer-tag': 'other' })
  await world.clock.runFor(50_000)
  assert.deepEqual(slow.takeLines(), [])
  await world.clock.runFor(30_000)
  const close = slow.raw.arrivals.at(-1)
  assert.match(slow.takeLines().join(), /^channel\.close 406 PRECONDITION_FAILED - delivery acknowledgement on channel .*timed out/)
  assert.deepEqual([close?.arguments['class-id'], close?.arguments['method-id']], [0, 0])
  assert.deepEqual(other.takeLines(), ['basic.deliver other 1 redelivered m'])
})

test('a consumer that settles in time is left alone', async () => {
  const world = await AmqpWorld.start()
  const client = await world.client()
  await client.call('queue.declare', { queue: 'q', arguments: { 'x-consumer-timeout': 60_000 } })
  await client.call('basic.consume', { queue: 'q', 'consumer-tag': 'c' })
  for (let i = 1; i <= 5; i++) {
    client.publish('q', 'm')
    await world.clock.runFor(40_000)
    client.raw.sendMethod(1, 'basic.ack', { 'delivery-tag': i })
  }
  await world.clock.runFor(300_000)
  assert.equal(client.takeLines().filter((line) => line.startsWith('channel.close')).length, 0)
})
