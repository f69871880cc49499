import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { PAGE_ENTRIES } from '../../src/broker/message-index.ts'
import { BrokerWorld, ENDINGS } from './broker-world.ts'

const YEAR_MS = 365 * 86_400_000

async function worldWithConsumer() {
  const world = await BrokerWorld.start()
  const consumer = world.client()
  consumer.consume(world.queue('q'), { noAck: true })
  return { world, consumer, startMs: world.clock.now() }
}

/** Of JavaScript's objects, after everything that can go is gone. */
function heapUsedBytes(): number {
  setFlagsFromString('--expose-gc')
  ;(runInNewContext('gc') as () => void)()
  return process.memoryUsage().heapUsed
}

describe('delays', () => {
  it('end at their time, whatever the order of the publications', async () => {
    const { world, consumer, startMs } = await worldWithConsumer()
    for (const delayMs of [3_000, 1_000, 2_000, 1_000]) consumer.publish('q', `${delayMs}`, { delayMs })
    consumer.publish('q', 'now')
    await world.pass(10_000)
    assert.deepEqual(
      consumer.take().map(({ body, atMs }) => [body, atMs - startMs]),
      [
        ['now', 0],
        ['1000', 1_000],
        ['1000', 1_000],
        ['2000', 2_000],
        ['3000', 3_000],
      ],
    )
  })

  it('of the same time end in the order of the publications', async () => {
    const { world, consumer } = await worldWithConsumer()
    for (let i = 0; i < 500; i++) consumer.publish('q', `${i}`, { delayMs: 1_000 })
    await world.pass(2_000)
    assert.deepEqual(
      consumer.takeBodies(),
      Array.from({ length: 500 }, (_, i) => String(i)),
    )
  })

  it('may take ten years, and not more', async () => {
    const { world, consumer, startMs } = await worldWithConsumer()
    consumer.publish('q', 'late', { delayMs: 10 * YEAR_MS })
    assert.throws(() => consumer.publish('q', 'm', { delayMs: 10 * YEAR_MS + 11 * 86_400_000 }), { code: 'PRECONDITION_FAILED' })
    await world.durable()
    await world.stop()
    // The machine is off for most of the time: every ten seconds of it would be an alarm.
    world.clock.jump(10 * YEAR_MS - 60_000)
    await world.powerOn()
    const later = world.client()
    later.consume(world.queueNamed('q'))
    await world.pass(startMs + 10 * YEAR_MS - 1 - world.clock.now())
    assert.deepEqual(later.takeBodies(), [])
    await world.pass(1)
    assert.deepEqual(later.takeBodies(), ['late'])
  })

  it('are routed as the topology is when they end', async () => {
    const { world, consumer } = await worldWithConsumer()
    world.exchange('x', 'topic')
    consumer.publish('a.b', 'm', { exchange: 'x', delayMs: 1_000 })
    await world.pass(500)
    world.bind('x', 'q', 'a.*')
    await world.pass(500)
    assert.deepEqual(consumer.takeBodies(), ['m'])
  })

  it('are over for a message whose exchange is gone', async () => {
    const { world, consumer } = await worldWithConsumer()
    const exchange = world.exchange('x', 'fanout')
    world.bind('x', 'q', '')
    consumer.publish('', 'm', { exchange: 'x', delayMs: 1_000 })
    world.namespace.deleteExchange(exchange)
    await world.pass(2_000)
    assert.deepEqual([consumer.takeBodies(), world.namespace.delayed.size, world.namespace.unroutableCount], [[], 0, 1])
  })

  it('are followed by the time to live, counted from the end of the delay', async () => {
    const world = await BrokerWorld.start()
    const queue = world.queue('q')
    const limited = world.queue('limited', { 'x-message-ttl': 300 })
    for (const name of ['q', 'limited']) world.client().publish(name, 'm', { delayMs: 5_000, expirationMs: 500 })
    const counts: number[][] = []
    for (const ms of [4_999, 1, 299, 1, 199, 1]) {
      await world.pass(ms)
      counts.push([queue.readyCount, limited.readyCount])
    }
    assert.deepEqual(counts, [
      [0, 0],
      [1, 1],
      [1, 1],
      [1, 0],
      [1, 0],
      [0, 0],
    ])
  })

  it('reach every queue that further routing keys name', async () => {
    for (const ending of ENDINGS) {
      const world = await BrokerWorld.start()
      for (const name of ['a', 'b', 'c', 'd']) world.queue(name)
      world.client().publish('a', 'm', { delayMs: 1_000, moreKeys: ['b', 'd', 'missing'] })
      await world.restart(ending)
      await world.pass(1_100)
      assert.deepEqual(
        ['a', 'b', 'c', 'd'].map((name) => world.queueNamed(name).readyCount),
        [1, 1, 0, 1],
      )
      const delivery = await world.fetch(world.client(), 'b')
      assert.deepEqual([delivery?.routingKey, delivery?.body], ['a', 'm'])
    }
  })

  it('do not lose a confirmed message to a queue that is full when they end', async () => {
    const world = await BrokerWorld.start()
    const toDead = { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'dead' }
    world.queue('refuses', { 'x-max-length': 1, 'x-overflow': 'reject-publish' })
    world.queue('redirects', { 'x-max-length': 1, 'x-overflow': 'reject-publish-dlx', ...toDead })
    world.queue('dead')
    const client = world.client()
    for (const name of ['refuses', 'redirects']) for (const body of ['a', 'b']) client.publish(name, body, { delayMs: 1_000 })
    await world.pass(1_100)
    assert.deepEqual(await world.bodiesIn('refuses'), ['a', 'b'])
    assert.deepEqual([await world.bodiesIn('redirects'), await world.bodiesIn('dead')], [['a'], ['b']])
  })

  it('keep a message apart from those that are delivered while it is routed', async () => {
    const world = await BrokerWorld.start()
    const queue = world.queue('q', { 'x-max-length': 1, 'x-overflow': 'reject-publish-dlx', 'x-dead-letter-exchange': '' })
    const client = world.client()
    const consumer = client.consume(queue, { prefetch: 1 })
    client.publish('q', 'delayed', { delayMs: 1_000, expirationMs: 60_000, priority: 7 })
    client.publish('q', 'first')
    client.publish('q', 'second')
    await world.settle()
    const first = client.takeOne()
    await world.pass(999)
    client.accept(first)
    // The queue has one waiting message and a consumer with room: it is delivered when the delayed message asks for its place.
    await world.pass(1)
    assert.equal(client.takeOne().body, 'second')
    client.cancel(consumer)
    assert.equal(queue.readyCount, 1)
    await world.pass(59_999)
    assert.equal(queue.readyCount, 1)
    await world.pass(1)
    assert.equal(queue.readyCount, 0)
  })

  for (const ending of ENDINGS) {
    it(`go on while the server is down (${ending})`, async () => {
      const { world, consumer, startMs } = await worldWithConsumer()
      consumer.publish('q', 'past', { delayMs: 1_000 })
      consumer.publish('q', 'future', { delayMs: 60_000 })
      consumer.publish('q', 'transient', { delayMs: 60_000, persistent: false })
      await world.durable()
      if (ending === 'clean') await world.stop()
      else world.crash()
      await world.clock.runFor(5_000)
      await world.powerOn()
      const later = world.client()
      later.consume(world.queueNamed('q'))
      await world.pass(100)
      assert.deepEqual(later.takeBodies(), ['past'])
      await world.pass(60_000)
      assert.deepEqual(
        later.take().map(({ body, atMs }) => [body, atMs - startMs]),
        [['future', 60_000]],
      )
    })

    it(`that ended leave a message at one place across a restart (${ending})`, async () => {
      for (const checkpoint of [false, true]) {
        const world = await BrokerWorld.start()
        world.queue('q', { 'x-max-priority': 9, 'x-message-ttl': 50_000 })
        const client = world.client()
        for (let i = 0; i < 50; i++) client.publish('q', `${i}`, { delayMs: 1_000 + (i % 5) * 1_000, priority: i % 3 })
        await world.pass(3_500)
        await world.durable()
        if (checkpoint) await world.clock.settle(world.broker.checkpoint())
        await world.restart(ending)
        assert.deepEqual([world.queueNamed('q').readyCount, world.namespace.delayed.size], [30, 20])
        await world.pass(3_000)
        assert.deepEqual([world.queueNamed('q').readyCount, world.namespace.delayed.size], [50, 0])
        const bodies = await world.bodiesIn('q')
        assert.equal(new Set(bodies).size, 50)
        assert.deepEqual(
          bodies.map((body) => Number(body) % 3).toSorted((a, b) => b - a),
          bodies.map((body) => Number(body) % 3),
        )
        await world.pass(50_000)
        assert.equal(world.queueNamed('q').messageCount, 0)
      }
    })

    it(`of messages that are read from the disk end before later ones that are in memory (${ending})`, async () => {
      const { world, consumer } = await worldWithConsumer()
      const body = 'x'.repeat(500)
      for (let i = 0; i < 100; i++) consumer.publish('q', `${i} ${body}`, { delayMs: 10_000 })
      await world.restart(ending)
      const later = world.client()
      later.consume(world.queueNamed('q'))
      // The slow disk still reads them when they are due, and one comes that is in memory and due a little later.
      await world.pass(5_000)
      world.disk.slowness = 5_000
      await world.pass(5_100)
      assert.deepEqual(later.deliveries, [])
      later.publish('q', '100 last', { delayMs: 1 })
      await world.pass(600_000)
      assert.deepEqual(
        later.takeBodies().map((text) => Number(text.split(' ')[0])),
        Array.from({ length: 101 }, (_, i) => i),
      )
    })
  }

  it('by the hundred thousand need little memory and end at their times, in order', async () => {
    const world = await BrokerWorld.start({ limits: {} })
    const consumer = world.client()
    consumer.consume(world.queue('q', {}, { durable: true }), { noAck: true })
    const count = 100_000
    const startMs = world.clock.now()
    const beforeBytes = heapUsedBytes()
    for (let i = 0; i < count; i++) consumer.publish('q', String((i * 7_919) % 60_000), { delayMs: 60_000 + ((i * 7_919) % 60_000) })
    await world.durable()
    assert.equal(world.namespace.delayed.size, count)
    const { heap, index } = world.namespace.delayed
    assert.equal(heap.size, count)
    assert.equal(index.size, count)
    // The simulated disk keeps its files in buffers beside the heap; what the broker keeps beside it is the index and the times.
    let pages = 0
    index.forEachPage(() => pages++)
    const besideBytes = pages * PAGE_ENTRIES * 12 + heap.size * 16
    const perMessageBytes = (heapUsedBytes() - beforeBytes + besideBytes) / count
    assert.ok(perMessageBytes < 50, `${perMessageBytes.toFixed(1)} bytes per message`)
    await world.clock.runFor(130_000)
    const deliveries = consumer.take()
    assert.equal(deliveries.length, count)
    let lastMs = 0
    let lateCount = 0
    for (const { body, atMs } of deliveries) {
      const dueMs = startMs + 60_000 + Number(body)
      assert.ok(atMs >= dueMs && atMs <= dueMs + 200, `due at ${dueMs - startMs}, delivered at ${atMs - startMs}`)
      if (atMs > dueMs + 50) lateCount++
      assert.ok(dueMs >= lastMs, 'the order of the due times')
      lastMs = dueMs
    }
    assert.ok(lateCount <= count / 100, `${lateCount} of ${count} are late by more than 50 ms`)
  })
})
