/** What can be saved of a damaged folder, and that it starts afterwards. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WaybillError } from '../../src/base/errors.ts'
import { SeededRandom } from '../../src/base/random.ts'
import { SimulatedClock } from '../../src/base/simulated-clock.ts'
import type { Disk } from '../../src/storage/disk.ts'
import { openStorage } from '../../src/storage/file-storage.ts'
import { salvage } from '../../src/storage/salvage.ts'
import type { SalvageReport } from '../../src/storage/salvage.ts'
import { SimulatedDisk } from '../../src/storage/simulated-disk.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { SMALL_LIMITS } from '../conformance/storage-limits.ts'
import { append, messagePayload, StorageModel } from '../conformance/storage-model.ts'

interface StoredRecord {
  readonly position: number
  readonly end: number
  readonly payload: Buffer
}

class World {
  readonly random: SeededRandom
  readonly clock: SimulatedClock
  readonly disk: SimulatedDisk
  readonly spare: SimulatedDisk
  readonly records: StoredRecord[] = []

  constructor(seed: number) {
    this.random = new SeededRandom(seed)
    this.clock = new SimulatedClock({ random: this.random })
    this.disk = new SimulatedDisk(this.clock, this.random)
    this.spare = new SimulatedDisk(this.clock, this.random)
  }

  open(disk: Disk): Promise<Storage> {
    return this.clock.settle(openStorage({ disk, clock: this.clock, random: this.random, limits: SMALL_LIMITS }))
  }

  /** Writes commits of random records and pulls the plug. */
  async fill(checkpointAfter: number = -1): Promise<void> {
    const storage = await this.open(this.disk.mount())
    await this.clock.settle(storage.recover({ checkpointPart: () => undefined, record: () => undefined }))
    storage.start(new StorageModelWithoutChecks(storage))
    for (let commit = 0; commit < 25; commit++) {
      const count = 1 + this.random.below(20)
      for (let i = 0; i < count; i++) {
        const payload = messagePayload(this.records.length, this.random.below(this.random.below(10) === 0 ? 5000 : 400))
        const position = append(storage.journal, 1, payload)
        storage.journal.retain(position)
        this.records.push({ position, end: storage.journal.end, payload })
      }
      storage.commit()
      await this.clock.runUntil(() => storage.watermark >= storage.journal.end)
      if (commit === checkpointAfter) {
        await this.clock.settle(storage.checkpoint([Buffer.from('state'), Buffer.from(String(this.records.length))]))
      }
    }
    this.disk.crash()
  }

  segmentOf(position: number): string {
    const base = Math.floor(position / SMALL_LIMITS.segmentSizeBytes) * SMALL_LIMITS.segmentSizeBytes
    return `journal/${String(base).padStart(16, '0')}.segment`
  }

  flip(position: number): void {
    const name = this.segmentOf(position)
    const offset = position % SMALL_LIMITS.segmentSizeBytes
    // The end of a segment may never have been written.
    if (offset < this.disk.sizeOf(name)) this.disk.flipBit(name, offset, this.random.below(8))
  }

  salvage(): Promise<SalvageReport> {
    return this.clock.settle(salvage(this.disk.mount(), this.spare.mount()))
  }

  /** Starts the salvaged folder and gives what it holds. */
  async recover(): Promise<{ positions: Set<number>; parts: string[]; storage: Storage }> {
    const positions = new Set<number>()
    const parts: string[] = []
    const storage = await this.open(this.spare.mount())
    const expected = new Map(this.records.map((record) => [record.position, record]))
    await this.clock.settle(
      storage.recover({
        checkpointPart: (part) => void parts.push(part.toString()),
        record: (_kind, position, buffer, _view, offset, sizeBytes) => {
          const record = expected.get(position)
          assert.ok(record !== undefined, 'nothing is invented')
          assert.ok(record.payload.equals(buffer.subarray(offset, offset + sizeBytes)), 'a record is kept as it was')
          positions.add(position)
        },
      }),
    )
    return { positions, parts, storage }
  }
}

