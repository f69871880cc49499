/** What the log of a stream partition promises, on any disk. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { PartitionLog, Storage } from '../../src/storage/storage.ts'
import type { StorageWorld } from './storage.ts'
import { SMALL_LIMITS } from './storage-limits.ts'
import { StorageModel } from './storage-model.ts'

/** A batch whose bytes follow from the offset of its first message. */
export function batchBytes(offset: number, sizeBytes: number): Uint8Array {
  return Uint8Array.from({ length: sizeBytes }, (_, i) => (offset * 13 + i * 5) & 0xff)
}

/** Reads everything from an offset on and checks that it is what was appended there. @returns where it ends */
export async function readThrough(log: PartitionLog, from: number, sizeOf: (offset: number) => number): Promise<number> {
  let offset = from
  while (offset < log.durableOffset) {
    const { baseOffset, batches, nextOffset } = await log.read(offset, 3000)
    assert.ok(baseOffset <= offset && nextOffset > offset && batches.length > 0)
    let first = baseOffset
    for (const batch of batches) {
      assert.deepEqual(Uint8Array.from(batch), batchBytes(first, sizeOf(first)), `the batch at offset ${first}`)
      first += messagesIn(first)
    }
    assert.equal(first, nextOffset)
    offset = nextOffset
  }
  return offset
}

/** How many messages the batch at an offset holds, and its size: functions of the offset, so that any reader knows. */
export function messagesIn(offset: number): number {
  return 1 + (offset % 4)
}

function batchSize(offset: number): number {
  return 20 + ((offset * 37) % 400)
}

/** Appends batches with the time 1000 * offset. */
function appendBatches(log: PartitionLog, count: number): void {
  for (let i = 0; i < count; i++) {
    const offset = log.nextOffset
    assert.equal(log.append(batchBytes(offset, batchSize(offset)), messagesIn(offset), offset * 1000), offset)
  }
}

async function start(world: StorageWorld): Promise<Storage> {
  const storage = await world.settle(world.open(SMALL_LIMITS))
  await world.settle(storage.recover({ checkpointPart: () => undefined, record: () => undefined }))
  const owner = new StorageModel()
  owner.storage = storage
  storage.start(owner)
  return storage
}

async function fill(world: StorageWorld, storage: Storage, log: PartitionLog, commits: number): Promise<void> {
  for (let i = 0; i < commits; i++) {
    appendBatches(log, 20)
    storage.commit()
    await world.until(() => log.durableOffset === log.nextOffset)
  }
}

/** Declares the tests of the suite. */
export function partitionConformance(name: string, createWorld: () => Promise<StorageWorld>): void {
  const check: Check = (promise, body) => {
    test(promise, async () => {
      const world = await createWorld()
      try {
        const storage = await start(world)
        await body(world, storage, await world.settle(storage.openPartition('orders/0')))
      } finally {
        await world.end()
      }
    })
  }

  describe(`stream partitions on ${name}`, () => {
    describe('batches', () => batchConformance(check))
    describe('offsets', () => offsetConformance(check))
  })
}

type Check = (promise: string, body: (world: StorageWorld, storage: Storage, log: PartitionLog) => Promise<void>) => void

function batchConformance(check: Check): void {
  check('gives batches back unopened, from any offset, over many segments', async (world, storage, log) => {
    await fill(world, storage, log, 40)
    assert.equal(await world.settle(readThrough(log, 0, batchSize)), log.nextOffset)
    for (const offset of [1, 7, 500, 999, log.nextOffset - 1]) {
      const read = await world.settle(log.read(offset, 1))
      assert.equal(read.batches.length, 1, 'at least one batch, however small the limit')
      assert.ok(read.baseOffset <= offset && offset < read.nextOffset)
    }
    assert.deepEqual(await world.settle(log.read(log.nextOffset, 1000)), {
      baseOffset: log.nextOffset,
      batches: [],
      nextOffset: log.nextOffset,
    })
    await world.settle(storage.close([]))
  })

  check('shows only what is durable', async (world, storage, log) => {
    appendBatches(log, 10)
    assert.equal(log.durableOffset, 0)
    assert.deepEqual((await world.settle(log.read(0, 1000))).batches, [])
    storage.commit()
    await world.until(() => log.durableOffset === log.nextOffset)
    assert.ok((await world.settle(log.read(0, 1000))).batches.length > 0)
    await world.settle(storage.close([]))
  })

  check('goes on where it was after a clean close and after the process died', async (world, storage, log) => {
    await fill(world, storage, log, 30)
    let end = log.nextOffset
    let current = storage
    for (const clean of [true, false, true, false]) {
      if (clean) await world.settle(current.close([]))
      else await world.die(current)
      current = await start(world)
      const again = await world.settle(current.openPartition('orders/0'))
      assert.deepEqual([again.firstOffset, again.nextOffset, again.durableOffset], [0, end, end])
      await world.settle(readThrough(again, 0, batchSize))
      await fill(world, current, again, 5)
      end = again.nextOffset
    }
    await world.settle(current.close([]))
  })
}

function offsetConformance(check: Check): void {
  check('finds the first batch at or after a time', async (world, storage, log) => {
    await fill(world, storage, log, 30)
    assert.equal(await world.settle(log.offsetAt(0)), 0)
    const { baseOffset, nextOffset } = await world.settle(log.read(700, 1))
    assert.equal(await world.settle(log.offsetAt(baseOffset * 1000)), baseOffset)
    assert.equal(await world.settle(log.offsetAt(baseOffset * 1000 + 1)), nextOffset)
    assert.equal(await world.settle(log.offsetAt(log.nextOffset * 1000)), log.nextOffset)
    await world.settle(storage.close([]))
  })

  check('drops whole segments before an offset, and their space', async (world, storage, log) => {
    await fill(world, storage, log, 40)
    const before = storage.usage().diskSizeBytes
    await world.settle(log.trim(900))
    assert.ok(log.firstOffset > 0 && log.firstOffset <= 900)
    assert.ok(before - storage.usage().diskSizeBytes >= 0.9 * SMALL_LIMITS.segmentSizeBytes)
    const first = log.firstOffset
    await world.settle(readThrough(log, first, batchSize))
    assert.equal((await world.settle(log.read(0, 1))).baseOffset, first, 'reading begins with what is still there')
    await world.settle(storage.close([]))
    const again = await start(world)
    const reopened = await world.settle(again.openPartition('orders/0'))
    assert.equal(reopened.firstOffset, first)
    await world.settle(again.close([]))
  })

  check('partitions and the journal share commits and know nothing else of each other', async (world, storage, log) => {
    const others = await world.settle(Promise.all(['orders/1', '..', 'Ünï/cöde %'].map((other) => storage.openPartition(other))))
    assert.equal(await world.settle(storage.openPartition('..')), others[1])
    for (const other of others) appendBatches(other, 5)
    appendBatches(log, 50)
    const position = storage.journal.reserve(1, 10)
    storage.journal.seal()
    storage.commit()
    await world.until(() => storage.watermark > position)
    for (const each of [log, ...others]) assert.equal(each.durableOffset, each.nextOffset, 'durable with the same commit')
    for (const each of [log, ...others]) await world.settle(readThrough(each, 0, batchSize))
    await world.settle(storage.close([]))
  })
}
