/** What the storage does when the disk is full, fails, is slow or was damaged. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { WaybillError } from '../../src/base/errors.ts'
import { SeededRandom } from '../../src/base/random.ts'
import { SimulatedClock } from '../../src/base/simulated-clock.ts'
import { openStorage } from '../../src/storage/file-storage.ts'
import type { StorageLimits } from '../../src/storage/limits.ts'
import { SimulatedDisk } from '../../src/storage/simulated-disk.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { SMALL_LIMITS } from '../conformance/storage-limits.ts'
import { StorageModel } from '../conformance/storage-model.ts'

const SEGMENT_SIZE = SMALL_LIMITS.segmentSizeBytes

class World {
  readonly random = new SeededRandom(7)
  readonly clock = new SimulatedClock({ random: this.random })
  readonly disk = new SimulatedDisk(this.clock, this.random)
  readonly model = new StorageModel()

  get storage(): Storage {
    return this.model.storage as Storage
  }

  open(limits: Partial<StorageLimits> = SMALL_LIMITS): Promise<Storage> {
    return openStorage({ disk: this.disk.mount(), clock: this.clock, random: this.random, limits })
  }

  async start(): Promise<void> {
    await this.clock.settle(this.open().then((storage) => this.model.recover(storage)))
  }

  /** Publishes messages, each in a commit of its own, and waits for them. */
  async publishDurably(count: number, sizeBytes: number = 500): Promise<void> {
    for (let i = 0; i < count; i++) {
      this.model.publish(sizeBytes)
      await this.commit()
    }
  }

  async commit(): Promise<void> {
    this.storage.commit()
    await this.clock.runUntil(() => this.storage.watermark >= (this.model.written.at(-1)?.end ?? 0))
  }

  checkpoint(): Promise<void> {
    return this.clock.settle(this.storage.checkpoint(this.model.checkpointParts()))
  }

  async close(): Promise<void> {
    await this.clock.settle(this.storage.close(this.model.checkpointParts()))
    this.model.commitEnds.push(this.model.written.length)
  }

  segments(): string[] {
    return this.disk.names().filter((name) => /^journal\/\d+\.segment$/.test(name))
  }

  checkpoints(): string[] {
    return this.disk.names().filter((name) => name.endsWith('.checkpoint'))
  }
}

async function started(): Promise<World> {
  const world = new World()
  await world.start()
  return world
}

function isCode(code: string, text: RegExp = /./): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof WaybillError)
    assert.equal(error.code, code)
    assert.match(error.message, text)
    return true
  }
}

