import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Arguments } from './broker-world.ts'
import { BrokerWorld, ENDINGS } from './broker-world.ts'

const LIMITED: Arguments = { 'x-delivery-limit': 2, 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'dead' }

describe('delivery limit', () => {
  for (const type of ['classic', 'quorum']) {
    it(`dead-letters a message that came back too often, on a ${type} queue`, async () => {
      const world = await BrokerWorld.start()
      world.queue('dead')
      const consumer = world.client()
      consumer.consume(world.queue('q', { ...LIMITED, 'x-queue-type': type }))
      world.client().publish('q', 'poison')
      for (const count of [0, 1, 2]) {
        await world.settle()
        const delivery = consumer.takeOne()
        assert.equal(delivery.deliveryCount, count)
        consumer.release(delivery)
      }
      await world.settle()
      assert.deepEqual(consumer.takeBodies(), [])
      const dead = await world.fetch(world.client(), 'dead')
      assert.equal(dead?.headers.get('x-first-death-reason'), 'delivery_limit')
    })
  }

  it('counts a delivery whose connection was lost', async () => {
    const world = await BrokerWorld.start()
    world.queue('dead')
    const queue = world.queue('q', LIMITED)
    world.client().publish('q', 'poison')
    for (let i = 0; i < 3; i++) {
      const consumer = world.client()
      consumer.consume(queue)
      await world.settle()
      assert.equal(consumer.take().length, 1)
      consumer.end()
    }
    await world.settle()
    assert.equal(queue.messageCount, 0)
    assert.deepEqual(await world.bodiesIn('dead'), ['poison'])
  })

  for (const ending of ENDINGS) {
    it(`counts on after a restart (${ending})`, async () => {
      const world = await BrokerWorld.start()
      world.queue('dead')
      world.queue('q', LIMITED)
      world.client().publish('q', 'poison')
      for (const count of [0, 1, 2]) {
        const consumer = world.client()
        consumer.consume(world.queueNamed('q'))
        await world.pass(100)
        const delivery = consumer.takeOne()
        assert.equal(delivery.deliveryCount, count)
        consumer.release(delivery)
        consumer.session.cancel('c1')
        await world.restart(ending)
      }
      await world.pass(100)
      assert.equal(world.queueNamed('q').messageCount, 0)
      assert.deepEqual(await world.bodiesIn('dead'), ['poison'])
    })
  }

  it('drops the message where there is no dead-letter exchange', async () => {
    const world = await BrokerWorld.start()
    const queue = world.queue('q', { 'x-delivery-limit': 0 })
    const consumer = world.client()
    consumer.consume(queue)
    consumer.publish('q', 'm')
    await world.settle()
    consumer.release(consumer.takeOne())
    await world.settle()
    assert.equal(queue.messageCount, 0)
  })

  it('that is negative is no limit', async () => {
    const world = await BrokerWorld.start()
    const consumer = world.client()
    consumer.consume(world.queue('q', { 'x-delivery-limit': -1 }))
    consumer.publish('q', 'm')
    for (let i = 0; i < 50; i++) {
      await world.settle()
      consumer.release(consumer.takeOne())
    }
  })
})
