import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AmqpWorld } from './amqp-world.ts'
import type { Arrival } from './raw-client.ts'
import type { Table, Typed } from './wire-value.ts'

function headersOf(arrival: Arrival | undefined): Table {
  return arrival?.properties?.['headers'] as Table
}

test('a delayed exchange routes when the delay is over, and tells how long it was', async () => {
  const world = await AmqpWorld.start()
  const client = await world.client()
  await client.call('exchange.declare', {
    exchange: 'x',
    type: 'x-delayed-message',
    durable: true,
    arguments: { 'x-delayed-type': 'topic' },
  })
  await client.call('queue.declare', { queue: 'q', durable: true })
  await client.call('queue.bind', { queue: 'q', exchange: 'x', 'routing-key': 'a.*' })
  await client.call('confirm.select')
  client.publish('a.late', 'late', { 'delivery-mode': 2, headers: { 'x-delay': 10_000, more: 'text' } }, { exchange: 'x' })
  client.publish('a.soon', 'soon', { 'delivery-mode': 2, headers: { 'x-delay': 2000 } }, { exchange: 'x' })
  client.publish('a.now', 'now', { 'delivery-mode': 2 }, { exchange: 'x' })
  const confirms = await client.settle()
  assert.match(confirms.at(-1) ?? '', /^basic\.ack 3/)
  await client.call('basic.consume', { queue: 'q', 'consumer-tag': 'c', 'no-ack': true })
  await world.clock.runFor(1000)
  assert.equal(client.raw.arrivals.filter((each) => each.name === 'basic.deliver').length, 1)
  client.take()
  await world.clock.runFor(1000)
  assert.deepEqual(client.takeLines(), ['basic.deliver c 2 soon'])
  await world.clock.runFor(7000)
  assert.deepEqual(client.takeLines(), [])
  await world.clock.runFor(2000)
  const [late] = client.take()
  assert.equal(late?.body?.toString(), 'late')
  assert.equal(Number((headersOf(late)['x-delay'] as Typed).value), -10_000)
  assert.equal((headersOf(late)['more'] as Typed).value, 'text')
})

test('x-delay on any other exchange delays as well and stays as it was sent', async () => {
  const world = await AmqpWorld.start()
  const client = await world.client()
  await client.call('queue.declare', { queue: 'q' })
  await client.call('basic.consume', { queue: 'q', 'consumer-tag': 'c', 'no-ack': true })
  client.publish('q', 'later', { headers: { 'x-delay': 5000 } })
  client.publish('q', 'now', { headers: { 'x-delay': 0 } })
  client.publish('q', 'now too', { headers: { 'x-delay': -1 } })
  client.publish('q', 'and this', { headers: { 'x-delay': 'soon' } })
  assert.deepEqual(await client.settle(), ['basic.deliver c 1 now', 'basic.deliver c 2 now too', 'basic.deliver c 3 and this'])
  await world.clock.runFor(5000)
  const [later] = client.take()
  assert.equal(later?.body?.toString(), 'later')
  assert.equal((headersOf(later)['x-delay'] as Typed).value, 5000)
})

test('what one message has more is not left for the next one to the same address', async () => {
  const world = await AmqpWorld.start()
  const client = await world.client()
  for (const queue of ['q', 'copy', 'blind']) await client.call('queue.declare', { queue })
  client.publish('q', 'with extras', { priority: 5, expiration: '60000', headers: { CC: ['copy'], BCC: ['blind'], 'x-delay': 1 } })
  client.publish('q', 'plain')
  client.publish('q', 'with copies', { headers: { CC: ['copy'] } })
  client.publish('q', 'plain again')
  await client.settle()
  const countOf = (queue: string): number | undefined => world.namespace.queues.get(queue)?.readyCount
  assert.deepEqual(['q', 'copy', 'blind'].map(countOf), [4, 2, 1])
  await world.clock.runFor(61_000)
  assert.deepEqual(['q', 'copy', 'blind'].map(countOf), [3, 1, 0])
})