describe('a full disk', () => {
  test('pauses publishers, keeps what was accepted, and goes on by itself when there is room', async () => {
    const world = await started()
    await world.publishDurably(5)
    world.disk.capacitySizeBytes = world.disk.usedSizeBytes
    const announced = world.model.announced
    for (let i = 0; i < 60; i++) world.model.publish(1000)
    world.storage.commit()
    await world.clock.runFor(5000)
    assert.equal(world.model.announced, announced, 'nothing is confirmed')
    assert.deepEqual(world.model.pressures, ['pause: disk-full'])
    assert.deepEqual(world.model.failures, [])
    world.disk.capacitySizeBytes = Infinity
    await world.clock.runFor(2000)
    assert.deepEqual(world.model.pressures, ['pause: disk-full', 'go on: disk-full'])
    assert.equal(world.model.announced, world.model.written.at(-1)?.end)
    world.disk.crash()
    await world.start()
    assert.equal(world.model.live.size, 65)
    await world.clock.settle(world.model.readAllLive())
  })

  test('pauses publishers before anything that is waited for meets it', async () => {
    const world = await started()
    await world.publishDurably(1)
    await world.clock.runFor(100)
    world.disk.capacitySizeBytes = world.disk.usedSizeBytes + 100
    // The blocks that were allocated ahead carry these; allocating the next ones fails.
    await world.publishDurably(4)
    await world.clock.runFor(100)
    assert.deepEqual(world.model.pressures, ['pause: disk-full'])
    assert.equal(world.model.announced, world.model.written.at(-1)?.end, 'all of them are confirmed')
    world.disk.capacitySizeBytes = Infinity
    await world.clock.runFor(1000)
    assert.deepEqual(world.model.pressures, ['pause: disk-full', 'go on: disk-full'])
  })

  test('lets publishers go on when commits have overtaken the blocks that could not be allocated', async () => {
    const world = await started()
    await world.publishDurably(1)
    await world.clock.runFor(100)
    world.disk.capacitySizeBytes = world.disk.usedSizeBytes + 100
    await world.publishDurably(2)
    await world.clock.runFor(100)
    assert.deepEqual(world.model.pressures, ['pause: disk-full'])
    world.disk.capacitySizeBytes = Infinity
    for (let i = 0; i < 30; i++) world.model.publish(500)
    await world.commit()
    await world.clock.runFor(1000)
    assert.deepEqual(world.model.pressures, ['pause: disk-full', 'go on: disk-full'])
  })

  test('at the start is told in one sentence, and the next start with room works', async () => {
    const world = new World()
    world.disk.capacitySizeBytes = 0
    await assert.rejects(world.clock.settle(world.open()), isCode('STORAGE_FULL', /opening the data folder .* failed: ENOSPC/))
    world.disk.capacitySizeBytes = Infinity
    await world.start()
    await world.publishDurably(1)
  })

  test('a checkpoint that failed is asked for again', async () => {
    const world = await started()
    world.disk.failNext('write', 'ENOSPC', 1, (name) => name.startsWith('checkpoint/'))
    while (world.model.checkpointsAsked === 0) await world.publishDurably(1)
    await assert.rejects(world.checkpoint(), isCode('STORAGE_FULL'))
    await world.publishDurably(5)
    assert.equal(world.model.checkpointsAsked, 1, 'not at once')
    await world.clock.runFor(6000)
    assert.equal(world.model.checkpointsAsked, 2)
  })

  test('met by a power cut loses nothing that was confirmed', async () => {
    for (let seed = 1; seed <= 30; seed++) {
      const world = new World()
      for (let i = 0; i < seed; i++) world.random.uint32()
      await world.start()
      await world.publishDurably(10)
      world.disk.capacitySizeBytes = world.disk.usedSizeBytes + world.random.below(3000)
      for (let i = 0; i < 40; i++) world.model.publish(world.random.below(1500))
      world.storage.commit()
      await world.clock.runFor(600)
      world.disk.crash()
      world.disk.capacitySizeBytes = Infinity
      await world.start()
      await world.publishDurably(3)
      await world.clock.settle(world.model.readAllLive())
    }
  })

  test('while a checkpoint is written fails that checkpoint alone', async () => {
    const world = await started()
    await world.publishDurably(20)
    await world.clock.runFor(100)
    world.disk.failNext('write', 'ENOSPC', 1, (name) => name.startsWith('checkpoint/'))
    await assert.rejects(world.checkpoint(), isCode('STORAGE_FULL', /writing a checkpoint/))
    assert.deepEqual(
      world.disk.names().filter((name) => name.includes('temporary')),
      [],
      'its space is free again',
    )
    await world.publishDurably(2)
    await world.checkpoint()
    assert.equal(world.checkpoints().length, 1)
  })
})

