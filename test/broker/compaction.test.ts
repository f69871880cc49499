import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { BrokerWorld, ENDINGS } from './broker-world.ts'
import type { Delivered, RecordingClient } from './recording-client.ts'

const KIB = 1024
const SEGMENT_SIZE_BYTES = 64 * KIB
/** A queue's page of 512 entries in a checkpoint. */
const PAGE_SIZE_BYTES = 6.5 * KIB

/**
 * What may lie beside twice the live data: five segments (the one being filled, the next, what one compaction is worth, spare ones), the
 * records since the last checkpoint (a checkpoint is due after 128 KiB or four times its size), and two checkpoints.
 */
function floorBytes(world: BrokerWorld): number {
  let pages = 1
  for (const queue of world.broker.queuesByNumber.values()) queue.index.forEachPage(() => pages++)
  const checkpointSizeBytes = pages * PAGE_SIZE_BYTES
  return 5 * SEGMENT_SIZE_BYTES + Math.max(128 * KIB, 4 * checkpointSizeBytes) + 2 * checkpointSizeBytes
}

const BODY_SIZE_BYTES = 400

/** Publishes a round of messages and handles all but one in ten, so that every segment is left with a few. */
async function passThrough(world: BrokerWorld, client: RecordingClient, round: number, persistent: boolean): Promise<void> {
  for (let i = 0; i < 100; i++) {
    const number = round * 100 + i
    client.publish('q', `${number} ${'x'.repeat(BODY_SIZE_BYTES)}`, {
      persistent,
      messageId: `id-${number}`,
      priority: number % 3,
      headers: { key: `k${number % 7}` },
      correlationId: `c-${number}`,
    })
  }
  await world.pass(20)
  client.accept(...client.deliveries.filter(({ body }) => Number.parseInt(body, 10) % 10 !== 0))
  client.deliveries = client.deliveries.filter(({ body }) => Number.parseInt(body, 10) % 10 === 0)
  await world.pass(20)
}

const numbersOf = (bodies: readonly string[]): number[] => bodies.map((body) => Number.parseInt(body, 10))
const TENS = Array.from({ length: 1_000 }, (_, i) => i * 10)

