import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { FieldTable } from '../../src/message/field.ts'
import type { Consumer } from '../../src/broker/consumer.ts'
import type { MessageView } from '../../src/broker/message-record.ts'
import type { Queue } from '../../src/broker/queue.ts'
import { OUTCOME, Session, type SessionSink } from '../../src/broker/session.ts'
import { BrokerWorld } from './broker-world.ts'
import { publicationOf } from './recording-client.ts'

const MILLION = 1_000_000
const BATCH = 10_000

/** Checks that bodies count up, and keeps nothing: a million recordings would be the test's memory, not the broker's. */
class CountingClient implements SessionSink {
  readonly writable = true
  readonly session: Session
  next = 0
  lastTag = 0

  constructor(world: BrokerWorld) {
    this.session = new Session(world.namespace, this, this)
  }

  consume(queue: Queue, prefetch: number, noAck: boolean): void {
    const options = { tag: 'c', noAck, exclusive: false, priority: 0, prefetch, timeoutMs: undefined, arguments: new FieldTable() }
    this.session.startConsumer(this.session.consume(queue, options))
  }

  deliver(_consumer: Consumer, tag: number, _redelivered: boolean, { buffer, bodyStart }: MessageView): void {
    if (buffer.readUInt32LE(bodyStart) !== this.next) assert.equal(buffer.readUInt32LE(bodyStart), this.next)
    this.next++
    this.lastTag = tag
  }

  fetched(): void {}
  returned(): void {}
  consumerCancelled(): void {}
  failed(): void {}
  confirmed(): void {}
  refused(): void {}
}

async function worldWithMillion(): Promise<BrokerWorld> {
  const world = await BrokerWorld.start({ limits: {} })
  world.queue('q')
  const { session } = new CountingClient(world)
  const publication = publicationOf('q', '1234', {})
  for (let from = 0; from < MILLION; from += BATCH) {
    world.broker.services.turn.begin()
    for (let i = from; i < from + BATCH; i++) {
      publication.body.writeUInt32LE(i, 0)
      session.publish(publication)
    }
    await world.clock.runFor(5)
  }
  await world.durable()
  assert.equal(world.queueNamed('q').readyCount, MILLION)
  return world
}

describe('a queue with a million waiting messages', () => {
  it('is drained in order with one straggler left unsettled, which holds no more than itself', async () => {
    const world = await worldWithMillion()
    const queue = world.queueNamed('q')
    const client = new CountingClient(world)
    client.consume(queue, BATCH, false)
    while (client.next < MILLION) {
      const { next } = client
      await world.clock.runUntil(() => client.next > next)
      // The first delivery stays; the others are settled one by one.
      for (let tag = Math.max(2, next + 1); tag <= client.lastTag; tag++) client.session.settle(tag, false, OUTCOME.accept)
    }
    await world.clock.runFor(100)
    assert.deepEqual([queue.readyCount, queue.unsettledCount, queue.messageCount, client.session.unsettledCount], [0, 1, 1, 1])
    let pages = 0
    queue.index.forEachPage(() => pages++)
    assert.ok(pages < 10, `${pages} pages for one message`)
    await world.clock.settle(world.broker.checkpoint())
    await world.clock.runFor(1_000)
    // What is left on the disk beside the straggler's segment is the one being filled, the next and spare ones.
    assert.ok(world.broker.services.storage.usage().liveSizeBytes < 64 * 1024 * 1024)
    client.session.close()
    const again = await world.fetch(world.client(), 'q')
    assert.deepEqual([again?.redelivered, queue.unsettledCount, queue.readyCount], [true, 1, 0])
  })

  it('is there after a crash, every message in its place', async () => {
    const world = await worldWithMillion()
    await world.restart('crash')
    const queue = world.queueNamed('q')
    assert.equal(queue.readyCount, MILLION)
    const client = new CountingClient(world)
    client.consume(queue, 0, true)
    await world.clock.runUntil(() => client.next === MILLION)
    assert.equal(queue.messageCount, 0)
  })
})