describe('a failing disk', () => {
  for (const code of ['EIO', 'EROFS']) {
    test(`a write that fails with ${code} stops the storage: never tried again, nothing confirmed after it`, async () => {
      const world = await started()
      await world.publishDurably(5)
      await world.clock.runFor(100)
      const announced = world.model.announced
      const writes = world.disk.durableWriteCount
      world.disk.failNext('write', code, 1, (name) => name.startsWith('journal/'))
      world.model.publish(100)
      world.storage.commit()
      world.model.publish(100)
      await world.clock.runFor(10_000)
      assert.equal(world.model.failures.length, 1)
      assert.ok(isCode('STORAGE_FAILED', /0000000000000000\.segment at offset \d+ failed: E/)(world.model.failures[0]))
      assert.equal(world.storage.watermark, announced)
      world.storage.commit()
      await world.clock.runFor(10_000)
      assert.equal(world.disk.durableWriteCount, writes, 'nothing more is written')
      await assert.rejects(world.checkpoint())
      // A new process finds everything that was confirmed.
      await world.clock.settle(world.storage.close([]))
      world.disk.crash()
      await world.start()
      assert.ok(world.model.live.size >= 5)
    })
  }

  test('a folder that cannot be synced stops the storage', async () => {
    const world = await started()
    world.disk.failNext('sync-folder', 'EIO', 1)
    for (let i = 0; i < 100; i++) world.model.publish(1000)
    world.storage.commit()
    await world.clock.runFor(10_000)
    assert.equal(world.model.failures.length, 1)
    assert.equal(world.model.failures[0]?.code, 'STORAGE_FAILED')
  })

  test('a read that fails is told to who waits for it, and the next one may succeed', async () => {
    const world = await started()
    await world.publishDurably(20)
    await world.close()
    await world.start()
    world.disk.failNext('read', 'EIO', 1)
    await assert.rejects(world.clock.settle(world.model.readAllLive([0])), isCode('STORAGE_FAILED', /segment at offset/))
    await world.clock.settle(world.model.readAllLive())
  })

  test('a slow disk gathers more into each commit and loses nothing', async () => {
    const world = await started()
    world.disk.slowness = 100
    for (let i = 0; i < 200; i++) {
      world.model.publish(200)
      world.storage.commit()
      await world.clock.runFor(1)
    }
    await world.commit()
    assert.ok(world.model.commitEnds.length < 40)
    await world.close()
    await world.start()
    assert.equal(world.model.live.size, 200)
  })
})

