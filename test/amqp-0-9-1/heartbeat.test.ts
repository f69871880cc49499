import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AmqpWorld } from './amqp-world.ts'
import { frame, FRAME } from './raw-client.ts'

const HEARTBEAT = frame(FRAME.heartbeat, 0, Buffer.alloc(0))

test('a silent client gets heartbeats, and is dropped after two intervals and a half without a word', async () => {
  const world = await AmqpWorld.start()
  const client = await world.client({ heartbeat: 10 })
  await client.call('queue.declare', { queue: 'mine', exclusive: true })
  await world.clock.runFor(20_000)
  assert.equal(client.raw.end, 'open')
  assert.ok(client.raw.heartbeats >= 1)
  await world.clock.runFor(10_000)
  assert.notEqual(client.raw.end, 'open')
  assert.equal(world.namespace.queues.has('mine'), false)
})

test('a client that sends heartbeats stays', async () => {
  const world = await AmqpWorld.start()
  const client = await world.client({ heartbeat: 10 })
  for (let i = 0; i < 12; i++) {
    client.raw.sendBytes(HEARTBEAT)
    await world.clock.runFor(10_000)
  }
  assert.equal(client.raw.end, 'open')
})

test('without a heartbeat interval nobody is dropped and nothing is sent', async () => {
  const world = await AmqpWorld.start()
  const client = await world.client()
  await world.clock.runFor(3_600_000)
  assert.equal(client.raw.end, 'open')
  assert.equal(client.raw.heartbeats, 0)
})
