/**
 * The broker: namespaces on one storage. It owns the end of a turn (commit, confirms), recovery and checkpoints, and gives every part
 * what they share.
 */
import { assert } from '../base/assert.ts'
import type { Clock } from '../base/clock.ts'
import { WaybillError } from '../base/errors.ts'
import { LIMITS } from '../base/limits.ts'
import type { Random } from '../base/random.ts'
import { PHASE, type Turn, type TurnTask } from '../base/turn.ts'
import { MessageFacets } from '../message/facets.ts'
import type { FieldTable } from '../message/field.ts'
import type { MessageForms } from '../message/properties.ts'
import type { RecoveryReport, Storage, StorageOwner, Victim } from '../storage/storage.ts'
import { Alarms } from './alarms.ts'
import { Compaction } from './compaction.ts'
import { deadLetterOf, DeadLetters, goesRound } from './dead-letters.ts'
import { argumentsToText, type Definition, writeDefinition } from './definitions.ts'
import { MessageView } from './message-record.ts'
import { Namespace } from './namespace.ts'
import { Publication } from './publication.ts'
import { PublicationFacts } from './publication-facts.ts'
import { Queue } from './queue.ts'
import { Recovery } from './recovery.ts'
import type { DeadLetterReason, Services } from './services.ts'
import { CONFIRM_PHASE, type Owner, type Session } from './session.ts'
import { writeSettled } from './settled-runs.ts'
import { snapshotOf } from './snapshot.ts'

/** What a broker stands on. */
export interface BrokerOptions {
  readonly storage: Storage
  readonly clock: Clock
  readonly turn: Turn
  readonly random: Random
  readonly forms: MessageForms
  readonly observer: BrokerObserver
}

/** What the broker reports to whoever runs it. Nothing here may throw. */
export interface BrokerObserver {
  /** Publishers should pause (true) or go on. */
  pressure(paused: boolean, reason: 'disk-full' | 'unsynced'): void
  /** The storage cannot go on: the server must stop. Everything confirmed is on the disk. */
  failed(error: WaybillError): void
  /** A stored message could not be read: it is set aside and kept. */
  readFailed(error: Error): void
}

/** What a queue is created with, by any protocol. */
export interface QueueDefinition {
  readonly name: string
  readonly durable: boolean
  readonly autoDelete: boolean
  readonly exclusiveOwner: Owner | undefined
  readonly arguments: FieldTable
}

/** After a checkpoint that found no room on the disk. */
const CHECKPOINT_RETRY_MS = 5_000

function isDiskFull(error: unknown): boolean {
  if (error instanceof WaybillError && error.code === 'STORAGE_FULL') return true
  return error instanceof Error && 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT')
}

interface Waiting {
  readonly position: number
  readonly callback: () => void
}

/** Namespaces on one storage. */
export class Broker implements StorageOwner {
  readonly namespaces = new Map<string, Namespace>()
  readonly services: Services
  readonly facts: PublicationFacts
  /** Queues and delayed stores by their number. */
  readonly queuesByNumber = new Map<number, Queue>()
  nextNumber = 1
  readonly #observer: BrokerObserver
  readonly #clock: Clock
  readonly #deadLetters: DeadLetters
  readonly #compaction: Compaction
  readonly #exclusiveQueues = new Map<Owner, Set<Queue>>()
  #settledQueues: Queue[] = []
  #confirmSessions: Session[] = []
  #durableWaiters: Waiting[] = []
  #checkpointing: Promise<void> | undefined
  #started = false
  #closed = false
  readonly #commitTask: TurnTask = { scheduled: false, runAtTurnEnd: () => this.services.storage.commit() }

