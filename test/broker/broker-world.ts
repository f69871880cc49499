/**
 * The real broker on a simulated disk and clock, with what a test wants to say of it: queues by their arguments, clients that record what they
 * are told, restarts, crashes. Time passes only when the test lets it.
 */
import assert from 'node:assert/strict'
import type { WaybillError } from '../../src/base/errors.ts'
import { SeededRandom } from '../../src/base/random.ts'
import { SimulatedClock } from '../../src/base/simulated-clock.ts'
import { Turn } from '../../src/base/turn.ts'
import { Broker } from '../../src/broker/broker.ts'
import type { Exchange, RoutingKind } from '../../src/broker/exchange.ts'
import { ENTRY } from '../../src/broker/message-index.ts'
import type { Namespace } from '../../src/broker/namespace.ts'
import type { Queue } from '../../src/broker/queue.ts'
import { AMQP_FORM } from '../../src/message/amqp-form.ts'
import { tableOf } from '../../src/message/field.ts'
import { MessageForms } from '../../src/message/properties.ts'
import { openStorage } from '../../src/storage/file-storage.ts'
import type { StorageLimits } from '../../src/storage/limits.ts'
import { SimulatedDisk } from '../../src/storage/simulated-disk.ts'
import { RecordingClient } from './recording-client.ts'

const KIB = 1024
/** Above this many messages in a queue the accounts are not checked entry by entry each time. */
const CHECKED_MESSAGES_MAX = 5_000

/** Small, so that a test meets segments that fill, checkpoints and reads from the disk. */
const SMALL_LIMITS: Partial<StorageLimits> = {
  segmentSizeBytes: 64 * KIB,
  recordSizeBytesMax: 16 * KIB,
  chunkSizeBytesMin: 4 * KIB,
  chunkSizeBytes: 16 * KIB,
  cacheSizeBytes: 16 * KIB,
  readBlockSizeBytes: 8 * KIB,
  readCacheSizeBytes: 16 * KIB,
  unsyncedSizeBytesMax: 1024 * KIB,
  checkpointTailSizeBytes: 128 * KIB,
  allocationAheadSizeBytes: 16 * KIB,
  allocationStepSizeBytes: 8 * KIB,
  spareSegmentsMax: 2,
  memoryChunkSizeBytes: 8 * KIB,
}

/** Values of arguments, by their names. */
export type Arguments = Readonly<Record<string, string | number | boolean>>

/** What a world begins with. */
export interface WorldOptions {
  readonly seed?: number
  /** @default small ones */
  readonly limits?: Partial<StorageLimits>
}

/** Which kind of queue it is, apart from its arguments. */
export interface QueueKind {
  readonly durable?: boolean
  readonly autoDelete?: boolean
  readonly exclusiveOwner?: object
}

/** How a life ends. */
export type Ending = 'clean' | 'crash'

/** The two ways in which a server comes to stand still: what is durable must survive both. */
export const ENDINGS: readonly Ending[] = ['clean', 'crash']

/** See the head of this file. */
export class BrokerWorld {
  readonly clock = new SimulatedClock()
  readonly disk: SimulatedDisk
  failure: WaybillError | undefined
  readErrors: Error[] = []
  readonly #random: SeededRandom
  readonly #limits: Partial<StorageLimits>
  #broker: Broker | undefined
  #clients: RecordingClient[] = []

