import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { BrokerWorld, ENDINGS } from './broker-world.ts'

const DAY_MS = 86_400_000
const TO_DEAD = { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'dead' }

/** A queue whose dead letters arrive at a consumer, which records when. */
async function worldWithDeaths(args: Record<string, number> = {}) {
  const world = await BrokerWorld.start()
  const queue = world.queue('q', { ...args, ...TO_DEAD })
  const undertaker = world.client()
  undertaker.consume(world.queue('dead'), { noAck: true })
  return { world, queue, undertaker, publisher: world.client(), startMs: world.clock.now() }
}

describe('time to live', () => {
  it('lets a message leave from the middle of the queue at its time', async () => {
    const { world, queue, undertaker, publisher, startMs } = await worldWithDeaths()
    publisher.publish('q', 'forever')
    publisher.publish('q', 'short', { expirationMs: 1_000 })
    publisher.publish('q', 'long', { expirationMs: 5_000 })
    await world.pass(999)
    assert.equal(queue.readyCount, 3)
    await world.pass(1)
    assert.equal(queue.readyCount, 2)
    await world.pass(4_000)
    assert.deepEqual(
      undertaker.take().map(({ body, atMs }) => [body, atMs - startMs]),
      [
        ['short', 1_000],
        ['long', 5_000],
      ],
    )
    assert.deepEqual(await world.bodiesIn('q'), ['forever'])
  })

  it('takes the earlier of the time of the message and that of the queue', async () => {
    const { world, undertaker, publisher, startMs } = await worldWithDeaths({ 'x-message-ttl': 2_000 })
    publisher.publish('q', 'own is earlier', { expirationMs: 500 })
    publisher.publish('q', 'own is later', { expirationMs: 9_000 })
    publisher.publish('q', 'has none')
    await world.pass(10_000)
    assert.deepEqual(
      undertaker.take().map(({ body, atMs }) => [body, atMs - startMs]),
      [
        ['own is earlier', 500],
        ['own is later', 2_000],
        ['has none', 2_000],
      ],
    )
  })

  for (const ending of ENDINGS) {
    it(`counts on while the server is down (${ending})`, async () => {
      const { world, publisher, startMs } = await worldWithDeaths()
      publisher.publish('q', 'forever')
      publisher.publish('q', 'past', { expirationMs: 1_000 })
      publisher.publish('q', 'later', { expirationMs: DAY_MS })
      await world.durable()
      if (ending === 'clean') await world.stop()
      else world.crash()
      await world.clock.runFor(1_000)
      await world.powerOn()
      await world.pass(100)
      assert.deepEqual(await world.bodiesIn('dead'), ['past'])
      assert.equal(world.queueNamed('q').readyCount, 2)
      await world.pass(startMs + DAY_MS - 1 - world.clock.now())
      assert.equal(world.queueNamed('q').readyCount, 2)
      await world.pass(1)
      assert.deepEqual(await world.bodiesIn('q'), ['forever'])
    })

    it(`is kept by a message that a checkpoint has seen (${ending})`, async () => {
      const { world, publisher } = await worldWithDeaths({ 'x-message-ttl': 10_000 })
      publisher.publish('q', 'm')
      await world.durable()
      await world.clock.settle(world.broker.checkpoint())
      await world.restart(ending)
      await world.restart(ending)
      assert.equal(world.queueNamed('q').readyCount, 1)
      await world.pass(10_000)
      assert.deepEqual(await world.bodiesIn('dead'), ['m'])
    })

    it(`is not forgotten when the server ends while expired messages are on their way out (${ending})`, async () => {
      const world = await BrokerWorld.start()
      world.queue('dead')
      world.queue('q', { 'x-message-ttl': 1_000, ...TO_DEAD })
      const publisher = world.client()
      for (let i = 0; i < 1_500; i++) publisher.publish('q', `m${i}`)
      await world.durable()
      // All expire at once; only some of them are moved in the turns that the clock is given.
      await world.clock.runUntil(() => world.queueNamed('q').readyCount === 0)
      assert.ok(world.queueNamed('q').messageCount > 0, 'some are still on their way')
      const checkpoint = world.broker.checkpoint()
      if (ending === 'clean') await world.stop()
      else {
        await world.clock.settle(checkpoint)
        world.crash()
      }
      await world.powerOn()
      await world.pass(60_000)
      assert.equal(world.queueNamed('q').messageCount, 0)
      assert.equal(world.queueNamed('dead').readyCount, 1_500)
    })

    it(`of a message that expired while it was with a consumer is over after a restart (${ending})`, async () => {
      const { world, queue, publisher } = await worldWithDeaths()
      const consumer = world.client()
      consumer.consume(queue)
      publisher.publish('q', 'm', { expirationMs: 1_000 })
      await world.pass(2_000)
      await world.clock.settle(world.broker.checkpoint())
      await world.restart(ending)
      await world.pass(100)
      assert.equal(world.queueNamed('q').messageCount, 0)
      assert.deepEqual(await world.bodiesIn('dead'), ['m'])
    })
  }

  it('lets a consumer finish what it has, and ends when the message comes back', async () => {
    const { world, queue, undertaker, publisher } = await worldWithDeaths({ 'x-message-ttl': 1_000 })
    const consumer = world.client()
    const subscription = consumer.consume(queue)
    publisher.publish('q', 'accepted')
    publisher.publish('q', 'released')
    await world.pass(5_000)
    const [accepted, released] = consumer.take()
    assert.ok(accepted !== undefined && released !== undefined)
    consumer.accept(accepted)
    consumer.cancel(subscription)
    consumer.release(released)
    await world.settle()
    assert.equal(queue.messageCount, 0)
    const death = undertaker.takeOne()
    assert.equal(death.body, 'released')
    assert.equal(death.headers.get('x-first-death-reason'), 'expired')
  })

  it('of zero hands a message to a consumer that waits, and drops it otherwise', async () => {
    const world = await BrokerWorld.start()
    const queue = world.queue('q')
    const client = world.client()
    client.publish('q', 'nobody waits', { expirationMs: 0 })
    await world.settle()
    assert.equal(queue.messageCount, 0)
    client.consume(queue, { noAck: true })
    client.publish('q', 'somebody waits', { expirationMs: 0 })
    await world.settle()
    assert.deepEqual(client.takeBodies(), ['somebody waits'])
  })

  it('never delivers a message after its time, even when the alarm is late', async () => {
    const world = await BrokerWorld.start()
    const queue = world.queue('q')
    const client = world.client()
    client.publish('q', 'late', { expirationMs: 1_000 })
    await world.settle()
    world.clock.jump(2_000)
    client.consume(queue)
    await world.settle()
    assert.deepEqual(client.takeBodies(), [])
    assert.equal(queue.messageCount, 0)
  })

  it('costs no memory for messages that are handled long before their time', async () => {
    const world = await BrokerWorld.start()
    const queue = world.queue('q', { 'x-message-ttl': DAY_MS }, { durable: false })
    const client = world.client()
    client.consume(queue, { noAck: true })
    for (let round = 0; round < 100; round++) {
      for (let i = 0; i < 1_000; i++) client.publish('q', 'm')
      await world.settle()
    }
    assert.equal(client.take().length, 100_000)
    assert.equal(queue.messageCount, 0)
    assert.ok((queue.times.expiry?.size ?? 0) < 10_000, `${queue.times.expiry?.size} times are kept for no message`)
  })

  it('of waiting messages is kept when a policy changes it, and holds for those that follow', async () => {
    const { world, queue, undertaker, publisher, startMs } = await worldWithDeaths()
    publisher.publish('q', 'before')
    world.namespace.policies.set('policy', { name: 'short', pattern: '^q$', definition: { 'message-ttl': 1_000 } })
    publisher.publish('q', 'after')
    await world.pass(3_000)
    assert.deepEqual(
      undertaker.take().map(({ body, atMs }) => [body, atMs - startMs]),
      [['after', 1_000]],
    )
    assert.equal(queue.readyCount, 1)
  })
})
