import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { OUTCOME } from '../../src/broker/session.ts'
import { LIMITS } from '../../src/base/limits.ts'
import { BrokerWorld } from './broker-world.ts'

describe('transactions', () => {
  it('settles with "all" what was delivered when it was said, not what came until the commit', async () => {
    const world = await BrokerWorld.start()
    const queue = world.queue('q')
    const { session, deliveries } = consumerOf(world, 'q')
    const publisher = world.client()
    for (const body of ['a', 'b']) publisher.publish('q', body)
    await world.clock.runUntil(() => deliveries.length === 2)
    // The newest is settled by itself already: it must not keep "all" from the others.
    assert.ok(session.settle(2, false, OUTCOME.accept))
    assert.ok(session.settle(0, true, OUTCOME.accept))
    assert.ok(!session.settle(1, false, OUTCOME.accept), 'what all covers is not settled twice')
    publisher.publish('q', 'c')
    await world.clock.runUntil(() => deliveries.length === 3)
    await world.clock.settle(new Promise((resolve) => session.commit(resolve)))
    assert.deepEqual([session.unsettledCount, queue.messageCount], [1, 1])
    assert.ok(session.isUnsettled(3))
  })

  it('answers a commit of settlements alone when they are on the disk', async () => {
    const world = await BrokerWorld.start()
    world.queue('q')
    const { session, deliveries } = consumerOf(world, 'q')
    world.client().publish('q', 'a')
    await world.durable()
    await world.clock.runUntil(() => deliveries.length === 1)
    session.settle(1, false, OUTCOME.accept)
    await world.clock.settle(new Promise((resolve) => session.commit(resolve)))
    world.crash()
    await world.powerOn()
    assert.equal(world.queueNamed('q').messageCount, 0)
  })

  it('limits settlements and empty publications too', async () => {
    const world = await BrokerWorld.start()
    const { session } = consumerOf(world, 'q', world.queue('q'))
    const many = LIMITS.transactionSizeBytesMax / 50
    assert.throws(
      () => {
        for (let i = 0; i < many; i++) session.settle(0, true, OUTCOME.accept)
      },
      { code: 'RESOURCE_ERROR' },
    )
  })
})

function consumerOf(world: BrokerWorld, name: string, queue = world.queueNamed(name)) {
  const client = world.client()
  client.session.selectTransaction()
  client.consume(queue)
  return client
}
