import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { PUBLISHED } from '../../src/broker/publication.ts'
import { BrokerWorld, ENDINGS } from './broker-world.ts'

const TO_DEAD = { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'dead' }

describe('a length limit', () => {
  it('drops the oldest messages', async () => {
    const world = await BrokerWorld.start()
    world.queue('q', { 'x-max-length': 2 })
    for (const body of ['a', 'b', 'c', 'd']) world.client().publish('q', body)
    await world.settle()
    assert.deepEqual(await world.bodiesIn('q'), ['c', 'd'])
  })

  it('dead-letters what it drops, in order', async () => {
    const world = await BrokerWorld.start()
    world.queue('dead')
    world.queue('q', { 'x-max-length': 2, ...TO_DEAD })
    for (const body of ['a', 'b', 'c', 'd']) world.client().publish('q', body)
    await world.pass(10)
    assert.deepEqual(await world.bodiesIn('dead'), ['a', 'b'])
  })

  it('counts waiting messages, not those with consumers', async () => {
    const world = await BrokerWorld.start()
    const queue = world.queue('q', { 'x-max-length': 2 })
    const consumer = world.client()
    consumer.consume(queue, { prefetch: 1 })
    for (const body of ['a', 'b', 'c']) consumer.publish('q', body)
    await world.settle()
    assert.deepEqual([queue.readyCount, queue.unsettledCount], [2, 1])
  })

  it('drops the lowest priority first', async () => {
    const world = await BrokerWorld.start()
    world.queue('q', { 'x-max-length': 2, 'x-max-priority': 10 })
    for (const [body, priority] of [
      ['high', 9],
      ['low', 1],
      ['middle', 5],
    ] as const)
      world.client().publish('q', body, { priority })
    await world.settle()
    assert.deepEqual(await world.bodiesIn('q'), ['high', 'middle'])
  })

  it('holds in a queue with ordering keys although every key is busy', async () => {
    const world = await BrokerWorld.start()
    const queue = world.queue('q', { 'x-max-length': 2, 'x-ordering-key': 'k' })
    const consumer = world.client()
    consumer.consume(queue)
    for (let i = 0; i < 6; i++) {
      consumer.publish('q', `m${i}`, { headers: { k: 'one' } })
      await world.settle()
    }
    assert.deepEqual([queue.readyCount, queue.unsettledCount], [2, 1])
    for (const body of ['m0', 'm4', 'm5']) {
      const delivery = consumer.takeOne()
      assert.equal(delivery.body, body)
      consumer.accept(delivery)
      await world.settle()
    }
  })

  it('drops a message that came back before younger ones, in a queue with ordering keys', async () => {
    const world = await BrokerWorld.start()
    const queue = world.queue('q', { 'x-max-length': 2, 'x-ordering-key': 'k' })
    const consumer = world.client()
    const subscription = consumer.consume(queue, { prefetch: 1 })
    for (let i = 0; i < 4; i++) {
      consumer.publish('q', `m${i}`, { headers: { k: `k${i}` } })
      await world.settle()
    }
    const first = consumer.takeOne()
    consumer.cancel(subscription)
    consumer.release(first)
    consumer.publish('q', 'm4', { headers: { k: 'k4' } })
    await world.settle()
    assert.deepEqual([first.body, queue.readyCount], ['m0', 2])
    assert.deepEqual(await world.bodiesIn('q'), ['m3', 'm4'])
  })

  it('in bytes drops as many as must go', async () => {
    const world = await BrokerWorld.start()
    const queue = world.queue('q', { 'x-max-length-bytes': 100 })
    const client = world.client()
    for (const letter of ['a', 'b', 'c', 'd']) client.publish('q', letter.repeat(25))
    await world.settle()
    assert.equal(queue.readyCount, 4)
    client.publish('q', 'e'.repeat(60))
    await world.settle()
    assert.deepEqual(
      (await world.bodiesIn('q')).map((body) => body.slice(0, 1)),
      ['d', 'e'],
    )
    client.publish('q', 'f'.repeat(101))
    await world.settle()
    assert.equal(queue.messageCount, 0)
  })

  it('refuses the newest with reject-publish, and takes one again when there is room', async () => {
    const world = await BrokerWorld.start()
    const queue = world.queue('q', { 'x-max-length': 2, 'x-overflow': 'reject-publish', ...TO_DEAD })
    world.queue('dead')
    const client = world.client()
    client.session.selectConfirms()
    for (const body of ['a', 'b', 'c']) client.publish('q', body)
    await world.durable()
    assert.deepEqual([client.confirmedCount, client.refusedTags], [2, [3]])
    const fetched = await world.fetch(client, 'q')
    assert.ok(fetched !== undefined)
    client.accept(fetched)
    client.publish('q', 'd')
    await world.durable()
    assert.deepEqual([client.confirmedCount, client.refusedTags], [3, [3]])
    assert.equal(queue.readyCount, 2)
    assert.deepEqual(await world.bodiesIn('dead'), [])
  })

  it('refuses and dead-letters the newest with reject-publish-dlx', async () => {
    const world = await BrokerWorld.start()
    world.queue('q', { 'x-max-length': 1, 'x-overflow': 'reject-publish-dlx', ...TO_DEAD })
    world.queue('dead')
    const client = world.client()
    client.session.selectConfirms()
    client.publish('q', 'a')
    client.publish('q', 'b')
    await world.durable()
    assert.deepEqual([client.confirmedCount, client.refusedTags], [1, [2]])
    const dead = await world.fetch(client, 'dead')
    assert.deepEqual([dead?.body, dead?.headers.get('x-last-death-reason')], ['b', 'maxlen'])
    assert.deepEqual(await world.bodiesIn('q'), ['a'])
  })

  it('of one queue does not keep a message from another', async () => {
    const world = await BrokerWorld.start()
    world.exchange('both', 'fanout')
    world.queue('full', { 'x-max-length': 0, 'x-overflow': 'reject-publish' })
    world.queue('open')
    for (const name of ['full', 'open']) world.bind('both', name, '')
    assert.equal(world.client().publish('', 'm', { exchange: 'both' }), PUBLISHED.refused)
    await world.settle()
    assert.deepEqual([world.queueNamed('full').readyCount, world.queueNamed('open').readyCount], [0, 1])
  })

  it('that a policy lowers drops at once what is too much', async () => {
    const world = await BrokerWorld.start()
    world.queue('q')
    for (let i = 0; i < 10; i++) world.client().publish('q', `m${i}`)
    world.namespace.policies.set('policy', { name: 'p', pattern: '^q', definition: { 'max-length': 3 } })
    await world.settle()
    assert.deepEqual(await world.bodiesIn('q'), ['m7', 'm8', 'm9'])
  })

  for (const ending of ENDINGS) {
    it(`is the same after a restart (${ending})`, async () => {
      const world = await BrokerWorld.start()
      world.queue('drops', { 'x-max-length': 3 })
      world.queue('refuses', { 'x-max-length': 3, 'x-overflow': 'reject-publish' })
      for (let i = 0; i < 5; i++) for (const name of ['drops', 'refuses']) world.client().publish(name, `m${i}`)
      await world.restart(ending)
      assert.deepEqual(
        [await world.bodiesIn('drops'), await world.bodiesIn('refuses')],
        [
          ['m2', 'm3', 'm4'],
          ['m0', 'm1', 'm2'],
        ],
      )
      assert.equal(world.client().publish('refuses', 'm'), PUBLISHED.refused)
      world.client().publish('drops', 'm5')
      await world.settle()
      assert.deepEqual(await world.bodiesIn('drops'), ['m3', 'm4', 'm5'])
    })
  }
})