describe('compaction', () => {
  it('keeps the disk within twice the live data and a floor, at every moment', async () => {
    const world = await BrokerWorld.start()
    const client = world.client()
    client.consume(world.queue('q'))
    for (let round = 0; round < 100; round++) {
      await passThrough(world, client, round, true)
      const { diskSizeBytes } = world.broker.services.storage.usage()
      const liveSizeBytes = world.queueNamed('q').messageCount * (BODY_SIZE_BYTES + 150)
      assert.ok(
        diskSizeBytes <= 2 * liveSizeBytes + floorBytes(world),
        `${diskSizeBytes} bytes for ${liveSizeBytes} live ones in round ${round}`,
      )
    }
    const { diskSizeBytes } = world.broker.services.storage.usage()
    assert.ok(diskSizeBytes < (100 * 100 * BODY_SIZE_BYTES) / 2, 'far less than what was written')
    assert.ok(world.disk.usedSizeBytes <= diskSizeBytes + 16 * KIB, `${world.disk.usedSizeBytes} bytes of files`)
    assert.equal(world.queueNamed('q').messageCount, 1_000)
  })

  for (const ending of [undefined, ...ENDINGS]) {
    it(`keeps order, properties and bodies of what it copies (${ending ?? 'no restart'})`, async () => {
      const world = await BrokerWorld.start()
      const client = world.client()
      client.consume(world.queue('q'))
      for (let round = 0; round < 100; round++) await passThrough(world, client, round, true)
      if (ending === undefined) client.end()
      else await world.restart(ending)
      const reader = world.client()
      reader.consume(world.queueNamed('q'), { noAck: true })
      await world.pass(1_000)
      const deliveries: Delivered[] = reader.take()
      assert.deepEqual(numbersOf(deliveries.map(({ body }) => body)), TENS)
      for (const { body, properties, headers, redelivered, routingKey } of deliveries) {
        const number = Number.parseInt(body, 10)
        assert.equal(body.length, String(number).length + 1 + BODY_SIZE_BYTES)
        assert.deepEqual([properties.messageId, properties.correlationId, properties.priority], [`id-${number}`, `c-${number}`, number % 3])
        assert.deepEqual([headers.get('key'), redelivered, routingKey], [`k${number % 7}`, true, 'q'])
      }
    })
  }

  it('moves a message of several queues once, for all of them', async () => {
    const world = await BrokerWorld.start()
    world.exchange('both', 'fanout')
    world.queue('kept', { 'x-max-priority': 5 })
    world.queue('other')
    world.queue('memory', {}, { durable: false })
    world.queue('q')
    for (const name of ['kept', 'other', 'memory']) world.bind('both', name, '')
    const client = world.client()
    for (let i = 0; i < 20; i++) client.publish('', `${i}`, { exchange: 'both', priority: i % 6 })
    await world.durable()
    client.consume(world.queueNamed('q'))
    for (let round = 0; round < 40; round++) await passThrough(world, client, round, true)
    client.end()
    const kept = await world.bodiesIn('kept')
    assert.deepEqual(
      await world.bodiesIn('memory'),
      Array.from({ length: 20 }, (_, i) => String(i)),
    )
    await world.restart('crash')
    assert.deepEqual(await world.bodiesIn('kept'), kept)
    assert.deepEqual(
      await world.bodiesIn('other'),
      Array.from({ length: 20 }, (_, i) => String(i)),
    )
    // Everything that is left is read once more and handled: nothing is left on the disk but the floor.
    for (const name of ['kept', 'other', 'q']) world.queueNamed(name).purge()
    await world.durable()
    await world.clock.settle(world.broker.checkpoint())
    await world.pass(100)
    assert.ok(world.broker.services.storage.usage().diskSizeBytes <= floorBytes(world))
  })

  it('copies delayed messages, which end at their times', async () => {
    const world = await BrokerWorld.start()
    const client = world.client()
    const startMs = world.clock.now()
    world.queue('late')
    client.consume(world.queue('q'))
    for (let round = 0; round < 40; round++) {
      client.publish('late', `${round}`, { delayMs: 600_000 - (world.clock.now() - startMs) })
      await passThrough(world, client, round, true)
    }
    const { diskSizeBytes } = world.broker.services.storage.usage()
    assert.ok(diskSizeBytes < 40 * 100 * BODY_SIZE_BYTES, `${diskSizeBytes} bytes`)
    await world.restart('crash')
    await world.pass(startMs + 600_000 - 1 - world.clock.now())
    assert.equal(world.queueNamed('late').readyCount, 0)
    await world.pass(200)
    assert.deepEqual(
      await world.bodiesIn('late'),
      Array.from({ length: 40 }, (_, i) => String(i)),
    )
  })

  it('frees memory that transient messages have left', async () => {
    const world = await BrokerWorld.start()
    const client = world.client()
    client.consume(world.queue('q', {}, { durable: false }))
    // Chunks that may be mostly dead, those that one turn fills before the next compaction, and the recent ones of the journal.
    const floorSizeBytes = (32 + 16 + 8) * 8 * KIB
    for (let round = 0; round < 100; round++) {
      await passThrough(world, client, round, false)
      const liveSizeBytes = world.queueNamed('q').messageCount * (BODY_SIZE_BYTES + 150)
      const { memorySizeBytes } = world.broker.services.storage.usage()
      assert.ok(
        memorySizeBytes <= 2 * liveSizeBytes + floorSizeBytes,
        `${memorySizeBytes} bytes for ${liveSizeBytes} live ones in round ${round}`,
      )
    }
    client.end()
    assert.deepEqual(numbersOf(await world.bodiesIn('q')), TENS)
  })
})
