/**
 * One simulated machine: the real broker on a simulated disk and clock. A life lasts from a start to a crash or a clean stop; the disk
 * and its contents go from life to life.
 */
import type { WaybillError } from '../../src/base/errors.ts'
import { SeededRandom } from '../../src/base/random.ts'
import { SimulatedClock } from '../../src/base/simulated-clock.ts'
import { Turn } from '../../src/base/turn.ts'
import { Broker } from '../../src/broker/broker.ts'
import type { Namespace } from '../../src/broker/namespace.ts'
import { AMQP_FORM } from '../../src/message/amqp-form.ts'
import { MessageForms } from '../../src/message/properties.ts'
import { openStorage } from '../../src/storage/file-storage.ts'
import { SimulatedDisk } from '../../src/storage/simulated-disk.ts'
import type { RecoveryReport, Storage } from '../../src/storage/storage.ts'
import { lyingDisk } from './lying-disk.ts'
import { declare } from './topology.ts'

const KIB = 1024

/** Small, so that a short run meets every edge: segments that fill, checkpoints, compaction, reads from the disk. */
const STORAGE_LIMITS = {
  segmentSizeBytes: 32 * KIB,
  recordSizeBytesMax: 8 * KIB,
  chunkSizeBytesMin: 2 * KIB,
  chunkSizeBytes: 8 * KIB,
  cacheSizeBytes: 8 * KIB,
  readBlockSizeBytes: 4 * KIB,
  readCacheSizeBytes: 8 * KIB,
  unsyncedSizeBytesMax: 256 * KIB,
  checkpointTailSizeBytes: 48 * KIB,
  allocationAheadSizeBytes: 8 * KIB,
  allocationStepSizeBytes: 4 * KIB,
  spareSegmentsMax: 2,
  memoryChunkSizeBytes: 4 * KIB,
}

/** From a start to a stop. */
export class Life {
  readonly broker: Broker
  readonly storage: Storage
  namespace: Namespace | undefined
  report: RecoveryReport | undefined
  /** Over: what still calls back is not heard any more. */
  dead = false
  /** The storage gave up: nothing is confirmed any more. */
  failure: WaybillError | undefined
  /** Publishers are asked to pause. */
  paused = false
  readErrors = 0

  constructor(storage: Storage, clock: SimulatedClock, random: SeededRandom) {
    this.storage = storage
    this.broker = new Broker({
      storage,
      clock,
      turn: new Turn(clock),
      random,
      forms: new MessageForms([AMQP_FORM]),
      observer: {
        pressure: (paused) => void (this.paused = paused),
        failed: (error) => void (this.failure ??= error),
        readFailed: () => void this.readErrors++,
      },
    })
  }

  /** The namespace of a started life. */
  get root(): Namespace {
    return this.namespace as Namespace
  }
}

/** See the head of this file. */
export class World {
  readonly random: SeededRandom
  readonly clock: SimulatedClock
  readonly disk: SimulatedDisk
  life: Life | undefined

  readonly #lying: boolean

  constructor(seed: number, lying: boolean) {
    this.#lying = lying
    this.random = new SeededRandom(seed)
    this.clock = new SimulatedClock({ random: this.random })
    this.disk = new SimulatedDisk(this.clock, this.random)
  }

  /** Begins a life. @throws WaybillError as the storage does */
  async start(): Promise<Life> {
    const { clock, random } = this
    const mounted = this.disk.mount()
    const disk = this.#lying ? lyingDisk(mounted) : mounted
    const storage = await clock.settle(openStorage({ disk, clock, random, limits: STORAGE_LIMITS }))
    const life = new Life(storage, clock, random)
    this.life = life
    life.report = await clock.settle(life.broker.start())
    life.namespace = life.broker.createNamespace('/')
    declare(life.broker, life.namespace)
    return life
  }

  /** The power goes. */
  crash(): void {
    if (this.life !== undefined) {
      this.life.dead = true
      this.life.broker.services.alarms.close()
    }
    this.disk.crash()
    this.life = undefined
  }

  /** A clean stop. */
  async stop(): Promise<void> {
    const life = this.life as Life
    await this.clock.settle(life.broker.close())
    life.dead = true
    this.life = undefined
  }
}
