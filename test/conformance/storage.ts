/**
 * What every storage promises, whatever disk it is on. Run by test/storage/*.test.ts for the real disk and the simulated one.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { AssertionFailure } from '../../src/base/assert.ts'
import { WaybillError } from '../../src/base/errors.ts'
import type { StorageLimits } from '../../src/storage/limits.ts'
import type { Log, Storage } from '../../src/storage/storage.ts'
import { SMALL_LIMITS } from './storage-limits.ts'
import { append, foundPayload, messagePayload, StorageModel } from './storage-model.ts'

/** One folder and how time passes around it. */
export interface StorageWorld {
  /** Opens the storage of the folder, as a new process would. */
  open(limits?: Partial<StorageLimits>): Promise<Storage>
  /** Waits for a promise while the world goes on. */
  settle<T>(promise: Promise<T>): Promise<T>
  /** Waits until a condition holds. */
  until(condition: () => boolean): Promise<void>
  /** The process ends without closing anything; whatever was announced stays. */
  die(storage: Storage): Promise<void>
  end(): Promise<void>
}

interface Running {
  readonly world: StorageWorld
  readonly model: StorageModel
  storage: Storage
}

async function running(world: StorageWorld, model: StorageModel, limits?: Partial<StorageLimits>): Promise<Running> {
  const storage = await world.settle(world.open(limits))
  await world.settle(model.recover(storage))
  return { world, model, storage }
}

async function durable({ world, model, storage }: Running): Promise<void> {
  storage.commit()
  await world.until(() => storage.watermark >= (model.written.at(-1)?.end ?? 0))
}

async function reopen(run: Running, limits?: Partial<StorageLimits>): Promise<void> {
  await run.world.settle(run.storage.close(run.model.checkpointParts()))
  run.model.commitEnds.push(run.model.written.length)
  run.storage = await run.world.settle(run.world.open(limits))
  await run.world.settle(run.model.recover(run.storage))
}

function load(log: Log, position: number): Promise<Buffer> {
  return new Promise<Buffer>((resolve, reject) => {
    log.load(position, (error) => {
      if (error !== null) reject(error)
      else if (log.locate(position)) resolve(foundPayload(log))
      else reject(new Error('loaded but not located'))
    })
  })
}

function isCode(code: string): (error: unknown) => boolean {
  return (error) => error instanceof WaybillError && error.code === code
}

/** Declares the tests of the suite. */
export function storageConformance(name: string, createWorld: () => Promise<StorageWorld>): void {
  const check = (promise: string, body: (world: StorageWorld) => Promise<void>): void => {
    test(promise, async () => {
      const world = await createWorld()
      try {
        await body(world)
      } finally {
        await world.end()
      }
    })
  }

  describe(`storage on ${name}`, () => {
    describe('journal', () => journalConformance(check))
    describe('reading', () => readingConformance(check))
    describe('space', () => spaceConformance(check))
    describe('folder', () => folderConformance(check))
    describe('memory log', () => memoryConformance(check))
  })
}

type Check = (promise: string, body: (world: StorageWorld) => Promise<void>) => void

