import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AmqpWorld } from './amqp-world.ts'

test('under pressure a publisher is told and not read, a consumer goes on, and both go on afterwards', async () => {
  const world = await AmqpWorld.start()
  const publisher = await world.client()
  const consumer = await world.client()
  await publisher.call('queue.declare', { queue: 'q' })
  publisher.publish('q', 'before')
  await publisher.settle()
  world.pressure.set('disk', true)
  assert.deepEqual(await publisher.settle(), ['connection.blocked low on disk'])

  // Its next message is the last that is read.
  publisher.publish('q', 'at the mark')
  await publisher.settle()
  publisher.publish('q', 'not read')
  assert.deepEqual(await publisher.call('queue.declare', { queue: 'q', passive: true }), [])

  assert.deepEqual(await consumer.call('basic.consume', { queue: 'q', 'consumer-tag': 'c' }), [
    'basic.consume-ok c',
    'basic.deliver c 1 before',
    'basic.deliver c 2 at the mark',
  ])
  consumer.raw.sendMethod(1, 'basic.ack', { 'delivery-tag': 2, multiple: true })
  assert.deepEqual(await consumer.call('queue.declare', { queue: 'q', passive: true }), ['queue.declare-ok'])

  world.pressure.set('disk', false)
  assert.deepEqual(await publisher.settle(), ['connection.unblocked', 'queue.declare-ok'])
  assert.deepEqual(await consumer.settle(), ['basic.deliver c 3 not read'])
})

test('who begins to publish under pressure is told then', async () => {
  const world = await AmqpWorld.start()
  const publisher = await world.client()
  await publisher.call('queue.declare', { queue: 'q' })
  world.pressure.set('memory', true)
  assert.deepEqual(await publisher.settle(), [])
  publisher.publish('q', 'first')
  publisher.publish('q', 'second')
  assert.deepEqual(await publisher.settle(), ['connection.blocked low on memory'])
  world.pressure.set('memory', false)
  assert.deepEqual(await publisher.settle(), ['connection.unblocked'])
  assert.equal(world.namespace.queues.get('q')?.readyCount, 2)
})

test('a short pause for the disk is not told to clients, but holds publishers back', async () => {
  const world = await AmqpWorld.start()
  const publisher = await world.client()
  await publisher.call('queue.declare', { queue: 'q' })
  world.pressure.set('unsynced', true)
  publisher.publish('q', 'first')
  await publisher.settle()
  assert.deepEqual(await publisher.call('queue.declare', { queue: 'q', passive: true }), [])
  world.pressure.set('unsynced', false)
  assert.deepEqual(await publisher.settle(), ['queue.declare-ok'])
})

test('a publisher that is held back by pressure is not taken for dead', async () => {
  const world = await AmqpWorld.start()
  const publisher = await world.client({ heartbeat: 1 })
  await publisher.call('queue.declare', { queue: 'q' })
  world.pressure.set('memory', true)
  publisher.publish('q', 'first')
  await world.clock.runFor(60_000)
  assert.equal(publisher.raw.end, 'open')
  assert.ok(publisher.raw.heartbeats > 20)
  world.pressure.set('memory', false)
  await world.clock.runFor(10_000)
  assert.notEqual(publisher.raw.end, 'open')
})

test('a server that drains delivers nothing more, lets deliveries settle, and says why it closes', async () => {
  const world = await AmqpWorld.start()
  const client = await world.client()
  await client.call('queue.declare', { queue: 'q' })
  await client.call('basic.consume', { queue: 'q', 'consumer-tag': 'c' })
  client.publish('q', 'one')
  assert.deepEqual(await client.settle(), ['basic.deliver c 1 one'])
  world.amqp.drain()
  assert.equal(world.amqp.unsettledCount, 1)
  client.raw.sendMethod(1, 'basic.ack', { 'delivery-tag': 1 })
  client.publish('q', 'two')
  assert.deepEqual(await client.settle(), [])
  assert.equal(world.amqp.unsettledCount, 0)
  world.amqp.closeConnections('the server is shutting down')
  assert.deepEqual(await client.settle(), ['connection.close 320 CONNECTION_FORCED - the server is shutting down'])
  client.raw.sendMethod(0, 'connection.close-ok')
  await client.settle()
  assert.notEqual(client.raw.end, 'open')
  assert.equal(world.namespace.queues.get('q')?.readyCount, 1)
})

test('a server that ends closes connections that have not logged in without a word', async () => {
  const world = await AmqpWorld.start()
  const raw = world.connect()
  await world.settle()
  world.amqp.closeConnections('the server is shutting down')
  await world.settle()
  assert.deepEqual(raw.arrivals, [])
  assert.equal(raw.end, 'closed')
})
