import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { BrokerWorld } from './broker-world.ts'

const SINGLE = { 'x-single-active-consumer': true }

async function worldWithConsumers(prefetch = 1) {
  const world = await BrokerWorld.start()
  const queue = world.queue('q', SINGLE)
  const [first, second] = [world.client(), world.client()]
  const subscriptions = [first.consume(queue, { prefetch }), second.consume(queue, { prefetch })] as const
  return { world, queue, first, second, subscriptions, publisher: world.client() }
}

describe('single active consumer', () => {
  it('gives everything to the first consumer, at the pace of its settlements', async () => {
    const { world, queue, first, second, publisher } = await worldWithConsumers()
    for (const body of ['a', 'b', 'c']) publisher.publish('q', body)
    for (const body of ['a', 'b', 'c']) {
      await world.settle()
      const delivery = first.takeOne()
      assert.equal(delivery.body, body)
      first.accept(delivery)
    }
    await world.settle()
    assert.equal(queue.messageCount, 0)
    assert.deepEqual(second.takeBodies(), [])
  })

  it('goes on after a release and a rejection, too', async () => {
    const { world, first, publisher } = await worldWithConsumers()
    publisher.publish('q', 'a')
    publisher.publish('q', 'b')
    await world.settle()
    first.release(first.takeOne())
    await world.settle()
    const again = first.takeOne()
    assert.deepEqual([again.body, again.redelivered], ['a', true])
    first.reject(again)
    await world.settle()
    assert.equal(first.takeOne().body, 'b')
  })

  it('hands over when the active consumer is cancelled, without the other having what is unsettled', async () => {
    const { world, first, second, subscriptions, publisher } = await worldWithConsumers()
    publisher.publish('q', 'a')
    publisher.publish('q', 'b')
    await world.settle()
    first.cancel(subscriptions[0])
    await world.settle()
    assert.equal(second.takeOne().body, 'b')
    const kept = first.takeOne()
    assert.equal(kept.body, 'a')
    first.accept(kept)
    await world.settle()
    assert.deepEqual(second.takeBodies(), [])
  })

  it('hands over in order when the connection of the active consumer is gone', async () => {
    const { world, first, second, publisher } = await worldWithConsumers(2)
    for (const body of ['a', 'b', 'c']) publisher.publish('q', body)
    await world.settle()
    assert.deepEqual(first.takeBodies(), ['a', 'b'])
    first.end()
    await world.settle()
    const [a, b] = second.take()
    assert.deepEqual([a?.body, a?.redelivered, b?.body, b?.redelivered], ['a', true, 'b', true])
  })

  it('chooses the waiting consumer of the highest priority as the next one', async () => {
    const world = await BrokerWorld.start()
    const queue = world.queue('q', SINGLE)
    const [active, low, high] = [world.client(), world.client(), world.client()]
    active.consume(queue)
    low.consume(queue, { priority: 1 })
    high.consume(queue, { priority: 5 })
    active.end()
    world.client().publish('q', 'm')
    await world.settle()
    assert.deepEqual([low.takeBodies(), high.takeBodies()], [[], ['m']])
  })

  it('waits while the active consumer takes no output, and goes on when it does', async () => {
    const { world, first, second, publisher } = await worldWithConsumers(0)
    first.setWritable(false)
    publisher.publish('q', 'm')
    await world.settle()
    assert.deepEqual([first.takeBodies(), second.takeBodies()], [[], []])
    first.setWritable(true)
    await world.settle()
    assert.deepEqual(first.takeBodies(), ['m'])
  })

  it('is still in force after a restart', async () => {
    const { world } = await worldWithConsumers()
    await world.restart('crash')
    const [first, second] = [world.client(), world.client()]
    first.consume(world.queueNamed('q'))
    second.consume(world.queueNamed('q'))
    for (let i = 0; i < 10; i++) world.client().publish('q', `m${i}`)
    await world.settle()
    assert.deepEqual([first.take().length, second.take().length], [10, 0])
  })
})
