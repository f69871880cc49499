/** Power cuts while stream partitions are written, on the simulated disk. WAYBILL_SEEDS sets how many seeds run, WAYBILL_SEED runs one alone. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WaybillError } from '../../src/base/errors.ts'
import { SeededRandom } from '../../src/base/random.ts'
import { SimulatedClock } from '../../src/base/simulated-clock.ts'
import { openStorage } from '../../src/storage/file-storage.ts'
import { SimulatedDisk } from '../../src/storage/simulated-disk.ts'
import type { PartitionLog, Storage } from '../../src/storage/storage.ts'
import { SMALL_LIMITS } from '../conformance/storage-limits.ts'
import { StorageModel } from '../conformance/storage-model.ts'
import { batchBytes, messagesIn, readThrough } from '../conformance/storage-partition.ts'

const SEEDS = Number(process.env['WAYBILL_SEEDS'] ?? 40)
const ONLY_SEED = process.env['WAYBILL_SEED']
const NAMES = ['a', 'b']

/** A function of the offset, so that what comes back can be checked whichever crash lies between. */
function batchSize(offset: number): number {
  return offset % 61 === 0 ? 6000 : 20 + ((offset * 37) % 500)
}

class Run {
  readonly random: SeededRandom
  readonly clock: SimulatedClock
  readonly disk: SimulatedDisk
  storage: Storage | undefined
  logs: PartitionLog[] = []
  announced: number[] = NAMES.map(() => 0)

  constructor(seed: number) {
    this.random = new SeededRandom(seed)
    this.clock = new SimulatedClock({ random: this.random })
    this.disk = new SimulatedDisk(this.clock, this.random)
  }

  async open(): Promise<void> {
    const storage = await openStorage({ disk: this.disk.mount(), clock: this.clock, random: this.random, limits: SMALL_LIMITS })
    await storage.recover({ checkpointPart: () => undefined, record: () => undefined })
    const owner = new StorageModel()
    owner.storage = storage
    storage.start(owner)
    this.storage = storage
    this.logs = []
    for (const name of NAMES) this.logs.push(await storage.openPartition(name))
    for (const [i, log] of this.logs.entries()) {
      assert.ok(
        log.nextOffset >= (this.announced[i] as number),
        `partition ${i} has what was announced: ${log.nextOffset} of ${this.announced[i]}`,
      )
      assert.equal(await readThrough(log, log.firstOffset, batchSize), log.nextOffset)
    }
  }

  append(): void {
    for (const log of this.logs) {
      for (let count = this.random.below(15); count > 0; count--) {
        const offset = log.nextOffset
        log.append(batchBytes(offset, batchSize(offset)), messagesIn(offset), offset)
      }
    }
    this.storage?.commit()
  }

  note(): void {
    this.announced = this.logs.map((log) => log.durableOffset)
  }
}

async function runSeed(seed: number): Promise<void> {
  const run = new Run(seed)
  await run.clock.settle(run.open())
  for (let step = 0; step < 80; step++) {
    const choice = run.random.below(100)
    if (choice < 55) run.append()
    else if (choice < 85) await run.clock.runFor(run.random.fraction() * 4)
    else if (choice < 90)
      await run.clock.settle((run.logs[0] as PartitionLog).trim(run.random.below((run.logs[0] as PartitionLog).nextOffset + 1)))
    else if (choice < 97) {
      run.note()
      run.disk.crash()
      await run.clock.settle(run.open())
    } else {
      await run.clock.settle(run.storage?.close([]) as Promise<void>)
      run.announced = run.logs.map((log) => log.nextOffset)
      await run.clock.settle(run.open())
    }
  }
}

test('what a partition announced as durable survives power cuts, with its offsets', async () => {
  const seeds = ONLY_SEED === undefined ? Array.from({ length: SEEDS }, (_, index) => index + 1) : [Number(ONLY_SEED)]
  for (const seed of seeds) {
    try {
      await runSeed(seed)
    } catch (error) {
      throw new Error(`seed ${seed}: run again with WAYBILL_SEED=${seed}`, { cause: error })
    }
  }
})

test('an index that is lost or damaged is made again; a damaged batch is reported, not skipped', async () => {
  const run = new Run(1)
  await run.clock.settle(run.open())
  for (let i = 0; i < 60; i++) {
    run.append()
    await run.clock.runFor(20)
  }
  await run.clock.settle(run.storage?.close([]) as Promise<void>)
  const indexes = run.disk.names().filter((name) => name.startsWith('streams/a/') && name.endsWith('.index'))
  assert.ok(indexes.length > 2)
  run.disk.lose(indexes[0] as string)
  run.disk.flipBit(indexes[1] as string, 30, 2)
  await run.clock.settle(run.open())
  await run.clock.settle(run.storage?.close([]) as Promise<void>)
  assert.deepEqual(
    run.disk.names().filter((name) => name.startsWith('streams/a/') && name.endsWith('.index')),
    indexes,
  )
  const isDamaged = (error: unknown): boolean => error instanceof WaybillError && error.code === 'STORAGE_DAMAGED'
  const segment = (indexes[1] as string).replace('.index', '.segment')
  run.disk.flipBit(segment, 5000, 2)
  await assert.rejects(run.clock.settle(run.open()), isDamaged, 'reading meets the damaged batch')
  await run.clock.settle(run.storage?.close([]) as Promise<void>)
  run.disk.lose(indexes[1] as string)
  await assert.rejects(run.clock.settle(run.open()), isDamaged, 'without its index the segment is read at the start')
  await run.clock.settle(run.storage?.close([]) as Promise<void>)
  run.disk.lose(segment)
  await assert.rejects(run.clock.settle(run.open()), isDamaged, 'a missing segment is damage too')
})
