/**
 * A queue: ordered messages for competing consumers, each gone once settled. It knows no protocol.
 *
 * The fast path is `enqueue` -> `runAtTurnEnd` -> `Session.deliver` -> `accept`; a queue without special settings looks at none of them there.
 *
 * A message's life here: waiting (in `order`) -> out (with a consumer, or being dead-lettered) -> gone; or held (back-off) -> waiting.
 */
import { assert } from '../base/assert.ts'
import { LIMITS } from '../base/limits.ts'
import type { TimedHeap } from '../base/timed-heap.ts'
import { PHASE, type TurnTask } from '../base/turn.ts'
import type { FieldTable } from '../message/field.ts'
import type { Log, Position } from '../storage/storage.ts'
import type { AlarmOwner } from './alarms.ts'
import { ConsumerRing } from './consumer-ring.ts'
import type { Consumer } from './consumer.ts'
import { DeduplicationWindow } from './deduplication-window.ts'
import { ENTRY, MessageIndex, STATE_SIZE_MASK } from './message-index.ts'
import { type ReferenceOwner, writeReturned } from './message-record.ts'
import { MessageTimes } from './message-times.ts'
import type { QueueSettings } from './queue-settings.ts'
import { FirstInOrder, KeyOrder, NONE, PriorityOrder, type ReadyOrder } from './ready-order.ts'
import type { RouteTarget } from './route-result.ts'
import type { DeadLetterReason, Services } from './services.ts'
import type { Session } from './session.ts'
import { SettledRuns } from './settled-runs.ts'

/** What a queue is created with. */
export interface QueueOptions {
  readonly number: number
  readonly name: string
  readonly namespace: string
  /** As declared. The messages of an exclusive queue go with its connection all the same. */
  readonly durable: boolean
  readonly autoDelete: boolean
  /** The connection that alone may use it, and with which it goes. */
  readonly exclusiveOwner: object | undefined
  readonly arguments: FieldTable
  /** What the client called it: it changes nothing here but the name it is shown under. */
  readonly type: 'classic' | 'quorum'
  readonly settings: QueueSettings
}

/** How many timed entries (expiry, back-off) are handled in one go. */
const TIMED_PER_ALARM_MAX = 2_000

/** Ordered messages for competing consumers. */
export class Queue implements RouteTarget, ReferenceOwner, TurnTask, AlarmOwner {
  readonly number: number
  readonly name: string
  readonly namespace: string
  readonly declaredDurable: boolean
  /** Its definition and its persistent messages survive a restart. */
  readonly durable: boolean
  readonly autoDelete: boolean
  readonly exclusiveOwner: object | undefined
  readonly arguments: FieldTable
  readonly type: 'classic' | 'quorum'
  settings: QueueSettings

  readonly index = new MessageIndex()
  readonly times = new MessageTimes(this.index)
  readonly consumers = new ConsumerRing()
  order: ReadyOrder
  readyCount = 0
  readyBytes = 0
  unsettledCount = 0
  heldCount = 0
  /** Messages must be looked at one by one when they come in. */
  special = false
  deleted = false
  /** The consumer that alone receives, with single active consumer. */
  activeConsumer: Consumer | undefined
  exclusiveConsumer: Consumer | undefined
  /** It has had a consumer: an auto-delete queue goes when the last one leaves. */
  hadConsumer = false
  readonly settledRuns = new SettledRuns()
  deduplication: DeduplicationWindow | undefined

  // Counters since the start.
  publishedCount = 0
  deliveredCount = 0
  acceptedCount = 0
  returnedCount = 0

  routeMark = 0
  scheduled = false
  alarmAtMs = Infinity

  readonly #services: Services
  /** Messages that may not wait at all: what no consumer takes at the end of this turn, nobody gets. */
  readonly #lastCalls: number[] = []
  #loading = false
  #unusedSinceMs: number
  /** Set while the key of a message that is being added is known, for KeyOrder. */
  #addedKey = ''