function journalConformance(check: Check): void {
  check('gives back records of any size, in order and whole, after a clean close', async (world) => {
    const run = await running(world, new StorageModel(), SMALL_LIMITS)
    for (const size of [8, 9, 15, 16, 17, 100, 189, 447, 448, 449, 1000, 4000, 9000, SMALL_LIMITS.recordSizeBytesMax])
      run.model.publish(size)
    for (let i = 0; i < 300; i++) run.model.publish(i)
    await durable(run)
    await world.settle(run.model.readAllLive())
    await reopen(run)
    assert.deepEqual({ ...run.model.report }, { clean: true, cutSizeBytes: 0, recordCount: 0, created: false })
    assert.equal(run.model.live.size, 314)
    await world.settle(run.model.readAllLive())
    await world.settle(run.storage.close(run.model.checkpointParts()))
  })

  check('announces durability in order, and reaches the end of every record', async (world) => {
    const run = await running(world, new StorageModel(), SMALL_LIMITS)
    const ends: number[] = []
    for (let turn = 0; turn < 30; turn++) {
      for (let i = 0; i < 20; i++) run.model.publish(100)
      ends.push(run.storage.journal.end)
      run.storage.commit()
      if (turn % 3 === 0) await world.until(() => run.storage.watermark >= (ends[turn] as number))
    }
    await durable(run)
    assert.equal(run.model.announced, run.storage.journal.end)
    await world.settle(run.storage.close(run.model.checkpointParts()))
  })

  check('replays what came after the checkpoint when the process died', async (world) => {
    const run = await running(world, new StorageModel(), SMALL_LIMITS)
    for (let i = 0; i < 100; i++) run.model.publish(100)
    await durable(run)
    await world.settle(run.storage.checkpoint(run.model.checkpointParts()))
    for (let i = 0; i < 50; i++) run.model.publish(100)
    for (const number of [...run.model.live.keys()].slice(0, 120)) run.model.settle(number)
    await durable(run)
    await world.die(run.storage)
    run.storage = await world.settle(world.open())
    const report = await world.settle(run.model.recover(run.storage))
    assert.equal(report.clean, false)
    assert.equal(report.recordCount, 170)
    assert.equal(run.model.live.size, 30)
    await world.settle(run.model.readAllLive())
    await world.settle(run.storage.close(run.model.checkpointParts()))
  })

  check('takes a checkpoint in the middle of an open commit as of that point', async (world) => {
    const run = await running(world, new StorageModel(), SMALL_LIMITS)
    for (let i = 0; i < 40; i++) run.model.publish(1000)
    const taken = run.storage.checkpoint(run.model.checkpointParts())
    for (let i = 0; i < 40; i++) run.model.publish(1000)
    await world.settle(taken)
    await durable(run)
    await world.die(run.storage)
    run.storage = await world.settle(world.open())
    const report = await world.settle(run.model.recover(run.storage))
    assert.equal(report.recordCount, 40)
    await world.settle(run.model.readAllLive())
    await world.settle(run.storage.close(run.model.checkpointParts()))
  })
}

function readingConformance(check: Check): void {
  check('reads old records back from the disk, in any order', async (world) => {
    const run = await running(world, new StorageModel(), SMALL_LIMITS)
    for (let turn = 0; turn < 40; turn++) {
      for (let i = 0; i < 50; i++) run.model.publish(turn === 20 && i === 20 ? 11_000 : 60 + ((i * 37) % 200))
      await durable(run)
    }
    const first = run.model.live.get(0) as number
    assert.equal(run.storage.journal.locate(first), false, 'the oldest is not in memory')
    assert.ok((await world.settle(load(run.storage.journal, first))).equals(messagePayload(0, 60)))
    await world.settle(run.model.readAllLive())
    const backwards = [...run.model.live.keys()].reverse()
    await world.settle(run.model.readAllLive(backwards.filter((_, index) => index % 7 === 0)))
    await world.settle(run.storage.close(run.model.checkpointParts()))
  })

  check('answers many loads at once, each for its own position', async (world) => {
    const run = await running(world, new StorageModel(), SMALL_LIMITS)
    for (let i = 0; i < 500; i++) run.model.publish(100)
    await durable(run)
    await reopen(run)
    const numbers = [...run.model.live.keys()].slice(0, 60)
    const payloads = await world.settle(
      Promise.all(numbers.map((number) => load(run.storage.journal, run.model.live.get(number) as number))),
    )
    payloads.forEach((payload, index) => assert.ok(payload.equals(messagePayload(numbers[index] as number, 100))))
    await world.settle(run.storage.close(run.model.checkpointParts()))
  })

  check('refuses a record above the limit and goes on', async (world) => {
    const run = await running(world, new StorageModel(), SMALL_LIMITS)
    assert.throws(() => run.storage.journal.reserve(1, SMALL_LIMITS.recordSizeBytesMax + 1), isCode('MESSAGE_TOO_LARGE'))
    run.model.publish(100)
    await durable(run)
    await reopen(run)
    assert.equal(run.model.live.size, 1)
    await world.settle(run.storage.close(run.model.checkpointParts()))
  })

  check('a commit larger than a segment is one commit', async (world) => {
    const run = await running(world, new StorageModel(), SMALL_LIMITS)
    for (let i = 0; i < 200; i++) run.model.publish(1000)
    await durable(run)
    assert.deepEqual(run.model.commitEnds, [0, 200])
    await world.die(run.storage)
    run.storage = await world.settle(world.open())
    await world.settle(run.model.recover(run.storage))
    assert.equal(run.model.live.size, 200)
    await world.settle(run.storage.close(run.model.checkpointParts()))
  })
}