describe('a damaged folder', () => {
  test('a flipped bit in the middle of the tail stops the start, with file, offset and what to do', async () => {
    let refused = 0
    for (let seed = 0; seed < 60; seed++) {
      const world = await started()
      await world.publishDurably(30)
      const end = world.storage.watermark
      world.disk.crash()
      const at = Math.floor((world.random.fraction() + seed) * 977) % (end - 700)
      world.disk.flipBit('journal/0000000000000000.segment', at, seed % 8)
      const error: unknown = await world.clock.settle(world.open().then((storage) => storage.recover(world.model))).then(
        () => undefined,
        (failure: unknown) => failure,
      )
      // Only the padding after a record means nothing.
      if (error === undefined) continue
      refused++
      assert.ok(isCode('STORAGE_DAMAGED', /0000000000000000\.segment at offset \d+.*waybill salvage/)(error))
    }
    assert.ok(refused > 50, `${refused} of 60 are noticed`)
  })

  test('a damaged old record is reported for its own position, and everything around it is readable', async () => {
    const world = await started()
    for (let i = 0; i < 200; i++) world.model.publish(500)
    await world.commit()
    await world.close()
    const position = world.model.live.get(77) as number
    const name = world.segments()[Math.floor(position / SEGMENT_SIZE)] as string
    world.disk.flipBit(name, (position % SEGMENT_SIZE) + 40, 3)
    await world.start()
    await assert.rejects(world.clock.settle(world.model.readAllLive([77])), isCode('STORAGE_DAMAGED', /segment at offset \d+/))
    const others = [...world.model.live.keys()].filter((number) => number !== 77)
    await world.clock.settle(world.model.readAllLive(others))
    await assert.rejects(world.clock.settle(world.model.readAllLive([77])), isCode('STORAGE_DAMAGED'))
  })

  test('a damaged length of an old record hides nothing that lies after it', async () => {
    const world = await started()
    for (let i = 0; i < 100; i++) world.model.publish(100)
    await world.commit()
    await world.close()
    const position = world.model.live.get(50) as number
    for (const bit of [1, 5, 7]) world.disk.flipBit(world.segments()[0] as string, position + 4, bit)
    await world.start()
    await assert.rejects(world.clock.settle(world.model.readAllLive([50])), isCode('STORAGE_DAMAGED'))
    await world.clock.settle(world.model.readAllLive([...world.model.live.keys()].filter((number) => number !== 50)))
  })

  test('a damaged checkpoint gives way to the one before it while its tail is there', async () => {
    const world = await started()
    await world.publishDurably(5)
    await world.checkpoint()
    await world.publishDurably(5)
    await world.checkpoint()
    await world.publishDurably(5)
    const [, newest] = world.checkpoints()
    assert.ok(newest !== undefined)
    world.disk.crash()
    world.disk.flipBit(newest, 70, 1)
    await world.start()
    assert.equal(world.model.report?.recordCount, 10)
    assert.equal(world.model.live.size, 15)
  })

  test('a damaged checkpoint that nothing can replace stops the start', async () => {
    const world = await started()
    await world.publishDurably(5)
    await world.close()
    for (const name of world.checkpoints()) world.disk.flipBit(name, 70, 1)
    await assert.rejects(
      world.clock.settle(world.open().then((storage) => storage.recover(world.model))),
      isCode('STORAGE_DAMAGED', /checkpoint\/\d+\.checkpoint is damaged at offset \d+/),
    )
  })

  test('a journal that ends before its checkpoint stops the start', async () => {
    const world = await started()
    await world.publishDurably(20)
    const inCommit = world.storage.journal.end
    for (let i = 0; i < 5; i++) world.model.publish(100)
    await world.checkpoint()
    world.disk.crash()
    world.disk.flipBit(world.segments()[0] as string, inCommit + 100, 1)
    const recovered = world.clock.settle(world.open().then((storage) => storage.recover(world.model)))
    await assert.rejects(recovered, isCode('STORAGE_DAMAGED', /the journal ends at .*before the checkpoint/))
  })

  test('a missing segment at the end of the journal stops the start', async () => {
    const world = await started()
    await world.publishDurably(20)
    await world.close()
    world.disk.lose(world.segments()[0] as string)
    const recovered = world.clock.settle(world.open().then((storage) => storage.recover(world.model)))
    await assert.rejects(recovered, isCode('STORAGE_DAMAGED', /is missing/))
  })

  test('a missing segment that messages wait in stops the start', async () => {
    const world = await started()
    for (let i = 0; i < 300; i++) world.model.publish(500)
    await world.commit()
    await world.close()
    world.disk.lose(world.segments()[1] as string)
    await assert.rejects(
      world.clock.settle(world.open().then((storage) => world.model.recover(storage))),
      isCode('STORAGE_DAMAGED', /position 32768 is missing/),
    )
  })

  test('a folder of a newer version, or with a damaged or missing format file, is refused', async () => {
    const world = await started()
    await world.publishDurably(1)
    await world.close()
    const text = world.disk.contentOf('format').toString()
    world.disk.overwrite('format', Buffer.from(text.replace('"version": 1', '"version": 9')), 0)
    await assert.rejects(world.clock.settle(world.open()), isCode('STORAGE_VERSION', /version 9/))
    world.disk.overwrite('format', Buffer.from('garbage!'), 0)
    await assert.rejects(world.clock.settle(world.open()), isCode('STORAGE_DAMAGED', /format is damaged/))
    world.disk.lose('format')
    await assert.rejects(world.clock.settle(world.open()), isCode('STORAGE_DAMAGED', /format is missing/))
  })

  test('a message body that looks like a commit is not taken for one', async () => {
    const world = await started()
    world.model.publish(500)
    await world.commit()
    // The exact bytes of a real commit head, a later one than the journal's last, sent as a message by somebody who read the file.
    const content = world.disk.contentOf('journal/0000000000000000.segment')
    const forged = Buffer.alloc(512, 1)
    for (let at = 4; at + 40 <= forged.length; at += 40) content.copy(forged, at, 0, 40)
    const journal = world.storage.journal
    const position = journal.reserve(1, forged.length)
    journal.buffer.set(forged, journal.offset)
    journal.seal()
    world.storage.commit()
    await world.clock.runUntil(() => world.storage.watermark >= journal.end)
    world.disk.crash()
    let count = 0
    const storage = await world.clock.settle(world.open())
    const record = (_kind: number, at: number): void => {
      count++
      if (count === 2) assert.equal(at, position)
    }
    await world.clock.settle(storage.recover({ checkpointPart: () => undefined, record }))
    assert.equal(count, 2)
  })
})