  constructor(services: Services, options: QueueOptions) {
    this.#services = services
    this.number = options.number
    this.name = options.name
    this.namespace = options.namespace
    this.declaredDurable = options.durable
    this.durable = options.durable && options.exclusiveOwner === undefined
    this.autoDelete = options.autoDelete
    this.exclusiveOwner = options.exclusiveOwner
    this.arguments = options.arguments
    this.type = options.type
    this.settings = options.settings
    this.order = this.#makeOrder()
    this.#unusedSinceMs = services.turn.nowMs
    this.applySettings(options.settings)
  }

  get nextSequence(): number {
    return this.index.nextSequence
  }

  /** Messages in all: waiting, held and out. */
  get messageCount(): number {
    return this.index.size
  }

  /** Takes new settings (a policy changed). Priority and ordering key are fixed at creation. */
  applySettings(settings: QueueSettings): void {
    this.settings = settings
    this.deduplication = settings.deduplicationWindowMs === undefined ? undefined : (this.deduplication ?? new DeduplicationWindow())
    this.special =
      settings.messageTtlMs !== undefined ||
      settings.lengthMax !== undefined ||
      settings.lengthBytesMax !== undefined ||
      settings.priorityMax !== undefined ||
      settings.deduplicationWindowMs !== undefined ||
      settings.orderingKey !== undefined
    this.touch()
    this.trim()
  }

  // ---- Messages in ----

  /** True when a message of this size must be refused rather than stored. */
  refuses(sizeBytes: number): boolean {
    if (this.settings.overflow === 'drop-head' || !this.#isFullFor(sizeBytes)) return false
    if (this.consumers.size === 0) return true
    // A consumer that waits is served before anything is refused: what it takes makes room.
    this.#deliverWaiting()
    return this.#isFullFor(sizeBytes)
  }

  #isFullFor(sizeBytes: number): boolean {
    const { lengthMax, lengthBytesMax } = this.settings
    if (lengthMax !== undefined && this.readyCount + this.heldCount + 1 > lengthMax) return true
    return lengthBytesMax !== undefined && this.readyBytes + sizeBytes > lengthBytesMax
  }

  /** Adds a stored message as the newest. The caller has written the record with `nextSequence` as its number. */
  enqueue(log: Log, position: Position, sizeBytes: number): number {
    log.retain(position)
    const sequence = this.index.append(position, sizeBytes)
    this.order.add(sequence)
    this.readyCount++
    this.readyBytes += sizeBytes
    this.publishedCount++
    if (!this.scheduled && this.consumers.size > 0) this.#services.turn.schedule(this, PHASE.deliver)
    return sequence
  }

