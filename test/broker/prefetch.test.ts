import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { OUTCOME } from '../../src/broker/session.ts'
import { BrokerWorld } from './broker-world.ts'

async function worldWithMessages(count: number) {
  const world = await BrokerWorld.start()
  const queue = world.queue('q')
  const client = world.client()
  for (let i = 0; i < count; i++) client.publish('q', `m${i}`)
  await world.settle()
  return { world, queue, client }
}

describe('prefetch', () => {
  it('of a consumer bounds what it has unsettled, and each settlement makes room for one', async () => {
    const { world, queue, client } = await worldWithMessages(10)
    client.consume(queue, { prefetch: 3 })
    await world.settle()
    const [m0, m1, m2] = client.take()
    assert.ok(m0 !== undefined && m1 !== undefined && m2 !== undefined)
    await world.settle()
    assert.equal(client.take().length, 0)
    client.accept(m1)
    await world.settle()
    assert.deepEqual(client.takeBodies(), ['m3'])
    client.reject(m0, m2)
    await world.settle()
    assert.deepEqual(client.takeBodies(), ['m4', 'm5'])
    assert.deepEqual([queue.readyCount, queue.unsettledCount], [4, 3])
  })

  it('of each consumer counts by itself', async () => {
    const { world, queue, client } = await worldWithMessages(10)
    client.consume(queue, { prefetch: 1 })
    client.consume(queue, { prefetch: 2 })
    await world.settle()
    const consumers = client.take().map(({ consumer }) => consumer)
    assert.deepEqual([consumers.length, consumers.filter((consumer) => consumer === 'c1').length], [3, 1])
  })

  it('of the session bounds all its consumers together, beside their own', async () => {
    const { world, queue, client } = await worldWithMessages(10)
    const other = world.queue('other')
    for (let i = 0; i < 10; i++) client.publish('other', 'o')
    client.session.setPrefetch(5)
    client.consume(queue, { prefetch: 2 })
    client.consume(other)
    await world.settle()
    const deliveries = client.take()
    assert.equal(deliveries.length, 5)
    assert.ok(deliveries.filter((delivery) => delivery.queue === 'q').length <= 2)
    client.accept(...deliveries)
    await world.settle()
    assert.equal(client.take().length, 5)
  })

  it('of the session serves a queue that waited when room comes from another', async () => {
    const { world, queue, client } = await worldWithMessages(1)
    const other = world.queue('other')
    client.session.setPrefetch(1)
    client.consume(queue)
    await world.settle()
    const held = client.takeOne()
    client.consume(other)
    client.publish('other', 'o')
    await world.settle()
    assert.deepEqual(client.takeBodies(), [])
    client.accept(held)
    await world.settle()
    assert.deepEqual(client.takeBodies(), ['o'])
  })

  it('of the session does not count what was fetched', async () => {
    const { world, queue, client } = await worldWithMessages(5)
    const fetched = await world.fetch(client, 'q')
    assert.ok(fetched !== undefined)
    client.session.setPrefetch(1)
    client.consume(queue)
    await world.settle()
    const first = client.takeOne()
    client.accept(fetched)
    await world.settle()
    assert.deepEqual(client.takeBodies(), [])
    client.accept(first)
    await world.settle()
    assert.equal(client.takeOne().body, 'm2')
  })

  it('that is raised lets more come at once', async () => {
    const { world, queue, client } = await worldWithMessages(10)
    client.session.setPrefetch(1)
    client.consume(queue)
    await world.settle()
    assert.equal(client.take().length, 1)
    client.session.setPrefetch(4)
    await world.settle()
    assert.equal(client.take().length, 3)
    client.session.setPrefetch(0)
    await world.settle()
    assert.equal(client.take().length, 6)
  })

  it('does not hold for consumers that settle nothing', async () => {
    const { world, queue, client } = await worldWithMessages(10)
    client.session.setPrefetch(1)
    client.consume(queue, { prefetch: 1, noAck: true })
    await world.settle()
    assert.equal(client.take().length, 10)
    assert.equal(queue.messageCount, 0)
  })

  it('makes room with one settlement of many', async () => {
    const { world, queue, client } = await worldWithMessages(10)
    client.consume(queue, { prefetch: 4 })
    await world.settle()
    const last = client.take().at(-1)
    assert.equal(last?.tag, 4)
    assert.ok(client.session.settle(4, true, OUTCOME.accept))
    await world.clock.runFor(0)
    assert.deepEqual(client.takeBodies(), ['m4', 'm5', 'm6', 'm7'])
    assert.deepEqual([queue.readyCount, queue.unsettledCount], [2, 4])
  })
})

describe('a connection that takes no output', () => {
  it('gets nothing, others get its share, and it is served when it reads again', async () => {
    const { world, queue, client } = await worldWithMessages(2)
    const other = world.client()
    client.setWritable(false)
    client.consume(queue)
    other.consume(queue, { prefetch: 1 })
    await world.settle()
    assert.deepEqual([client.takeBodies(), other.takeBodies()], [[], ['m0']])
    client.setWritable(true)
    await world.settle()
    assert.deepEqual(client.takeBodies(), ['m1'])
  })
})