function spaceConformance(check: Check): void {
  check('disk use stays bounded while messages come and go', async (world) => {
    const run = await running(world, new StorageModel(), SMALL_LIMITS)
    let largest = 0
    for (let turn = 0; turn < 200; turn++) {
      for (let i = 0; i < 30; i++) run.model.publish(200)
      await durable(run)
      for (const number of [...run.model.live.keys()]) run.model.settle(number)
      await durable(run)
      await checkpointIfAsked(run)
      largest = Math.max(largest, run.storage.usage().diskSizeBytes)
    }
    assert.ok((run.model.written.at(-1)?.position as number) > 30 * SMALL_LIMITS.segmentSizeBytes, 'many segments were filled')
    // The tail that may wait for its checkpoint, segments under way, spares.
    const bound = SMALL_LIMITS.checkpointTailSizeBytes + (4 + SMALL_LIMITS.spareSegmentsMax) * SMALL_LIMITS.segmentSizeBytes
    assert.ok(largest < bound, `${largest} bytes were used, ${bound} allowed`)
    await world.settle(run.storage.close(run.model.checkpointParts()))
  })

  check('stragglers are copied forward, so that disk use stays within twice the live bytes and a floor', async (world) => {
    const run = await running(world, new StorageModel(), SMALL_LIMITS)
    for (let turn = 0; turn < 300; turn++) {
      const numbers = Array.from({ length: 30 }, () => run.model.publish(200))
      await durable(run)
      // One message of each burst is never settled.
      for (const number of numbers.slice(1)) run.model.settle(number)
      await durable(run)
      await checkpointIfAsked(run)
    }
    await world.settle(run.storage.checkpoint(run.model.checkpointParts()))
    await world.until(() => {
      run.storage.commit()
      return run.storage.usage().segmentCount * SMALL_LIMITS.segmentSizeBytes <= diskBound(run)
    })
    assert.ok(run.model.compactionsAsked > 0)
    assert.equal(run.model.live.size, 300)
    await world.settle(run.model.readAllLive())
    assert.deepEqual(run.model.failures, [])
    await reopen(run)
    await world.settle(run.model.readAllLive())
    await world.settle(run.storage.close(run.model.checkpointParts()))
  })

  check('publishers are asked to pause when too much is not on the disk, and to go on later', async (world) => {
    const run = await running(world, new StorageModel(), { ...SMALL_LIMITS, unsyncedSizeBytesMax: 50_000 })
    run.model.publish(100)
    run.storage.commit()
    for (let i = 0; i < 100; i++) run.model.publish(1000)
    run.storage.commit()
    assert.deepEqual(run.model.pressures, ['pause: unsynced'])
    await durable(run)
    await world.until(() => run.model.pressures.length > 1)
    assert.deepEqual(run.model.pressures, ['pause: unsynced', 'go on: unsynced'])
    await world.settle(run.storage.close(run.model.checkpointParts()))
  })
}

function diskBound(run: Running): number {
  const { checkpointTailSizeBytes, segmentSizeBytes } = SMALL_LIMITS
  return 2 * run.storage.usage().liveSizeBytes + 4 * checkpointTailSizeBytes + 3 * segmentSizeBytes
}

async function checkpointIfAsked(run: Running): Promise<void> {
  if (run.model.checkpointsAsked === 0) return
  run.model.checkpointsAsked = 0
  await run.world.settle(run.storage.checkpoint(run.model.checkpointParts()))
}