  /** As `enqueue`, for a message or a queue with special settings. */
  enqueueSpecial(log: Log, position: Position, sizeBytes: number, priority: number, expiresAtMs: number, key: string): number {
    const max = this.settings.priorityMax
    const sequence = this.index.nextSequence
    if (max === undefined && this.settings.orderingKey === undefined) {
      this.enqueue(log, position, sizeBytes)
    } else {
      log.retain(position)
      this.index.append(position, sizeBytes)
      if (max !== undefined) this.index.setPriority(sequence, Math.min(priority, max))
      this.#addedKey = key
      this.order.add(sequence)
      this.readyCount++
      this.readyBytes += sizeBytes
      this.publishedCount++
      if (this.consumers.size > 0) this.wake()
    }
    if (expiresAtMs > 0) {
      if (expiresAtMs <= this.#services.turn.nowMs && this.consumers.size > 0) this.#lastCalls.push(sequence)
      else this.expireAt(sequence, expiresAtMs)
    }
    this.trim()
    return sequence
  }

  /** When a message accepted now expires here: the earlier of its own time and the queue's, or 0. */
  expiryOf(acceptedAtMs: number, messageExpiresAtMs: number): number {
    const ttl = this.settings.messageTtlMs
    if (ttl === undefined) return messageExpiresAtMs
    const queueExpiresAtMs = acceptedAtMs + ttl
    return messageExpiresAtMs > 0 && messageExpiresAtMs < queueExpiresAtMs ? messageExpiresAtMs : queueExpiresAtMs
  }

  expireAt(sequence: number, atMs: number): void {
    this.times.expireAt(sequence, atMs)
    this.#services.alarms.set(this, atMs)
  }

  // ---- Messages out ----

  /** Delivers at the end of the turn, if there is something to deliver. */
  wake(): void {
    if (!this.scheduled && this.readyCount > 0) this.#services.turn.schedule(this, PHASE.deliver)
  }

  /** Hands waiting messages to consumers with credit: bounded work, the rest in the next turn. */
  runAtTurnEnd(): void {
    this.#deliverWaiting()
    if (this.special) this.#dropExcess()
    if (this.#lastCalls.length > 0) for (const sequence of this.#lastCalls.splice(0)) this.#expire(sequence)
  }

  #deliverWaiting(): void {
    if (this.#loading || this.deleted) return
    if (this.times.expiry !== undefined && !this.#expireBefore(this.times.expiry, this.#services.turn.nowMs)) {
      this.#services.turn.schedule(this, PHASE.deliver)
      return
    }
    let budget: number = LIMITS.deliveriesPerTurnMax
    while (this.readyCount > 0) {
      const consumer = this.#nextConsumer()
      if (consumer === undefined) return
      if (budget-- === 0) {
        this.#services.turn.schedule(this, PHASE.deliver)
        return
      }
      const sequence = this.order.peek()
      // The keys of all waiting messages are busy: the next settlement wakes the queue.
      if (sequence === NONE) return
      const log = this.#locate(sequence)
      if (log === undefined) return
      this.#takeOut(sequence, consumer.noAck)
      consumer.session.deliver(consumer, this, sequence, log)
      if (consumer.noAck) this.accept(sequence)
    }
  }

  /**
   * Gives the next waiting message to a session that asked for one. `undefined`: it has to be read from the disk first; `resume` is called then.
   * @returns whether there was one
   */
  fetch(session: Session, noAck: boolean, resume: () => void): boolean | undefined {
    this.#unusedSinceMs = this.#services.turn.nowMs
    while (this.times.expiry !== undefined && !this.#expireBefore(this.times.expiry, this.#services.turn.nowMs));
    const sequence = this.order.peek()
    if (sequence === NONE) return false
    const log = this.#locate(sequence, resume)
    if (log === undefined) return undefined
    this.#takeOut(sequence, noAck)
    session.deliverFetched(this, sequence, noAck, log)
    if (noAck) this.accept(sequence)
    return true
  }

  // ---- Settlement ----

  /** The message has been handled: it is gone. */
  accept(sequence: number): void {
    this.acceptedCount++
    this.unsettledCount--
    this.#forget(sequence)
  }

  /** The message was rejected: dead-lettered or dropped. */
  reject(sequence: number): void {
    this.unsettledCount--
    this.#discard(sequence, 'rejected')
  }

  /** The message comes back unsettled, to its place or after a back-off; too often returned, it is dead-lettered. */
  giveBack(sequence: number): void {
    const { deliveryLimit, redeliveryBackoff } = this.settings
    this.unsettledCount--
    this.returnedCount++
    if (this.times.takeOverdue(sequence)) return this.#discard(sequence, 'expired')
    let attempts = 0
    if (deliveryLimit !== undefined || redeliveryBackoff !== undefined || this.type === 'quorum') {
      attempts = this.times.attemptsOf(sequence) + 1
      if (deliveryLimit !== undefined && attempts > deliveryLimit) return this.#discard(sequence, 'delivery_limit')
      this.times.setAttempts(sequence, attempts)
    }
    const index = this.index
    let dueAtMs = 0
    if (redeliveryBackoff !== undefined) {
      const { fromMs, maxMs, multiplier } = redeliveryBackoff
      dueAtMs = this.#services.turn.nowMs + Math.min(maxMs, fromMs * multiplier ** (attempts - 1))
    }
    if (attempts > 0 && this.durable && index.positionOf(sequence) > 0) {
      writeReturned(this.#services.journal, this.number, sequence, attempts, dueAtMs)
      this.#services.commitSoon()
    }
    index.clearBits(sequence, ENTRY.out)
    index.setBits(sequence, ENTRY.redelivered)
    if (dueAtMs > 0) this.holdUntil(sequence, dueAtMs)
    else this.#ready(sequence)
  }

  /** The message may have been delivered before the queue knew it. */
  markRedelivered(sequence: number): void {
    if (this.index.positionOf(sequence) !== 0) this.index.setBits(sequence, ENTRY.redelivered)
  }

  /** Keeps a message back until its time has come. */
  holdUntil(sequence: number, dueAtMs: number): void {
    this.index.setBits(sequence, ENTRY.held)
    this.times.holdUntil(sequence, dueAtMs)
    this.heldCount++
    this.#services.alarms.set(this, dueAtMs)
  }

  /** A message that was set aside for dead-lettering is gone. */
  drop(sequence: number): void {
    this.#forget(sequence)
  }

  /** A message that was set aside for dead-lettering has been moved by a record that settles it here. */
  dropMoved(sequence: number): void {
    this.#remove(sequence)
  }

  /** Removes all waiting messages. @returns how many */
  purge(): number {
    const sequences: number[] = []
    this.index.forEach((sequence, _position, state) => {
      if ((state & ENTRY.out) === 0) sequences.push(sequence)
    })
    for (const sequence of sequences) {
      this.#leaveWaiting(sequence)
      this.#forget(sequence)
    }
    return sequences.length
  }

  /**
   * Drops the oldest waiting messages while the queue is longer than allowed: with consumers at the end of the turn, once they are served.
   * A queue that refuses instead never drops what it took.
   */
  trim(): void {
    if (!this.#isTooLong) return
    if (this.consumers.size > 0) this.wake()
    else this.#dropExcess()
  }

  get #isTooLong(): boolean {
    const { lengthMax, lengthBytesMax, overflow } = this.settings
    if (overflow !== 'drop-head') return false
    if (lengthMax !== undefined && this.readyCount > lengthMax) return true
    return lengthBytesMax !== undefined && this.readyBytes > lengthBytesMax && this.readyCount > 0
  }

  #dropExcess(): void {
    while (this.#isTooLong) {
      const sequence = this.order.peekDrop()
      if (sequence === NONE) return
      this.#leaveWaiting(sequence)
      this.#discard(sequence, 'maxlen')
    }
  }

  // ---- Consumers ----

  addConsumer(consumer: Consumer): void {
    this.hadConsumer = true
    const { singleActiveConsumer } = this.settings
    // With a single active consumer nobody stands in line.
    this.consumers.add(consumer, !singleActiveConsumer)
    if (consumer.exclusive) this.exclusiveConsumer = consumer
    if (singleActiveConsumer && this.activeConsumer === undefined) this.activeConsumer = consumer
    this.wake()
  }

  removeConsumer(consumer: Consumer): void {
    this.consumers.remove(consumer)
    if (this.exclusiveConsumer === consumer) this.exclusiveConsumer = undefined
    if (this.activeConsumer === consumer) {
      this.activeConsumer = this.consumers.highest
      this.wake()
    }
    this.touch()
    if (this.autoDelete && this.consumers.size === 0) this.#services.deleteQueue(this)
  }

  /** A consumer has credit again. */
  creditGiven(consumer: Consumer): void {
    if (!this.settings.singleActiveConsumer) this.consumers.enlist(consumer)
    this.wake()
  }

  /** The queue was used: its time to live without use starts anew. */
  touch(): void {
    this.#unusedSinceMs = this.#services.turn.nowMs
    if (this.settings.expiresMs !== undefined) this.#services.alarms.set(this, this.#unusedSinceMs + this.settings.expiresMs)
  }

  // ---- Time ----

  alarm(nowMs: number): void {
    if (this.deleted) return
    let budget = TIMED_PER_ALARM_MAX
    const { held, expiry } = this.times
    while (held !== undefined && held.firstTime <= nowMs && budget-- > 0) this.#release(held.pop())
    while (expiry !== undefined && expiry.firstTime <= nowMs && budget-- > 0) this.#expire(expiry.pop())
    const { expiresMs } = this.settings
    let { nextMs } = this.times
    if (expiresMs !== undefined && this.consumers.size === 0) {
      if (nowMs >= this.#unusedSinceMs + expiresMs) return this.#services.deleteQueue(this)
      nextMs = Math.min(nextMs, this.#unusedSinceMs + expiresMs)
    }
    if (nextMs !== Infinity) this.#services.alarms.set(this, nextMs)
  }

  // ---- Recovery and checkpoints ----

  /** Puts an entry back as it was recorded. Counted and ordered by `restored` when all are there. */
  restore(sequence: number, position: Position, state: number): void {
    this.index.restore(sequence, position, state)
  }

  restoreHeld(sequence: number, dueAtMs: number): void {
    this.times.holdUntil(sequence, dueAtMs)
    this.index.setBits(sequence, ENTRY.held)
  }

  /** Removes an entry that was settled before the restart. */
  restoreSettled(sequence: number): void {
    this.index.remove(sequence)
    this.times.forget(sequence)
  }

  /**
   * All entries are back: orders, counts and retains them. `keyOf` is asked only in a queue with an ordering key. After a crash
   * (`suspect`) nobody knows which of them were delivered: all are marked as redelivered, which promises nothing that may be wrong.
   */
  restored(log: Log, keyOf: (sequence: number) => string, suspect: boolean): void {
    this.order = this.#makeOrder()
    this.index.forEach((sequence, position, state) => {
      log.retain(position)
      if (suspect) this.index.setBits(sequence, ENTRY.redelivered)
      if (this.settings.orderingKey !== undefined) this.#addedKey = keyOf(sequence)
      this.order.add(sequence)
      if ((state & ENTRY.held) !== 0) {
        this.heldCount++
        return
      }
      this.readyCount++
      this.readyBytes += state & STATE_SIZE_MASK
    })
    const { nextMs } = this.times
    if (nextMs !== Infinity) this.#services.alarms.set(this, nextMs)
    this.touch()
    this.trim()
  }

  /** The ordering key of a present message. */
  keyOf(sequence: number): string {
    return this.order instanceof KeyOrder ? (this.order.keyOf(sequence) ?? '') : ''
  }

  /** The queue goes: its messages are released, consumers are the caller's business. */
  clear(): void {
    this.deleted = true
    this.index.forEach((sequence, position) => {
      this.index.remove(sequence)
      this.#services.storage.logOf(position).release(position)
    })
    this.settledRuns.clear()
    this.readyCount = this.readyBytes = this.unsettledCount = this.heldCount = 0
    this.times.clear()
  }

  #makeOrder(): ReadyOrder {
    if (this.settings.orderingKey !== undefined) return new KeyOrder(this.index, () => this.#addedKey)
    return this.settings.priorityMax === undefined ? new FirstInOrder(this.index) : new PriorityOrder(this.index)
  }

  #nextConsumer(): Consumer | undefined {
    const active = this.activeConsumer
    if (active === undefined) return this.consumers.next()
    return active.canReceive ? active : undefined
  }

  /** Brings the record of a waiting message into `log.found...`, or starts to read it from the disk and answers undefined. */
  #locate(sequence: number, resume?: () => void): Log | undefined {
    const position = this.index.positionOf(sequence)
    const log = position < 0 ? this.#services.memory : this.#services.journal
    if (log.locate(position)) return log
    if (resume === undefined) this.#loading = true
    log.load(position, (error) => {
      if (error !== null && this.index.positionOf(sequence) === position) this.#setDamagedAside(sequence, error)
      if (resume !== undefined) return resume()
      this.#loading = false
      // The bytes are promised for this turn only: deliver now rather than at its end.
      this.runAtTurnEnd()
    })
    return undefined
  }

  /** A message that the disk does not give back stays where it is, out of the way of the others, until somebody repairs or salvages. */
  #setDamagedAside(sequence: number, error: Error): void {
    this.#services.readFailed(error)
    if (!this.deleted && this.index.isWaiting(sequence)) this.#leaveWaiting(sequence)
  }

  /** waiting -> out. With `noAck` the message is accepted right after. */
  #takeOut(sequence: number, noAck: boolean): void {
    const state = this.index.stateOf(sequence)
    this.order.take(sequence)
    if (!noAck) this.index.setBits(sequence, ENTRY.out)
    this.readyCount--
    this.readyBytes -= state & STATE_SIZE_MASK
    this.unsettledCount++
    this.deliveredCount++
  }

  /** waiting or held -> set aside: counted nowhere any more. */
  #leaveWaiting(sequence: number): void {
    const state = this.index.stateOf(sequence)
    this.index.setBits(sequence, ENTRY.out)
    this.index.clearBits(sequence, ENTRY.held)
    if ((state & ENTRY.held) !== 0) return void this.heldCount--
    this.readyCount--
    this.readyBytes -= state & STATE_SIZE_MASK
  }