test('a route that changes is followed by the next message to the same address', async () => {
  const world = await AmqpWorld.start()
  const client = await world.client()
  client.publish('q', 'nobody', {}, { mandatory: true })
  assert.deepEqual(await client.settle(), ['basic.return 312 NO_ROUTE nobody'])
  await client.call('queue.declare', { queue: 'q' })
  client.publish('q', 'taken', {}, { mandatory: true })
  assert.deepEqual(await client.call('basic.get', { queue: 'q', 'no-ack': true }), ['basic.get-ok 1 taken'])
  await client.call('queue.delete', { queue: 'q' })
  client.publish('q', 'nobody again', {}, { mandatory: true })
  assert.deepEqual(await client.settle(), ['basic.return 312 NO_ROUTE nobody again'])
})

test('a mandatory message in a transaction is given back at the commit, and not after a rollback', async () => {
  const world = await AmqpWorld.start()
  const client = await world.client()
  await client.call('tx.select')
  client.publish('nobody', 'taken back', {}, { mandatory: true })
  assert.deepEqual(await client.call('tx.rollback'), ['tx.rollback-ok'])
  client.publish('nobody', 'm', {}, { mandatory: true })
  assert.deepEqual(await client.settle(), [])
  assert.deepEqual(await client.call('tx.commit'), ['basic.return 312 NO_ROUTE m', 'tx.commit-ok'])
})

test('a consumer that settles nothing holds up nobody but itself', async () => {
  const world = await AmqpWorld.start()
  const slow = await world.client()
  const fast = await world.client()
  await fast.call('queue.declare', { queue: 'q' })
  await slow.call('basic.qos', { 'prefetch-count': 10 })
  await slow.call('basic.consume', { queue: 'q', 'consumer-tag': 'slow' })
  await fast.call('basic.consume', { queue: 'q', 'consumer-tag': 'fast', 'no-ack': true })
  for (let i = 0; i < 100; i++) fast.publish('q', `${i}`)
  await world.settle()
  assert.equal(slow.take().length, 10)
  assert.equal(fast.take().length, 90)
})

test('a consumer that does not read its socket gets no more than the limit until it reads, and nothing is lost', async () => {
  const world = await AmqpWorld.start()
  const slow = await world.client()
  const publisher = await world.client()
  await slow.call('queue.declare', { queue: 'q' })
  await slow.call('basic.consume', { queue: 'q', 'consumer-tag': 'slow', 'no-ack': true })
  slow.stall()
  const body = Buffer.alloc(50_000, 1)
  for (let i = 0; i < 100; i++) publisher.publish('q', body)
  await world.clock.runFor(1000)
  const waiting = world.namespace.queues.get('q')?.readyCount ?? 0
  assert.ok(waiting > 60 && waiting < 100, `${waiting} wait in the queue`)
  slow.goOn()
  await world.clock.runFor(1000)
  assert.equal(slow.take().length, 100)
})

test('recover in a transaction gives back at once what the transaction has not settled', async () => {
  const world = await AmqpWorld.start()
  const client = await world.client()
  await client.call('queue.declare', { queue: 'q' })
  for (const body of ['settled', 'open', 'open too']) client.publish('q', body)
  await client.call('tx.select')
  for (let i = 0; i < 3; i++) client.raw.sendMethod(1, 'basic.get', { queue: 'q' })
  client.raw.sendMethod(1, 'basic.ack', { 'delivery-tag': 1 })
  await client.settle()
  assert.deepEqual(await client.call('basic.recover', { requeue: true }), ['basic.recover-ok'])
  assert.equal(world.namespace.queues.get('q')?.readyCount, 2)
  assert.deepEqual(await client.call('tx.commit'), ['tx.commit-ok'])
  assert.equal(world.namespace.queues.get('q')?.messageCount, 2)
})
