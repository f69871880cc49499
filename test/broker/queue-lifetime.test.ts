import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { BrokerWorld, ENDINGS } from './broker-world.ts'

describe('an expiring queue', () => {
  it('goes when it was not used for its time', async () => {
    const world = await BrokerWorld.start()
    world.queue('q', { 'x-expires': 5_000 })
    world.client().publish('q', 'm')
    await world.pass(4_999)
    assert.ok(world.hasQueue('q'))
    await world.pass(1)
    assert.ok(!world.hasQueue('q'))
    assert.equal(world.broker.queuesByNumber.size, 0)
  })

  it('stays while it has a consumer, and for its time afterwards', async () => {
    const world = await BrokerWorld.start()
    const client = world.client()
    const consumer = client.consume(world.queue('q', { 'x-expires': 5_000 }))
    await world.pass(60_000)
    client.cancel(consumer)
    await world.pass(4_999)
    assert.ok(world.hasQueue('q'))
    await world.pass(1)
    assert.ok(!world.hasQueue('q'))
  })

  it('stays while messages are fetched from it', async () => {
    const world = await BrokerWorld.start()
    world.queue('q', { 'x-expires': 5_000 })
    const client = world.client()
    for (let i = 0; i < 5; i++) {
      await world.pass(3_000)
      await world.fetch(client, 'q')
    }
    await world.pass(4_999)
    assert.ok(world.hasQueue('q'))
    await world.pass(1)
    assert.ok(!world.hasQueue('q'))
  })

  for (const ending of ENDINGS) {
    it(`gets its time anew at a restart, however long the start takes (${ending})`, async () => {
      const world = await BrokerWorld.start()
      world.queue('q', { 'x-expires': 5_000 })
      for (let i = 0; i < 100; i++) world.client().publish('q', 'm')
      await world.durable()
      if (ending === 'clean') await world.stop()
      else world.crash()
      world.disk.slowness = 20_000
      await world.powerOn()
      world.disk.slowness = 1
      await world.pass(4_999)
      assert.ok(world.hasQueue('q'))
      await world.pass(1)
      assert.ok(!world.hasQueue('q'))
      await world.restart(ending)
      assert.ok(!world.hasQueue('q'))
    })
  }
})

describe('an auto-delete queue', () => {
  it('goes with its last consumer, not before its first', async () => {
    const world = await BrokerWorld.start()
    const queue = world.queue('q', {}, { autoDelete: true })
    await world.pass(60_000)
    assert.ok(world.hasQueue('q'))
    const [first, second] = [world.client(), world.client()]
    first.consume(queue)
    second.consume(queue)
    first.end()
    assert.ok(world.hasQueue('q'))
    second.end()
    assert.ok(!world.hasQueue('q'))
  })

  it('that is durable waits for a consumer after a restart', async () => {
    const world = await BrokerWorld.start()
    world.queue('q', {}, { autoDelete: true })
    world.client().publish('q', 'm')
    await world.restart('crash')
    assert.equal(world.queueNamed('q').readyCount, 1)
    assert.ok(world.queueNamed('q').autoDelete)
  })
})

describe('an exclusive queue', () => {
  it('goes with its connection, and its consumers elsewhere are told', async () => {
    const world = await BrokerWorld.start()
    const owner = world.client()
    world.queue('q', {}, { exclusiveOwner: owner })
    owner.publish('q', 'm')
    owner.end()
    assert.ok(!world.hasQueue('q'))
  })

  for (const ending of ENDINGS) {
    it(`is not there after a restart, and neither is what it held (${ending})`, async () => {
      const world = await BrokerWorld.start()
      const owner = world.client()
      world.queue('q', {}, { exclusiveOwner: owner })
      world.queue('kept')
      for (let i = 0; i < 20; i++) for (const name of ['q', 'kept']) owner.publish(name, 'm')
      await world.restart(ending)
      assert.ok(!world.hasQueue('q'))
      assert.equal(world.queueNamed('kept').readyCount, 20)
    })
  }
})

describe('a queue that is deleted', () => {
  it('tells its consumers, forgets its messages, and its name is free at once', async () => {
    const world = await BrokerWorld.start()
    const client = world.client()
    const queue = world.queue('q')
    world.exchange('x', 'fanout')
    world.bind('x', 'q', '')
    client.consume(queue)
    for (let i = 0; i < 5; i++) client.publish('q', 'm')
    await world.settle()
    const deliveries = client.take()
    assert.equal(world.broker.deleteQueue(queue), 0)
    assert.deepEqual(client.cancelledTags, ['c1'])
    const again = world.queue('q')
    client.publish('', 'm', { exchange: 'x' })
    for (const { tag } of deliveries) assert.ok(client.session.settle(tag, false, 1))
    await world.clock.runFor(10)
    assert.deepEqual([again.messageCount, queue.messageCount, client.session.unsettledCount], [0, 0, 0])
  })

  for (const ending of ENDINGS) {
    it(`stays deleted, with its bindings (${ending})`, async () => {
      const world = await BrokerWorld.start()
      world.exchange('x', 'fanout')
      for (const name of ['gone', 'kept']) world.queue(name)
      for (const name of ['gone', 'kept']) world.bind('x', name, '')
      for (let i = 0; i < 10; i++) world.client().publish('', 'm', { exchange: 'x' })
      await world.durable()
      world.broker.deleteQueue(world.queueNamed('gone'))
      await world.restart(ending)
      assert.ok(!world.hasQueue('gone'))
      assert.equal(world.namespace.exchangeNamed('x').bindingCount, 1)
      const again = world.queue('gone')
      world.client().publish('', 'm', { exchange: 'x' })
      assert.deepEqual([again.readyCount, world.queueNamed('kept').readyCount], [0, 11])
      await world.restart(ending)
      assert.deepEqual([world.queueNamed('gone').readyCount, world.queueNamed('kept').readyCount], [0, 11])
    })
  }
})
