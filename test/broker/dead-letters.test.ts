import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { HeaderValue } from '../../src/message/header-value.ts'
import { BrokerWorld, ENDINGS } from './broker-world.ts'
import type { Delivered } from './recording-client.ts'

const TO_DEAD = { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'dead' }

type Death = ReadonlyMap<string, HeaderValue>

/** The history of a message in short: queue, reason, count, newest first. */
function historyOf(delivery: Delivered): string[] {
  const deaths = delivery.headers.get('x-death') as readonly Death[]
  return deaths.map((death) => {
    const [queue, reason, count] = ['queue', 'reason', 'count'].map((name) => death.get(name))
    return `${queue as string} ${reason as string} ${count as number}`
  })
}

async function takeFrom(world: BrokerWorld, queue: string): Promise<Delivered> {
  await world.pass(100)
  const delivery = await world.fetch(world.client(), queue)
  assert.ok(delivery !== undefined, `a message waits in ${queue}`)
  return delivery
}

describe('dead-lettering', () => {
  it('tells reason, place, time, keys and the original expiration of a death', async () => {
    const world = await BrokerWorld.start()
    world.queue('q', TO_DEAD)
    world.queue('dead')
    world.exchange('shop', 'topic')
    world.bind('shop', 'q', 'orders.#')
    const startMs = world.clock.now()
    world.client().publish('orders.new', 'm', { exchange: 'shop', expirationMs: 2_000, headers: { mine: 1 } })
    await world.pass(3_000)
    const dead = await takeFrom(world, 'dead')
    assert.deepEqual([dead.exchange, dead.routingKey, dead.body, dead.properties.expiration], ['', 'dead', 'm', undefined])
    const [death] = dead.headers.get('x-death') as readonly Death[]
    assert.deepEqual(
      death,
      new Map<string, HeaderValue>([
        ['count', 1],
        ['reason', 'expired'],
        ['queue', 'q'],
        ['time', new Date(Math.floor((startMs + 2_000) / 1_000) * 1_000)],
        ['exchange', 'shop'],
        ['routing-keys', ['orders.new']],
        ['original-expiration', '2000'],
      ]),
    )
    const texts = [...dead.headers].filter(([name]) => name !== 'x-death')
    assert.deepEqual(Object.fromEntries(texts), {
      mine: 1,
      'x-first-death-reason': 'expired',
      'x-first-death-queue': 'q',
      'x-first-death-exchange': 'shop',
      'x-last-death-reason': 'expired',
      'x-last-death-queue': 'q',
      'x-last-death-exchange': 'shop',
    })
  })

  it('keeps the history over several hops and counts repetitions', async () => {
    const world = await BrokerWorld.start()
    // Work is rejected into a waiting room, whose messages expire back into the work queue.
    world.queue('work', { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'waiting' })
    world.queue('waiting', { 'x-message-ttl': 1_000, 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'work' })
    const consumer = world.client()
    consumer.consume(world.queueNamed('work'))
    consumer.publish('work', 'm')
    for (let round = 0; round < 3; round++) {
      await world.clock.runUntil(() => consumer.deliveries.length > 0)
      consumer.reject(consumer.takeOne())
      await world.pass(10)
    }
    await world.clock.runUntil(() => consumer.deliveries.length > 0)
    const last = consumer.takeOne()
    assert.deepEqual(historyOf(last), ['waiting expired 3', 'work rejected 3'])
    assert.equal(last.headers.get('x-first-death-queue'), 'work')
    assert.equal(last.headers.get('x-last-death-queue'), 'waiting')
  })

  it('drops a message that would come back without a rejection on the way', async () => {
    const world = await BrokerWorld.start()
    world.queue('a', { 'x-message-ttl': 1_000, 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'b' })
    world.queue('b', { 'x-message-ttl': 1_000, 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'a' })
    world.queue('self', { 'x-message-ttl': 1_000, 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'self' })
    const client = world.client()
    client.publish('a', 'm')
    client.publish('self', 'm')
    await world.pass(1_500)
    assert.deepEqual(
      ['a', 'b', 'self'].map((name) => world.queueNamed(name).messageCount),
      [0, 1, 0],
    )
    await world.pass(10_000)
    assert.deepEqual(
      ['a', 'b'].map((name) => world.queueNamed(name).messageCount),
      [0, 0],
    )
  })

  it("reaches every queue of the dead-letter exchange, by the message's own key", async () => {
    const world = await BrokerWorld.start()
    world.exchange('graveyard', 'topic')
    for (const name of ['all', 'some', 'none']) world.queue(name)
    world.bind('graveyard', 'all', '#')
    world.bind('graveyard', 'some', 'q.*')
    world.bind('graveyard', 'none', 'other')
    world.queue('q', { 'x-dead-letter-exchange': 'graveyard', 'x-max-length': 0 })
    world.exchange('in', 'fanout')
    world.bind('in', 'q', '')
    world.client().publish('q.1', 'm', { exchange: 'in' })
    await world.pass(10)
    assert.deepEqual(
      ['all', 'some', 'none'].map((name) => world.queueNamed(name).readyCount),
      [1, 1, 0],
    )
    assert.deepEqual(historyOf(await takeFrom(world, 'some')), ['q maxlen 1'])
  })

  for (const ending of ENDINGS) {
    it(`leaves a message at exactly one place when the server ends at any moment (${ending})`, async () => {
      const places = { q: 0, dead: 0 }
      for (let step = 0; step < 40; step++) {
        const world = await BrokerWorld.start({ seed: step + 1 })
        world.queue('q', { 'x-message-ttl': 1_000, ...TO_DEAD })
        world.queue('dead')
        const client = world.client()
        for (let i = 0; i < 20; i++) client.publish('q', `m${i}`)
        await world.durable()
        await world.pass(990)
        // Ten milliseconds around the moment, in steps shorter than a write takes.
        await world.clock.runFor(8 + step * 0.1)
        if (ending === 'clean') await world.stop()
        else world.crash()
        // The server starts before the time of what has not expired yet.
        world.clock.jump(-5_000)
        await world.powerOn()
        const [left, moved] = [world.queueNamed('q').messageCount, world.queueNamed('dead').messageCount]
        const overdue = left - world.queueNamed('q').readyCount
        assert.equal(left + moved, 20, `${left} left and ${moved} moved in step ${step}`)
        assert.ok(overdue >= 0)
        if (left > 0) places.q++
        if (moved > 0) places.dead++
        await world.pass(100)
        const bodies = [...(await world.bodiesIn('dead')), ...(await world.bodiesIn('q'))]
        assert.equal(new Set(bodies).size, 20, `${bodies.length} messages in step ${step}`)
        assert.equal(bodies.length, 20)
      }
      assert.ok(places.q > 0 && places.dead > 0, `the moment is met from both sides: ${JSON.stringify(places)}`)
    })

    it(`keeps the history across a restart (${ending})`, async () => {
      const world = await BrokerWorld.start()
      world.queue('q', TO_DEAD)
      world.queue('dead', { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'last' })
      world.queue('last')
      for (const name of ['q', 'dead']) {
        if (name === 'q') world.client().publish('q', 'm')
        await world.pass(50)
        const client = world.client()
        const delivery = await world.fetch(client, name)
        assert.ok(delivery !== undefined)
        client.reject(delivery)
        await world.pass(50)
        await world.restart(ending)
      }
      assert.deepEqual(historyOf(await takeFrom(world, 'last')), ['dead rejected 1', 'q rejected 1'])
    })
  }

  it('moves what has to be read from the disk first', async () => {
    const world = await BrokerWorld.start()
    world.queue('q', { 'x-message-ttl': 60_000, ...TO_DEAD })
    world.queue('dead')
    const client = world.client()
    const body = 'x'.repeat(1_000)
    for (let i = 0; i < 200; i++) client.publish('q', `${i} ${body}`)
    await world.durable()
    await world.pass(61_000)
    assert.deepEqual([world.queueNamed('q').messageCount, world.queueNamed('dead').readyCount], [0, 200])
    const bodies = await world.bodiesIn('dead')
    assert.deepEqual(
      bodies.map((text) => Number(text.split(' ')[0])),
      Array.from({ length: 200 }, (_, i) => i),
    )
  })

  it('moves a message that was rejected right before its queue went', async () => {
    const world = await BrokerWorld.start()
    world.queue('dead')
    const consumer = world.client()
    consumer.consume(world.queue('q', TO_DEAD, { autoDelete: true }))
    consumer.publish('q', 'm')
    await world.settle()
    consumer.reject(consumer.takeOne())
    consumer.end()
    await world.pass(10)
    assert.equal(world.hasQueue('q'), false)
    assert.deepEqual(await world.bodiesIn('dead'), ['m'])
  })

  it('drops what is on its way when a policy takes the dead-letter exchange away', async () => {
    const world = await BrokerWorld.start()
    const queue = world.queue('q', { 'x-message-ttl': 1_000 })
    world.queue('dead')
    const definition = { 'dead-letter-exchange': '', 'dead-letter-routing-key': 'dead' }
    world.namespace.policies.set('policy', { name: 'p', pattern: '^q$', definition })
    const client = world.client()
    for (let i = 0; i < 1_500; i++) client.publish('q', `m${i}`)
    await world.durable()
    await world.clock.runUntil(() => queue.readyCount === 0)
    world.namespace.policies.delete('policy', 'p')
    await world.pass(1_000)
    assert.equal(queue.messageCount, 0)
  })

  it('drops a message whose dead-letter exchange does not exist, and keeps a message that has none', async () => {
    const world = await BrokerWorld.start()
    const queue = world.queue('q', { 'x-dead-letter-exchange': 'missing' })
    const client = world.client()
    client.publish('q', 'm')
    await world.settle()
    client.consume(queue)
    await world.settle()
    client.reject(client.takeOne())
    await world.settle()
    assert.equal(queue.messageCount, 0)
  })

  it('makes a persistent message of a transient queue durable where it goes', async () => {
    const world = await BrokerWorld.start()
    world.queue('q', TO_DEAD, { durable: false })
    world.queue('dead')
    const client = world.client()
    client.publish('q', 'persistent')
    client.publish('q', 'transient', { persistent: false })
    await world.settle()
    client.consume(world.queueNamed('q'))
    await world.settle()
    client.reject(...client.take())
    await world.pass(50)
    await world.restart('crash')
    assert.deepEqual(await world.bodiesIn('dead'), ['persistent'])
  })
})
