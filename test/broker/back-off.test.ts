import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Arguments } from './broker-world.ts'
import { BrokerWorld, ENDINGS } from './broker-world.ts'
import type { RecordingClient } from './recording-client.ts'

const BACK_OFF: Arguments = { 'x-redelivery-delay': 1_000, 'x-redelivery-delay-max': 5_000 }

/** Releases what comes and tells how long after the release it comes again. */
async function delaysOf(world: BrokerWorld, consumer: RecordingClient, count: number): Promise<number[]> {
  const delays: number[] = []
  for (let i = 0; i < count; i++) {
    const releasedAtMs = world.clock.now()
    consumer.release(consumer.takeOne())
    await world.clock.runUntil(() => consumer.deliveries.length > 0)
    delays.push(world.clock.now() - releasedAtMs)
  }
  return delays
}

async function worldWithConsumer(args: Arguments) {
  const world = await BrokerWorld.start()
  const queue = world.queue('q', args)
  const consumer = world.client()
  consumer.consume(queue)
  return { world, queue, consumer, publisher: world.client() }
}

describe('back-off', () => {
  it('doubles the delay with each return, up to the longest', async () => {
    const { world, consumer, publisher } = await worldWithConsumer(BACK_OFF)
    publisher.publish('q', 'm')
    await world.settle()
    assert.deepEqual(await delaysOf(world, consumer, 5), [1_000, 2_000, 4_000, 5_000, 5_000])
  })

  it('grows by the multiplier that was asked for', async () => {
    const { world, consumer, publisher } = await worldWithConsumer({ ...BACK_OFF, 'x-redelivery-delay-multiplier': 1.5 })
    publisher.publish('q', 'm')
    await world.settle()
    assert.deepEqual(await delaysOf(world, consumer, 3), [1_000, 1_500, 2_250])
  })

  it('comes from a policy', async () => {
    const { world, consumer, publisher } = await worldWithConsumer({})
    world.namespace.policies.set('policy', { name: 'p', pattern: '^q$', definition: { 'redelivery-delay': 300 } })
    publisher.publish('q', 'm')
    await world.settle()
    assert.deepEqual(await delaysOf(world, consumer, 3), [300, 600, 1_200])
  })

  it('holds back the returned message alone', async () => {
    const { world, queue, consumer, publisher } = await worldWithConsumer(BACK_OFF)
    publisher.publish('q', 'returned')
    await world.settle()
    consumer.release(consumer.takeOne())
    publisher.publish('q', 'next')
    await world.settle()
    assert.deepEqual(consumer.takeBodies(), ['next'])
    assert.deepEqual([queue.heldCount, queue.readyCount, queue.unsettledCount], [1, 0, 1])
  })

  it('puts a message back to its old place', async () => {
    const { world, queue, consumer, publisher } = await worldWithConsumer(BACK_OFF)
    publisher.publish('q', 'first')
    await world.settle()
    consumer.release(consumer.takeOne())
    consumer.end()
    publisher.publish('q', 'second')
    await world.pass(1_000)
    assert.equal(queue.heldCount, 0)
    assert.deepEqual(await world.bodiesIn('q'), ['first', 'second'])
  })

  for (const ending of ENDINGS) {
    it(`goes on where it was after a restart (${ending})`, async () => {
      const { world, consumer, publisher } = await worldWithConsumer(BACK_OFF)
      publisher.publish('q', 'm')
      await world.settle()
      assert.deepEqual(await delaysOf(world, consumer, 2), [1_000, 2_000])
      const releasedAtMs = world.clock.now()
      consumer.release(consumer.takeOne())
      await world.restart(ending)
      assert.equal(world.queueNamed('q').heldCount, 1)
      const later = world.client()
      later.consume(world.queueNamed('q'))
      await world.clock.runUntil(() => later.deliveries.length > 0)
      const waitedMs = world.clock.now() - releasedAtMs
      assert.ok(waitedMs >= 4_000 && waitedMs < 4_050, `the third return waits four seconds, not ${waitedMs} ms`)
      assert.deepEqual(await delaysOf(world, later, 1), [5_000])
    })

    it(`goes on where it was when a checkpoint has seen it (${ending})`, async () => {
      const { world, consumer, publisher } = await worldWithConsumer(BACK_OFF)
      publisher.publish('q', 'm')
      await world.settle()
      consumer.release(consumer.takeOne())
      await world.durable()
      await world.clock.settle(world.broker.checkpoint())
      await world.restart(ending)
      assert.equal(world.queueNamed('q').heldCount, 1)
      await world.pass(1_000)
      assert.deepEqual([world.queueNamed('q').heldCount, world.queueNamed('q').readyCount], [0, 1])
      const later = world.client()
      later.consume(world.queueNamed('q'))
      await world.pass(100)
      assert.deepEqual(await delaysOf(world, later, 1), [2_000])
    })
  }

  it('does not keep a message from expiring at its time', async () => {
    const { world, queue, consumer, publisher } = await worldWithConsumer({ 'x-redelivery-delay': 60_000 })
    publisher.publish('q', 'm', { expirationMs: 5_000 })
    await world.settle()
    consumer.release(consumer.takeOne())
    await world.pass(4_999)
    assert.equal(queue.heldCount, 1)
    await world.pass(1)
    assert.equal(queue.messageCount, 0)
  })

  it('lets held messages be purged', async () => {
    const { world, queue, consumer, publisher } = await worldWithConsumer(BACK_OFF)
    publisher.publish('q', 'm')
    await world.settle()
    consumer.release(consumer.takeOne())
    assert.equal(queue.purge(), 1)
    await world.pass(10_000)
    assert.deepEqual([queue.messageCount, consumer.takeBodies()], [0, []])
  })
})
