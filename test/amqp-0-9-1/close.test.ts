import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AmqpWorld } from './amqp-world.ts'

test('after connection.close-ok the client ends the socket, and the server only when the client does not', async () => {
  const world = await AmqpWorld.start()
  const client = await world.client()
  client.raw.sendMethod(0, 'connection.close', { 'reply-code': 200, 'reply-text': 'bye' })
  await world.clock.runFor(1_000)
  assert.equal(client.raw.arrivals.at(-1)?.name, 'connection.close-ok')
  assert.equal(client.raw.end, 'open')
  await world.clock.runFor(30_000)
  assert.notEqual(client.raw.end, 'open')
})

test('a closed connection gives up what it owned at once, before its socket ends', async () => {
  const world = await AmqpWorld.start()
  const client = await world.client()
  await client.call('queue.declare', { queue: 'mine', exclusive: true })
  client.raw.sendMethod(0, 'connection.close', { 'reply-code': 200, 'reply-text': 'bye' })
  await world.clock.runFor(1_000)
  assert.equal(world.namespace.queues.has('mine'), false)
})
