import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { BrokerWorld, ENDINGS } from './broker-world.ts'

const WINDOW_MS = 10_000
const ONCE = { 'x-deduplication-window': WINDOW_MS }

describe('deduplication', () => {
  it('drops a second message with the same id, although the first is long handled', async () => {
    const world = await BrokerWorld.start()
    const queue = world.queue('q', ONCE)
    const client = world.client()
    client.consume(queue, { noAck: true })
    for (const messageId of ['1', '2', '1']) client.publish('q', `m${messageId}`, { messageId })
    await world.pass(1_000)
    client.publish('q', 'again', { messageId: '2' })
    for (let i = 0; i < 2; i++) client.publish('q', 'without')
    await world.settle()
    assert.deepEqual(client.takeBodies(), ['m1', 'm2', 'without', 'without'])
  })

  it('confirms a duplicate, and not before the first is safe', async () => {
    const world = await BrokerWorld.start()
    world.queue('q', ONCE)
    await world.durable()
    const clients = [world.client(), world.client()]
    for (const client of clients) {
      client.session.selectConfirms()
      client.publish('q', 'm', { messageId: '1' })
    }
    await world.clock.runFor(0)
    assert.deepEqual(
      clients.map(({ confirmedCount }) => confirmedCount),
      [0, 0],
    )
    await world.durable()
    assert.deepEqual(
      clients.map(({ confirmedCount }) => confirmedCount),
      [1, 1],
    )
    assert.deepEqual(await world.bodiesIn('q'), ['m'])
  })

  it('ends exactly with the window, counted from the message that was taken', async () => {
    const world = await BrokerWorld.start()
    const queue = world.queue('q', ONCE)
    const client = world.client()
    const publish = (): number => {
      client.publish('q', 'm', { messageId: '1' })
      return queue.messageCount
    }
    assert.equal(publish(), 1)
    await world.pass(WINDOW_MS - 1)
    // A duplicate does not make the window longer.
    assert.equal(publish(), 1)
    await world.pass(1)
    assert.equal(publish(), 2)
    await world.pass(WINDOW_MS - 1)
    assert.equal(publish(), 2)
  })

  it('is exact also when the clock was set back', async () => {
    const world = await BrokerWorld.start()
    const queue = world.queue('q', ONCE)
    const client = world.client()
    client.publish('q', 'm', { messageId: 'late' })
    world.clock.jump(-5_000)
    client.publish('q', 'm', { messageId: 'early' })
    await world.pass(WINDOW_MS + 1_000)
    client.publish('q', 'm', { messageId: 'early' })
    client.publish('q', 'm', { messageId: 'late' })
    assert.equal(queue.messageCount, 3)
  })

  for (const ending of ENDINGS) {
    for (const checkpoint of [true, false]) {
      it(`holds across a restart (${ending}, ${checkpoint ? 'with' : 'without'} a checkpoint before)`, async () => {
        const world = await BrokerWorld.start()
        const startMs = world.clock.now()
        world.queue('q', ONCE)
        const client = world.client()
        client.publish('q', 'handled', { messageId: '1' })
        client.publish('q', 'waiting', { messageId: '2' })
        const fetched = await world.fetch(client, 'q')
        assert.ok(fetched !== undefined)
        client.accept(fetched)
        await world.durable()
        if (checkpoint) await world.clock.settle(world.broker.checkpoint())
        await world.restart(ending)
        const publish = (): number => {
          for (const messageId of ['1', '2']) world.client().publish('q', 'again', { messageId })
          return world.queueNamed('q').messageCount
        }
        assert.equal(publish(), 1)
        await world.pass(startMs + WINDOW_MS - 1 - world.clock.now())
        assert.equal(publish(), 1)
        await world.pass(1)
        assert.equal(publish(), 3)
      })
    }
  }

  it('does not remember what was refused', async () => {
    const world = await BrokerWorld.start()
    const queue = world.queue('q', { ...ONCE, 'x-max-length': 1, 'x-overflow': 'reject-publish' })
    const client = world.client()
    client.publish('q', 'm', { messageId: '1' })
    client.publish('q', 'm', { messageId: '2' })
    queue.purge()
    client.publish('q', 'm', { messageId: '2' })
    assert.equal(queue.messageCount, 1)
  })

  it('is of one queue: another takes the message', async () => {
    const world = await BrokerWorld.start()
    world.exchange('both', 'fanout')
    world.queue('once', ONCE)
    world.queue('always')
    for (const name of ['once', 'always']) world.bind('both', name, '')
    for (let i = 0; i < 2; i++) world.client().publish('', 'm', { exchange: 'both', messageId: '1' })
    assert.deepEqual([world.queueNamed('once').messageCount, world.queueNamed('always').messageCount], [1, 2])
  })

  it('holds for delayed messages when their time has come', async () => {
    const world = await BrokerWorld.start()
    const queue = world.queue('q', ONCE)
    const client = world.client()
    client.publish('q', 'delayed', { messageId: '1', delayMs: 1_000 })
    client.publish('q', 'at once', { messageId: '1' })
    await world.pass(2_000)
    assert.equal(queue.messageCount, 1)
    assert.equal(world.namespace.delayed.size, 0)
  })

  it('lets a rejected message come back through a dead-letter exchange', async () => {
    const world = await BrokerWorld.start()
    const queue = world.queue('q', { ...ONCE, 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'wait' })
    world.queue('wait', { 'x-message-ttl': 1_000, 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'q' })
    const client = world.client()
    client.consume(queue)
    client.publish('q', 'm', { messageId: '1' })
    await world.settle()
    client.reject(client.takeOne())
    await world.pass(1_100)
    assert.equal(client.takeOne().body, 'm')
  })

  it('forgets ids after the window', async () => {
    const world = await BrokerWorld.start()
    const queue = world.queue('q', { 'x-deduplication-window': 1_000 }, { durable: false })
    const client = world.client()
    client.consume(queue, { noAck: true })
    for (let round = 0; round < 10; round++) {
      for (let i = 0; i < 1_000; i++) client.publish('q', 'm', { messageId: `${round} ${i}` })
      await world.pass(1_001)
    }
    assert.equal(client.take().length, 10_000)
    assert.ok((queue.deduplication?.size ?? 0) <= 1_000)
  })
})
