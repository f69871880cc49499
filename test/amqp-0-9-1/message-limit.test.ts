import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LIMITS } from '../../src/base/limits.ts'
import { AmqpWorld } from './amqp-world.ts'
import { encodeHeader, encodeMethod, frame, FRAME } from './raw-client.ts'

test('a message over the limit is refused at its header, and its body is skipped', async () => {
  const world = await AmqpWorld.start({ messageSizeBytesMax: 1000 })
  const client = await world.client()
  await client.call('queue.declare', { queue: 'q' })
  client.publish('q', Buffer.alloc(1000))
  client.publish('q', Buffer.alloc(1001))
  const text = 'PRECONDITION_FAILED - message size 1001 is larger than configured max size 1000'
  assert.deepEqual(await client.settle(), [`channel.close 406 ${text}`])
  client.raw.sendMethod(1, 'channel.close-ok')
  assert.deepEqual(await client.call('channel.open'), ['channel.open-ok'])
  assert.equal(world.namespace.queues.get('q')?.readyCount, 1)
})

test('an announced body takes no memory before it comes', async () => {
  const world = await AmqpWorld.start()
  const client = await world.client()
  const before = process.memoryUsage().arrayBuffers
  for (let channel = 2; channel < 500; channel++) {
    client.raw.sendMethod(channel, 'channel.open')
    client.raw.sendBytes(frame(FRAME.method, channel, encodeMethod('basic.publish', { 'routing-key': 'q' })))
    client.raw.sendBytes(frame(FRAME.header, channel, encodeHeader(16 << 20, {}, 60)))
    client.raw.sendBytes(frame(FRAME.body, channel, Buffer.from('x')))
  }
  await client.settle()
  assert.equal(world.amqp.unfinishedSizeBytes, 498)
  assert.ok(process.memoryUsage().arrayBuffers - before < 100 << 20)
  client.raw.destroy()
  await world.settle()
  assert.equal(world.amqp.unfinishedSizeBytes, 0)
})

test('unfinished bodies over the limit of the server close the channel that goes beyond it', async () => {
  const world = await AmqpWorld.start()
  const client = await world.client()
  await client.call('queue.declare', { queue: 'q' })
  world.amqp.unfinishedSizeBytes = LIMITS.unfinishedContentSizeBytesMax
  client.raw.sendBytes(frame(FRAME.method, 1, encodeMethod('basic.publish', { 'routing-key': 'q' })))
  client.raw.sendBytes(frame(FRAME.header, 1, encodeHeader(100, {}, 60)))
  client.raw.sendBytes(frame(FRAME.body, 1, Buffer.from('half')))
  assert.deepEqual(await client.settle(), ['channel.close 506 RESOURCE_ERROR - too many bytes of unfinished messages'])
})