  constructor(options: BrokerOptions) {
    const { storage, clock, turn, random, forms, observer } = options
    this.#observer = observer
    this.#clock = clock
    this.facts = new PublicationFacts(forms)
    this.services = {
      turn,
      random,
      storage,
      journal: storage.journal,
      memory: storage.memory,
      alarms: new Alarms(clock),
      forms,
      facets: new MessageFacets(),
      view: new MessageView(),
      clockMs: () => clock.now(),
      settlementsPending: (queue) => this.#settlementsPending(queue),
      commitSoon: () => this.commitSoon(),
      deadLetter: (queue, sequence, reason) => this.#deadLetter(queue, sequence, reason),
      deleteQueue: (queue) => this.deleteQueue(queue),
      readFailed: (error) => observer.readFailed(error),
    }
    this.#deadLetters = new DeadLetters(this.services, (publication, from, sequence, skip) => {
      // Without its namespace a message has nowhere to go.
      this.namespaces.get(from.namespace)?.publishDeadLetter(publication, from, sequence, skip)
    })
    this.#compaction = new Compaction(this)
  }

  /** Reads what is stored and starts. To be awaited before anything else. */
  async start(): Promise<RecoveryReport> {
    assert(!this.#started, 'a broker starts once')
    this.#started = true
    const recovery = new Recovery(this)
    const report = await this.services.storage.recover(recovery)
    // Reading may have taken long: what is counted from the start of the server counts from now.
    this.services.turn.begin()
    recovery.finish(!report.clean && !report.created)
    this.services.storage.start(this)
    this.services.alarms.start()
    return report
  }

  /** Makes everything durable, writes a checkpoint and gives up the storage. Sessions must be closed. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.services.alarms.close()
    await this.#deadLetters.whenEmpty()
    await this.#checkpointing
    await this.services.storage.close(snapshotOf(this))
  }

  // ---- Namespaces, queues ----

  /** @throws WaybillError INVALID_PATH */
  namespaceNamed(name: string): Namespace {
    const namespace = this.namespaces.get(name)
    if (namespace === undefined) throw new WaybillError('INVALID_PATH', `vhost ${name} not found`)
    return namespace
  }

  namespaceOf(queue: Queue): Namespace {
    return this.namespaces.get(queue.namespace) as Namespace
  }

  /** Creates a namespace; one that exists is left as it is. */
  createNamespace(name: string): Namespace {
    const known = this.namespaces.get(name)
    if (known !== undefined) return known
    const namespace = this.addNamespace(name, this.nextNumber++)
    this.define({ op: 'namespace', n: name, delayedNumber: namespace.delayed.number })
    return namespace
  }

  /** Adds a namespace without recording it. */
  addNamespace(name: string, delayedNumber: number): Namespace {
    const namespace = new Namespace(this, name, delayedNumber)
    this.namespaces.set(name, namespace)
    this.nextNumber = Math.max(this.nextNumber, delayedNumber + 1)
    return namespace
  }

  /**
   * Creates a queue whose name is free.
   * @throws WaybillError PRECONDITION_FAILED on arguments that make no sense, RESOURCE_ERROR
   */
  createQueue(namespace: Namespace, definition: QueueDefinition): Queue {
    if (this.queuesByNumber.size >= LIMITS.queuesMax) throw new WaybillError('RESOURCE_ERROR', 'too many queues')
    const queue = this.addQueue(namespace, definition, this.nextNumber++)
    if (queue.durable) {
      const { number, name, autoDelete } = queue
      this.define({ op: 'queue', n: namespace.name, number, name, autoDelete, arguments: argumentsToText(queue.arguments) })
    }
    return queue
  }

  /** Adds a queue without recording it. */
  addQueue(namespace: Namespace, definition: QueueDefinition, number: number): Queue {
    const { settings, type } = namespace.policies.settingsOf(definition)
    const queue = new Queue(this.services, { ...definition, number, namespace: namespace.name, type, settings })
    namespace.addQueue(queue)
    this.queuesByNumber.set(number, queue)
    this.nextNumber = Math.max(this.nextNumber, number + 1)
    if (definition.exclusiveOwner !== undefined) {
      let queues = this.#exclusiveQueues.get(definition.exclusiveOwner)
      if (queues === undefined) this.#exclusiveQueues.set(definition.exclusiveOwner, (queues = new Set()))
      queues.add(queue)
    }
    return queue
  }

  /** Removes a queue with its messages, bindings and consumers, who are told. @returns how many messages it held */
  deleteQueue(queue: Queue): number {
    if (queue.deleted) return 0
    const count = queue.readyCount
    const consumers = [...queue.consumers.all]
    this.namespaceOf(queue).removeQueue(queue)
    this.queuesByNumber.delete(queue.number)
    if (queue.durable) this.define({ op: 'queue-delete', n: queue.namespace, number: queue.number })
    this.#deadLetters.detach(queue)
    queue.clear()
    if (queue.exclusiveOwner !== undefined) this.#exclusiveQueues.get(queue.exclusiveOwner)?.delete(queue)
    for (const consumer of consumers) consumer.session.cancelledByBroker(consumer)
    return count
  }

  /** A connection is gone: its exclusive queues go with it. Its sessions are closed before. */
  ownerGone(owner: Owner): void {
    const queues = this.#exclusiveQueues.get(owner)
    if (queues === undefined) return
    this.#exclusiveQueues.delete(owner)
    for (const queue of queues) this.deleteQueue(queue)
  }

  /** Records a change of a definition. It is durable with the next commit. */
  define(definition: Definition): void {
    writeDefinition(this.services.journal, definition)
    this.commitSoon()
  }

  // ---- Commits and confirms ----

  /** Starts a commit at the end of this turn. */
  commitSoon(): void {
    if (!this.#commitTask.scheduled) this.services.turn.schedule(this.#commitTask, PHASE.commit)
  }

  /** Calls `callback` when everything before `position` is on the disk: at once if it is. */
  whenDurable(position: number, callback: () => void): void {
    if (this.services.storage.watermark >= position) return callback()
    this.#durableWaiters.push({ position, callback })
    this.commitSoon()
  }

  /**
   * Carries out `change` in one step: everything it stores, settles and dead-letters is in one commit, and `done` is called when that is on
   * the disk. (A dead letter that has to be read from the disk first follows in a later commit; `done` waits for it.)
   */
  transact(change: () => void, done: () => void): void {
    this.#deadLetters.moveWith(change, () => {
      // Settlements are gathered until a commit: these go into the journal now, so that its end is after them.
      this.beforeCommit()
      this.whenDurable(this.services.journal.end, done)
    })
  }

  /** The session has a publication to confirm. */
  awaitConfirms(session: Session): void {
    if (session.awaitingConfirms) return
    session.awaitingConfirms = true
    session.confirmPlace = this.#confirmSessions.push(session) - 1
    // What needs no disk is confirmed at the end of the turn.
    this.services.turn.schedule(session, CONFIRM_PHASE)
  }

  advanceConfirms(session: Session): void {
    const more = session.advanceConfirms(this.services.storage.watermark)
    if (!more) this.confirmsOver(session)
  }

  /** The session has nothing to be confirmed any more: it is closed, or all is confirmed. */
  confirmsOver(session: Session): void {
    if (!session.awaitingConfirms) return
    session.awaitingConfirms = false
    const last = this.#confirmSessions.pop() as Session
    if (last === session) return
    // In constant time: thousands of sessions may publish in the same turn.
    this.#confirmSessions[session.confirmPlace] = last
    last.confirmPlace = session.confirmPlace
  }

  beforeCommit(): void {
    const queues = this.#settledQueues
    if (queues.length === 0) return
    for (const queue of queues) if (!queue.deleted && queue.settledRuns.count > 0) writeSettled(this.services.journal, queue)
    queues.length = 0
  }

  committed(watermark: number): void {
    const sessions = this.#confirmSessions
    for (let i = 0; i < sessions.length; i++) (sessions[i] as Session).advanceConfirms(watermark)
    this.#dropConfirmed()
    const waiters = this.#durableWaiters
    let done = 0
    while (done < waiters.length && (waiters[done] as Waiting).position <= watermark) (waiters[done++] as Waiting).callback()
    if (done > 0) this.#durableWaiters = waiters.slice(done)
  }

  pressure(paused: boolean, reason: 'disk-full' | 'unsynced'): void {
    this.#observer.pressure(paused, reason)
  }

  failed(error: WaybillError): void {
    this.#observer.failed(error)
  }

  checkpointDue(): void {
    void this.checkpoint()
  }

  compactionDue(victim: Victim): void {
    this.#compaction.start(victim)
  }

  /** Writes a checkpoint of the state as it is now. One at a time. */
  async checkpoint(): Promise<void> {
    if (this.#checkpointing !== undefined || this.#closed) return this.#checkpointing
    this.beforeCommit()
    this.#checkpointing = this.services.storage.checkpoint(snapshotOf(this)).then(
      () => {
        this.#checkpointing = undefined
      },
      (error: unknown) => {
        this.#checkpointing = undefined
        // Without room the older checkpoint goes on counting; nothing is lost but time at the next start.
        if (isDiskFull(error)) this.#clock.setTimer(CHECKPOINT_RETRY_MS, () => void this.checkpoint())
        else this.#observer.failed(new WaybillError('STORAGE_FAILED', 'the checkpoint could not be written', { cause: error }))
      },
    )
    return this.#checkpointing
  }

  /** A queue refuses a message that it dead-letters instead (overflow reject-publish-dlx). */
  deadLetterRefused(queue: Queue, publication: Publication): void {
    if (queue.settings.deadLetterExchange === undefined) return
    const letter = new Publication()
    Object.assign(letter, publication)
    const deaths = deadLetterOf(this.services, letter, queue, 'maxlen', publication.exchange, publication.routingKey)
    this.namespaceOf(queue).publishRefused(letter, (target) => goesRound(queue, 'maxlen', deaths, target))
  }

  #deadLetter(queue: Queue, sequence: number, reason: DeadLetterReason): void {
    this.#deadLetters.add(queue, sequence, reason)
  }

  #settlementsPending(queue: Queue): void {
    this.#settledQueues.push(queue)
    this.commitSoon()
  }

  #dropConfirmed(): void {
    const sessions = this.#confirmSessions
    let kept = 0
    for (let i = 0; i < sessions.length; i++) {
      const session = sessions[i] as Session
      if (session.unconfirmedCount > 0) {
        session.confirmPlace = kept
        sessions[kept++] = session
      } else session.awaitingConfirms = false
    }
    sessions.length = kept
  }

  /** For parts that need the time of day outside of a turn. */
  get clock(): Clock {
    return this.#clock
  }
}