  private constructor(options: WorldOptions) {
    this.#random = new SeededRandom(options.seed ?? 1)
    this.#limits = options.limits ?? SMALL_LIMITS
    this.disk = new SimulatedDisk(this.clock, this.#random)
  }

  /** A running broker on an empty disk. */
  static async start(options: WorldOptions = {}): Promise<BrokerWorld> {
    const world = new BrokerWorld(options)
    await world.#begin()
    return world
  }

  get broker(): Broker {
    return this.#broker as Broker
  }

  get namespace(): Namespace {
    return this.broker.namespaceNamed('/')
  }

  // ---- Time ----

  /** Lets time pass. */
  async pass(ms: number): Promise<void> {
    await this.clock.runFor(ms)
    this.checkAccounts()
  }

  /** Lets happen what needs no time: the end of the turn, and what follows at once. */
  settle(): Promise<void> {
    return this.pass(0)
  }

  /** Until everything that was done so far is on the disk. */
  async durable(): Promise<void> {
    await this.clock.runFor(0)
    const { journal, storage } = this.broker.services
    // Settlements are gathered until a commit.
    this.broker.beforeCommit()
    this.broker.commitSoon()
    const end = journal.end
    if (storage.watermark < end) await this.clock.runUntil(() => storage.watermark >= end || this.failure !== undefined)
    assert.equal(this.failure, undefined)
    this.checkAccounts()
  }

  // ---- Lives ----

  /** Ends this life and begins the next; what was not durable yet is made so before. */
  async restart(ending: Ending): Promise<void> {
    await this.durable()
    if (ending === 'clean') await this.stop()
    else this.crash()
    await this.#begin()
  }

  /** The power goes, now. Nothing runs until `powerOn`. */
  crash(): void {
    for (const client of this.#clients) client.abandon()
    this.#clients = []
    this.broker.services.alarms.close()
    this.disk.crash()
    this.#broker = undefined
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) client.end()
    this.#clients = []
    await this.clock.settle(this.broker.close())
    this.#broker = undefined
  }

  /** The next life after `crash` or `stop`. */
  async powerOn(): Promise<void> {
    await this.#begin()
  }

  async #begin(): Promise<void> {
    const { clock } = this
    const storage = await clock.settle(openStorage({ disk: this.disk.mount(), clock, random: this.#random, limits: this.#limits }))
    this.#broker = new Broker({
      storage,
      clock,
      turn: new Turn(clock),
      random: this.#random,
      forms: new MessageForms([AMQP_FORM]),
      observer: {
        pressure: () => {},
        failed: (error) => void (this.failure ??= error),
        readFailed: (error) => void this.readErrors.push(error),
      },
    })
    await clock.settle(this.#broker.start())
    this.#broker.createNamespace('/')
  }

  // ---- Topology ----

  /** Declares a queue. */
  queue(name: string, args: Arguments = {}, kind: QueueKind = {}): Queue {
    this.broker.services.turn.begin()
    const { durable = true, autoDelete = false, exclusiveOwner } = kind
    return this.broker.createQueue(this.namespace, { name, durable, autoDelete, exclusiveOwner, arguments: tableOf(args) })
  }

  /** A queue that is there. */
  queueNamed(name: string): Queue {
    return this.namespace.queueNamed(name)
  }

  hasQueue(name: string): boolean {
    return this.namespace.queues.has(name)
  }

  /** Declares a durable exchange. */
  exchange(name: string, kind: RoutingKind, args: Arguments = {}, autoDelete = false): Exchange<Queue> {
    const table = tableOf(args)
    const alternate = args['alternate-exchange']
    const definition = { name, kind, routing: kind, durable: true, autoDelete, internal: false, arguments: table }
    return this.namespace.createExchange({ ...definition, alternate: typeof alternate === 'string' ? alternate : undefined })
  }

  /** Binds a queue or, when there is no such queue, an exchange. */
  bind(source: string, destination: string, routingKey: string, args: Arguments = {}): void {
    const { namespace } = this
    const target = namespace.queues.get(destination) ?? namespace.exchangeNamed(destination)
    namespace.bind(namespace.exchangeNamed(source), target, routingKey, tableOf(args))
  }

  // ---- Clients ----

  /** A new connection with one session. */
  client(): RecordingClient {
    const client = new RecordingClient(this.namespace, this.clock)
    this.#clients.push(client)
    return client
  }

  /** The bodies that wait in a queue, in the order in which they would be delivered; they stay there. */
  async bodiesIn(name: string): Promise<string[]> {
    const reader = this.client()
    const bodies: string[] = []
    for (;;) {
      const fetched = await this.fetch(reader, name)
      if (fetched === undefined) break
      bodies.push(fetched.body)
    }
    reader.end()
    await this.settle()
    return bodies
  }

  /** Fetches one message, which may have to be read from the disk. */
  async fetch(client: RecordingClient, queue: string): ReturnType<RecordingClient['fetch']> {
    return this.clock.settle(client.fetch(this.queueNamed(queue)))
  }

  // ---- Accounts ----

  /** Every message of a queue is in exactly one state, and the counts say the same as the entries. */
  checkAccounts(): void {
    if (this.#broker === undefined) return
    const unsettled = new Map<Queue, number>()
    for (const client of this.#clients) client.countUnsettled(unsettled)
    for (const queue of this.#broker.queuesByNumber.values()) {
      if (queue.index.size > CHECKED_MESSAGES_MAX) continue
      const counts = { ready: 0, readyBytes: 0, held: 0, out: 0 }
      queue.index.forEach((sequence, _position, state) => {
        if ((state & ENTRY.out) !== 0) counts.out++
        else if ((state & ENTRY.held) !== 0) counts.held++
        else {
          counts.ready++
          counts.readyBytes += queue.index.sizeOf(sequence)
        }
      })
      const { name, readyCount, readyBytes, heldCount, unsettledCount } = queue
      assert.deepEqual({ name, ready: readyCount, readyBytes, held: heldCount }, { name, ...without(counts) })
      assert.equal(unsettledCount, unsettled.get(queue) ?? 0, `unsettled deliveries of ${name}`)
      // What is out but not with a consumer is on its way to a dead-letter exchange.
      assert.ok(counts.out >= unsettledCount, `${name} has ${counts.out} messages out and ${unsettledCount} unsettled`)
    }
  }
}

function without(counts: { ready: number; readyBytes: number; held: number; out: number }) {
  const { ready, readyBytes, held } = counts
  return { ready, readyBytes, held }
}