  #ready(sequence: number): void {
    this.readyCount++
    this.readyBytes += this.index.sizeOf(sequence)
    this.order.giveBack(sequence)
    this.wake()
  }

  #release(sequence: number): void {
    if (this.index.positionOf(sequence) === 0 || (this.index.stateOf(sequence) & ENTRY.held) === 0) return
    this.index.clearBits(sequence, ENTRY.held)
    this.heldCount--
    this.#ready(sequence)
  }

  /**
   * Nothing that has expired is delivered, whether the alarm has come or not. A message of this very moment may still leave.
   * @returns false when there is more to expire than one turn takes
   */
  #expireBefore(expiry: TimedHeap, nowMs: number): boolean {
    for (let budget = TIMED_PER_ALARM_MAX; expiry.firstTime < nowMs; budget--) {
      if (budget === 0) return false
      this.#expire(expiry.pop())
    }
    return true
  }

  #expire(sequence: number): void {
    if (this.index.positionOf(sequence) === 0) return
    if ((this.index.stateOf(sequence) & ENTRY.out) !== 0) {
      this.times.markOverdue(sequence)
      return
    }
    this.#leaveWaiting(sequence)
    this.#discard(sequence, 'expired')
  }

  /** A message that is set aside leaves: to the dead-letter exchange, or for good. */
  #discard(sequence: number, reason: DeadLetterReason): void {
    if (this.settings.deadLetterExchange === undefined) {
      this.#forget(sequence)
      return
    }
    this.index.setBits(sequence, ENTRY.out)
    // Should the server end before the message is moved, it must not be taken for one that never expires.
    if (reason === 'expired') this.times.markOverdue(sequence)
    this.#services.deadLetter(this, sequence, reason)
  }

  /** Takes the entry away and records it as settled. */
  #forget(sequence: number): void {
    const position = this.#remove(sequence)
    if (position > 0 && this.durable) {
      if (this.settledRuns.count === 0) this.#services.settlementsPending(this)
      this.settledRuns.add(sequence)
    }
  }

  #remove(sequence: number): Position {
    const position = this.index.remove(sequence)
    assert(position !== 0, 'only a present message leaves')
    this.times.forget(sequence)
    this.order.gone(sequence)
    if (this.settings.orderingKey !== undefined) this.wake()
    if (position > 0) this.#services.journal.release(position)
    else this.#services.memory.release(position)
    return position
  }
}