class StorageModelWithoutChecks extends StorageModel {
  constructor(storage: Storage) {
    super()
    this.storage = storage
  }

  override compactionDue(): void {}
}

test('every record that no damage touched is kept, at its position, and the folder starts', async () => {
  let damagedCount = 0
  for (let seed = 1; seed <= 60; seed++) {
    const world = new World(seed)
    await world.fill()
    const end = world.records.at(-1)?.end as number
    const flips = Array.from({ length: 1 + world.random.below(6) }, () => world.random.below(end))
    for (const position of flips) world.flip(position)
    const report = await world.salvage()
    const { positions, storage } = await world.recover()
    for (const { position, end: recordEnd } of world.records) {
      const isHit = flips.some((flip) => flip >= position && flip < recordEnd)
      if (!isHit) assert.ok(positions.has(position), `seed ${seed}: the record at ${position} is kept`)
    }
    assert.equal(report.recordCount, positions.size)
    damagedCount += report.damaged.length
    // It goes on as a folder that was never damaged.
    storage.start(new StorageModelWithoutChecks(storage))
    const position = append(storage.journal, 1, Buffer.from('after'))
    storage.journal.retain(position)
    storage.commit()
    await world.clock.runUntil(() => storage.watermark >= storage.journal.end)
    await world.clock.settle(storage.close([]))
  }
  assert.ok(damagedCount > 60)
})

test('a folder without damage is copied with everything in it', async () => {
  const world = new World(3)
  await world.fill(10)
  const report = await world.salvage()
  assert.deepEqual(report.damaged, [])
  assert.ok(report.checkpoint !== undefined)
  const { positions, parts } = await world.recover()
  assert.equal(parts[0], 'state')
  assert.deepEqual(
    [...positions],
    world.records.slice(Number(parts[1])).map((record) => record.position),
  )
})

test('a lost segment in the middle leaves the ones around it', async () => {
  const world = new World(5)
  await world.fill()
  const lost = world.segmentOf(SMALL_LIMITS.segmentSizeBytes)
  world.disk.lose(lost)
  const report = await world.salvage()
  assert.deepEqual(report.damaged, [{ file: lost, offset: 0, sizeBytes: SMALL_LIMITS.segmentSizeBytes }])
  const { positions } = await world.recover()
  assert.deepEqual(
    [...positions],
    world.records.map((record) => record.position).filter((position) => world.segmentOf(position) !== lost),
  )
})

test('without a readable checkpoint the records of the whole journal are given', async () => {
  const world = new World(6)
  await world.fill(10)
  const checkpoint = world.disk.names().find((name) => name.endsWith('.checkpoint')) as string
  world.disk.flipBit(checkpoint, 20, 1)
  const report = await world.salvage()
  assert.equal(report.checkpoint, undefined)
  assert.equal(report.damaged[0]?.file, checkpoint)
  const { positions, parts } = await world.recover()
  assert.deepEqual(parts, [])
  assert.equal(positions.size, world.records.length)
})

test('pages that the disk refuses to read are given up, and nothing else', async () => {
  const world = new World(8)
  await world.fill()
  const name = world.segmentOf(0)
  // The whole segment once, and then the second of its pages.
  world.disk.failNext('read', 'EIO', 1, (each) => each === name)
  let pages = 0
  world.disk.failNext('read', 'EIO', 1, (each) => each === name && ++pages === 2)
  await world.salvage()
  const { positions } = await world.recover()
  for (const { position, end } of world.records)
    assert.equal(positions.has(position), end <= 4096 || position >= 8192, `the record at ${position}`)
})

test('a folder that holds something is not salvaged into, and one in use not from', async () => {
  const world = new World(7)
  await world.fill()
  const used = await world.open(world.spare.mount())
  await assert.rejects(world.salvage(), (error) => error instanceof WaybillError && error.code === 'STORAGE_LOCKED')
  await world.clock.settle(used.close([]))
  await assert.rejects(world.salvage(), (error) => error instanceof WaybillError && error.code === 'FOLDER_NOT_WRITABLE')
})
