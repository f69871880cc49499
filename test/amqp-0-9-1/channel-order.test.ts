import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AmqpWorld } from './amqp-world.ts'

const KIB = 1024

test('what follows an error on its channel is ignored until the client agrees', async () => {
  const world = await AmqpWorld.start()
  const client = await world.client()
  client.raw.sendMethod(1, 'queue.declare', { queue: 'q', durable: true })
  client.raw.sendMethod(1, 'queue.declare', { queue: 'missing', passive: true })
  client.raw.sendMethod(1, 'queue.declare', { queue: 'ignored' })
  assert.deepEqual(await client.settle(), ['queue.declare-ok', "channel.close 404 NOT_FOUND - no queue 'missing' in vhost '/'"])
  assert.equal(world.namespace.queues.has('ignored'), false)
  assert.deepEqual(await client.call('channel.close-ok'), [])
  assert.deepEqual(await client.call('channel.open'), ['channel.open-ok'])
})

test('what follows a commit on its channel waits for it, other channels go on', async () => {
  const world = await AmqpWorld.start()
  const client = await world.client()
  client.raw.sendMethod(2, 'channel.open')
  await client.call('queue.declare', { queue: 'q', durable: true })
  await client.call('tx.select')
  world.disk.slowness = 1000
  client.publish('q', 'in the transaction', { 'delivery-mode': 2 })
  client.raw.sendMethod(1, 'tx.commit')
  client.raw.sendMethod(1, 'basic.get', { queue: 'q', 'no-ack': true })
  client.raw.sendMethod(2, 'queue.declare', { queue: 'q', passive: true })
  await world.clock.runFor(1)
  assert.deepEqual(client.takeLines(), ['queue.declare-ok'])
  world.disk.slowness = 1
  await world.clock.runFor(60_000)
  assert.deepEqual(client.takeLines(), ['tx.commit-ok', 'basic.get-ok 1 in the transaction'])
})

test('messages that must be read from the disk are answered in order with what follows', async () => {
  const limits = {
    segmentSizeBytes: 64 * KIB,
    recordSizeBytesMax: 8 * KIB,
    chunkSizeBytesMin: 2 * KIB,
    chunkSizeBytes: 8 * KIB,
    cacheSizeBytes: 8 * KIB,
    readBlockSizeBytes: 4 * KIB,
    readCacheSizeBytes: 8 * KIB,
  }
  const world = await AmqpWorld.start({ storageLimits: limits })
  const client = await world.client()
  await client.call('queue.declare', { queue: 'q', durable: true })
  for (let i = 0; i < 200; i++) client.publish('q', `${i} `.padEnd(1000, 'x'), { 'delivery-mode': 2 })
  await world.clock.runFor(5000)
  client.take()
  for (let i = 0; i < 3; i++) client.raw.sendMethod(1, 'basic.get', { queue: 'q', 'no-ack': true })
  client.raw.sendMethod(1, 'queue.declare', { queue: 'q', passive: true })
  client.raw.sendMethod(1, 'basic.get', { queue: 'q' })
  await world.clock.runFor(5000)
  const arrivals = client.take()
  const names = ['basic.get-ok', 'basic.get-ok', 'basic.get-ok', 'queue.declare-ok', 'basic.get-ok']
  assert.deepEqual(
    arrivals.map((arrival) => arrival.name),
    names,
  )
  const bodies = arrivals.map((arrival) => arrival.body?.toString().split(' ')[0])
  assert.deepEqual(bodies, ['0', '1', '2', undefined, '3'])
})

test('a connection that sends without end behind a commit is not read until the commit is done', async () => {
  const world = await AmqpWorld.start()
  const client = await world.client()
  await client.call('queue.declare', { queue: 'q', durable: true })
  await client.call('tx.select')
  world.disk.slowness = 1000
  client.publish('q', 'm', { 'delivery-mode': 2 })
  client.raw.sendMethod(1, 'tx.commit')
  const body = Buffer.alloc(100_000, 1)
  for (let i = 0; i < 40; i++) client.publish('q', body)
  client.raw.sendMethod(1, 'tx.commit')
  await world.clock.runFor(10)
  assert.deepEqual(client.takeLines(), [])
  world.disk.slowness = 1
  await world.clock.runFor(60_000)
  assert.deepEqual(client.takeLines(), ['tx.commit-ok', 'tx.commit-ok'])
  assert.equal(world.namespace.queues.get('q')?.readyCount, 41)
})

test('a channel that ends while its commit is under way gets no answer any more', async () => {
  const world = await AmqpWorld.start()
  const client = await world.client()
  await client.call('queue.declare', { queue: 'q', durable: true })
  await client.call('tx.select')
  world.disk.slowness = 1000
  client.publish('q', 'm', { 'delivery-mode': 2 })
  client.raw.sendMethod(1, 'tx.commit')
  await world.clock.runFor(1)
  client.raw.destroy()
  world.disk.slowness = 1
  await world.clock.runFor(60_000)
  assert.equal(world.namespace.queues.get('q')?.readyCount, 1)
})

test('who deletes the queue of its own consumer is answered first and told of the cancellation then', async () => {
  const world = await AmqpWorld.start()
  const client = await world.client()
  await client.call('queue.declare', { queue: 'q', durable: true })
  await client.call('basic.consume', { queue: 'q', 'consumer-tag': 'tag' })
  assert.deepEqual(await client.call('queue.delete', { queue: 'q' }), ['queue.delete-ok', 'basic.cancel tag'])
})