function folderConformance(check: Check): void {
  check('a second owner is refused while the first one lives, and welcome afterwards', async (world) => {
    const run = await running(world, new StorageModel())
    await assert.rejects(world.settle(world.open()), isCode('STORAGE_LOCKED'))
    await world.settle(run.storage.close([]))
    const second = await world.settle(world.open())
    await world.settle(second.recover({ checkpointPart: () => undefined, record: () => undefined }))
    await world.settle(second.close([]))
  })

  check('a folder keeps the segment size that it was created with', async (world) => {
    const run = await running(world, new StorageModel(), SMALL_LIMITS)
    for (let i = 0; i < 100; i++) run.model.publish(1000)
    await durable(run)
    await reopen(run, { ...SMALL_LIMITS, segmentSizeBytes: 64 * 1024 })
    for (let i = 0; i < 100; i++) run.model.publish(1000)
    await durable(run)
    await reopen(run)
    assert.equal(run.model.live.size, 200)
    await world.settle(run.model.readAllLive())
    await world.settle(run.storage.close(run.model.checkpointParts()))
  })

  check('parts of a checkpoint come back in order, whatever their sizes', async (world) => {
    const storage = await world.settle(world.open())
    const nothing = { checkpointPart: () => undefined, record: () => undefined }
    const report = await world.settle(storage.recover(nothing))
    assert.equal(report.created, true)
    storage.start(new StorageModel())
    const parts = [0, 1, 7, 8, 1000, 300_000, 262_144, 0].map((size, index) => Buffer.alloc(size, index + 1))
    await world.settle(storage.close(parts))
    const again = await world.settle(world.open())
    const found: Buffer[] = []
    await world.settle(again.recover({ ...nothing, checkpointPart: (part) => void found.push(Buffer.from(part)) }))
    assert.deepEqual(found, parts)
    await world.settle(again.close([]))
  })
}

function memoryConformance(check: Check): void {
  check('finds its records at negative positions until they are released', async (world) => {
    const { storage } = await running(world, new StorageModel(), SMALL_LIMITS)
    const log = storage.memory
    const positions: number[] = []
    for (let i = 0; i < 500; i++) {
      const position = append(log, 9, messagePayload(i, i === 250 ? 11_000 : i))
      assert.ok(position < 0)
      assert.equal(storage.logOf(position), log)
      log.retain(position)
      positions.push(position)
    }
    for (const [i, position] of positions.entries()) {
      assert.equal(log.locate(position), true)
      assert.equal(log.foundKind, 9)
      assert.ok(foundPayload(log).equals(messagePayload(i, i === 250 ? 11_000 : i)))
    }
    assert.ok((await world.settle(load(log, positions[3] as number))).equals(messagePayload(3, 3)))
    for (const position of positions) log.release(position)
    assert.throws(() => log.release(positions.at(-1) as number), AssertionFailure)
    await world.settle(storage.close([]))
  })

  check('memory is given back as messages go', async (world) => {
    const { storage } = await running(world, new StorageModel(), SMALL_LIMITS)
    const log = storage.memory
    for (let turn = 0; turn < 200; turn++) {
      const positions = Array.from({ length: 50 }, (_, i) => append(log, 1, messagePayload(i, 200)))
      for (const position of positions) log.retain(position)
      for (const position of positions) log.release(position)
      storage.commit()
    }
    assert.ok(storage.usage().memorySizeBytes < 20 * SMALL_LIMITS.memoryChunkSizeBytes, `${storage.usage().memorySizeBytes} bytes are kept`)
    await world.settle(storage.close([]))
  })

  check('few live messages do not pin much memory: their chunks are named to be copied', async (world) => {
    const model = new StorageModel()
    const { storage } = await running(world, model, SMALL_LIMITS)
    const log = storage.memory
    const kept = new Map<number, number>()
    model.compactionDue = (victim) => {
      assert.ok(victim.start < victim.end && victim.end <= 0)
      for (const [number, position] of kept) {
        if (position < victim.start || position >= victim.end) continue
        assert.equal(log.locate(position), true)
        const copy = append(log, 1, foundPayload(log))
        log.retain(copy)
        log.release(position)
        kept.set(number, copy)
      }
    }
    for (let i = 0; i < 8000; i++) {
      const position = append(log, 1, messagePayload(i, 200))
      log.retain(position)
      if (i % 40 === 0) kept.set(i, position)
      else log.release(position)
      if (i % 10 === 0) storage.commit()
    }
    const liveSizeBytes = kept.size * 216
    const used = storage.usage().memorySizeBytes
    assert.ok(used < 2 * liveSizeBytes + 40 * SMALL_LIMITS.memoryChunkSizeBytes, `${used} bytes for ${liveSizeBytes} live ones`)
    for (const [number, position] of kept) {
      assert.equal(log.locate(position), true)
      assert.ok(foundPayload(log).equals(messagePayload(number, 200)))
    }
    await world.settle(storage.close([]))
  })
}
