import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { LIMITS } from '../../src/base/limits.ts'
import { BrokerWorld } from './broker-world.ts'

describe('consumers of one queue', () => {
  it('are served in turn', async () => {
    const world = await BrokerWorld.start()
    const queue = world.queue('q')
    const clients = [world.client(), world.client(), world.client()]
    for (const client of clients) client.consume(queue)
    for (let i = 0; i < 9; i++) world.client().publish('q', `m${i}`)
    await world.settle()
    assert.deepEqual(
      clients.map((client) => client.takeBodies()),
      [
        ['m0', 'm3', 'm6'],
        ['m1', 'm4', 'm7'],
        ['m2', 'm5', 'm8'],
      ],
    )
  })

  it('are served in turn also when the messages come one by one', async () => {
    const world = await BrokerWorld.start()
    const queue = world.queue('q')
    const clients = Array.from({ length: 5 }, () => world.client())
    for (const client of clients) client.consume(queue, { prefetch: 1 })
    for (let i = 0; i < 50; i++) {
      clients[0]?.publish('q', 'm')
      await world.settle()
      for (const client of clients) client.accept(...client.deliveries.slice(-1).filter(({ tag }) => client.session.isUnsettled(tag)))
    }
    assert.deepEqual(
      clients.map((client) => client.take().length),
      [10, 10, 10, 10, 10],
    )
  })

  it('of a higher priority come first while they have credit', async () => {
    const world = await BrokerWorld.start()
    const queue = world.queue('q')
    const [low, high, higher] = [world.client(), world.client(), world.client()]
    low.consume(queue)
    high.consume(queue, { priority: 5, prefetch: 2 })
    higher.consume(queue, { priority: 10, prefetch: 1 })
    for (let i = 0; i < 5; i++) world.client().publish('q', `m${i}`)
    await world.settle()
    assert.deepEqual([higher.takeBodies(), low.takeBodies()], [['m0'], ['m3', 'm4']])
    const [first] = high.take()
    assert.ok(first !== undefined)
    assert.equal(first.body, 'm1')
    high.accept(first)
    world.client().publish('q', 'm5')
    await world.settle()
    assert.deepEqual([high.takeBodies(), low.takeBodies()], [['m5'], []])
  })

  it('share the rest fairly when some are slow', async () => {
    const world = await BrokerWorld.start()
    const queue = world.queue('q')
    const [slow, quick, other] = [world.client(), world.client(), world.client()]
    for (const client of [slow, quick, other]) client.consume(queue, { prefetch: 1 })
    for (let i = 0; i < 201; i++) world.client().publish('q', 'm')
    const counts = { quick: 0, other: 0 }
    for (let i = 0; i < 100; i++) {
      await world.settle()
      for (const [name, client] of Object.entries({ quick, other })) {
        const deliveries = client.take()
        counts[name as keyof typeof counts] += deliveries.length
        client.accept(...deliveries)
      }
    }
    assert.equal(slow.take().length, 1)
    assert.deepEqual(counts, { quick: 100, other: 100 })
  })

  it('do not take from each other when one leaves in the middle of the round', async () => {
    const world = await BrokerWorld.start()
    const queue = world.queue('q')
    const clients = [world.client(), world.client(), world.client()] as const
    for (const client of clients) client.consume(queue)
    world.client().publish('q', 'm0')
    await world.settle()
    clients[0].end()
    for (let i = 1; i < 5; i++) world.client().publish('q', `m${i}`)
    await world.settle()
    assert.deepEqual(
      [clients[1].takeBodies(), clients[2].takeBodies()].map((bodies) => bodies.length).toSorted((a, b) => a - b),
      [2, 3],
    )
    assert.equal(queue.readyCount, 0)
  })

  it('are each served when there are more than can be served in one turn', async () => {
    const world = await BrokerWorld.start()
    const queue = world.queue('q')
    const other = world.queue('other')
    const [first, second] = [world.client(), world.client()]
    const count = LIMITS.deliveriesPerTurnMax + 1_000
    for (let i = 0; i < count; i++) first.publish('q', 'm')
    second.publish('other', 'm')
    await world.settle()
    first.consume(queue, { noAck: true })
    second.consume(other, { noAck: true })
    await world.pass(1_000)
    const deliveries = first.take()
    assert.equal(deliveries.length, count)
    assert.ok(second.takeOne().number < (deliveries.at(-1)?.number ?? 0), 'the other queue had to wait for the long one')
  })
})
