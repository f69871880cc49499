import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { BrokerWorld, ENDINGS } from './broker-world.ts'

describe('message priority', () => {
  it('delivers the highest first, and equal ones in their order', async () => {
    const world = await BrokerWorld.start()
    world.queue('q', { 'x-max-priority': 255 })
    const client = world.client()
    const priorities = [0, 255, 7, 128, 7, 255, undefined]
    priorities.forEach((priority, i) => client.publish('q', `${i}`, priority === undefined ? {} : { priority }))
    await world.settle()
    assert.deepEqual(await world.bodiesIn('q'), ['1', '5', '3', '2', '4', '0', '6'])
  })

  it('above the highest of the queue counts as the highest', async () => {
    const world = await BrokerWorld.start()
    world.queue('q', { 'x-max-priority': 5 })
    const client = world.client()
    for (const priority of [5, 200, 4, 5]) client.publish('q', `${priority}`, { priority })
    await world.settle()
    assert.deepEqual(await world.bodiesIn('q'), ['5', '200', '5', '4'])
  })

  it('means nothing on a queue without it', async () => {
    const world = await BrokerWorld.start()
    world.queue('q')
    for (const priority of [1, 9]) world.client().publish('q', `${priority}`, { priority })
    await world.settle()
    assert.deepEqual(await world.bodiesIn('q'), ['1', '9'])
  })

  it('keeps the place of a returned message within its priority', async () => {
    const world = await BrokerWorld.start()
    const queue = world.queue('q', { 'x-max-priority': 9 })
    const client = world.client()
    for (const [body, priority] of [
      ['a5', 5],
      ['b5', 5],
      ['c5', 5],
    ] as const)
      client.publish('q', body, { priority })
    const consumer = client.consume(queue, { prefetch: 2 })
    await world.settle()
    const [a5, b5] = client.take()
    assert.ok(a5 !== undefined && b5 !== undefined)
    client.cancel(consumer)
    client.release(b5, a5)
    client.publish('q', 'd9', { priority: 9 })
    await world.settle()
    assert.deepEqual(await world.bodiesIn('q'), ['d9', 'a5', 'b5', 'c5'])
  })

  for (const ending of ENDINGS) {
    for (const checkpoint of [true, false]) {
      it(`survives a restart (${ending}, ${checkpoint ? 'with' : 'without'} a checkpoint before)`, async () => {
        const world = await BrokerWorld.start()
        world.queue('q', { 'x-max-priority': 255 })
        const client = world.client()
        for (const priority of [3, 200, 3, 255, 0]) client.publish('q', `${priority}`, { priority })
        await world.durable()
        if (checkpoint) await world.clock.settle(world.broker.checkpoint())
        await world.restart(ending)
        world.client().publish('q', '100', { priority: 100 })
        await world.settle()
        assert.deepEqual(await world.bodiesIn('q'), ['255', '200', '100', '3', '3', '0'])
      })
    }
  }

  it('costs no memory for messages that expire while nobody consumes', async () => {
    const world = await BrokerWorld.start()
    const queue = world.queue('q', { 'x-max-priority': 9, 'x-message-ttl': 100 }, { durable: false })
    for (let round = 0; round < 20; round++) {
      for (let i = 0; i < 1_000; i++) world.client().publish('q', 'm', { priority: i % 10 })
      await world.pass(101)
    }
    assert.equal(queue.messageCount, 0)
    assert.ok(queue.order.heldCount < 15_000, `${queue.order.heldCount} numbers are kept of messages that are gone`)
  })
})
