/**
 * A session (an AMQP channel): one conversation with the broker, with its own publications, consumers, unsettled deliveries and
 * transaction. Protocol-neutral; the protocol is behind `SessionSink`.
 */
import { WaybillError } from '../base/errors.ts'
import { LIMITS } from '../base/limits.ts'
import { PHASE, type TurnTask } from '../base/turn.ts'
import type { Log } from '../storage/storage.ts'
import { type ConfirmListener, ConfirmRing } from './confirm-ring.ts'
import { Consumer, type ConsumerOptions } from './consumer.ts'
import { ENTRY } from './message-index.ts'
import type { MessageView } from './message-record.ts'
import type { Namespace } from './namespace.ts'
import { type Publication, PUBLISHED } from './publication.ts'
import type { Queue } from './queue.ts'
import type { AlarmOwner } from './alarms.ts'
import { Transaction } from './transaction.ts'
import { UnsettledRing } from './unsettled-ring.ts'

/** What a consumer says of a delivery. */
export const OUTCOME = {
  /** Handled: the message is gone. */
  accept: 0,
  /** Not handled: back to the queue. */
  release: 1,
  /** Cannot be handled: dead-lettered. */
  reject: 2,
} as const
export type Outcome = (typeof OUTCOME)[keyof typeof OUTCOME]

/** What a session tells its protocol. Nothing here may throw. */
export interface SessionSink extends ConfirmListener {
  /** False while the connection's output is full: nothing is delivered until `Session.writableChanged`. */
  readonly writable: boolean
  /** Hot. The view's bytes are borrowed until return. */
  deliver(consumer: Consumer, tag: number, redelivered: boolean, message: MessageView): void
  /** The message that was asked for; `waiting` others are still in the queue. */
  fetched(queue: Queue, tag: number, redelivered: boolean, message: MessageView, waiting: number): void
  /** A mandatory publication that no queue took. Told before its confirm, or at the commit. The bytes are borrowed until return. */
  returned(publication: Publication): void
  /** The broker ended the subscription (its queue was deleted). */
  consumerCancelled(consumer: Consumer): void
  /** The broker ends the session: close it towards the client. */
  failed(error: WaybillError): void
}

/** What the session's owner (the connection) is: exclusive queues belong to it. */
export type Owner = object

/** One conversation with a namespace of the broker. */
export class Session implements TurnTask, AlarmOwner {
  readonly namespace: Namespace
  readonly owner: Owner
  readonly sink: SessionSink
  /** Limit of unsettled deliveries over all its consumers; 0: none. */
  prefetch = 0
  /** Unsettled deliveries to its consumers: what was fetched does not count for its limit. */
  consumedCount = 0
  /** Deliveries go out: its connection takes output and the client did not stop the flow. */
  receiving: boolean
  confirming = false
  scheduled = false
  alarmAtMs = Infinity
  readonly consumers = new Map<string, Consumer>()
  /** Owned by Broker: it is in the list of sessions with confirms to come. */
  awaitingConfirms = false
  /** Owned by Broker: its place in that list. */
  confirmPlace = 0

  readonly #unsettled = new UnsettledRing()
  readonly #confirms = new ConfirmRing()
  #transaction: Transaction | undefined
  #lastTag = 0
  #flowing = true
  #closed = false

  constructor(namespace: Namespace, owner: Owner, sink: SessionSink) {
    this.namespace = namespace
    this.owner = owner
    this.sink = sink
    this.receiving = sink.writable
  }

  /** Deliveries that wait for their settlement. */
  get unsettledCount(): number {
    return this.#unsettled.count
  }

  /** Publications that wait for their confirm. */
  get unconfirmedCount(): number {
    return this.#confirms.size
  }

  get transactional(): boolean {
    return this.#transaction !== undefined
  }

  // ---- Publishing ----

  /**
   * Publishes. In confirm mode the outcome also comes to the sink, in order.
   * @returns PUBLISHED.done, .unroutable or .refused, or the journal position that must be durable
   * @throws WaybillError when the exchange is missing, internal, or the message breaks a rule
   */
  publish(publication: Publication): number {
    if (this.#transaction !== undefined) return this.#transaction.publish(publication)
    const result = this.namespace.publish(publication)
    if (result === PUBLISHED.unroutable && publication.mandatory) this.sink.returned(publication)
    if (this.confirming) this.#awaitConfirm(result)
    return result
  }

  /** Counts a publication that its protocol has delivered itself: in confirm mode it is confirmed in its turn. */
  countPublication(): void {
    if (this.confirming) this.#awaitConfirm(PUBLISHED.done)
  }

  #awaitConfirm(result: number): void {
    this.#confirms.push(result > 0 ? result : 0, result === PUBLISHED.refused)
    this.namespace.broker.awaitConfirms(this)
  }

  /** Every publication from now on is confirmed. */
  selectConfirms(): void {
    this.confirming = true
  }

  /** Tells the sink which publications are safe. @returns whether more are to come */
  advanceConfirms(watermark: number): boolean {
    this.#confirms.advance(watermark, this.sink)
    return this.#confirms.size > 0
  }

  // ---- Receiving ----

  /**
   * Subscribes to a queue.
   * @throws WaybillError RESOURCE_LOCKED, ACCESS_REFUSED (exclusive use), NOT_ALLOWED (tag in use)
   */
  consume(queue: Queue, options: ConsumerOptions): Consumer {
    if (this.consumers.size >= LIMITS.consumersPerChannelMax) throw new WaybillError('RESOURCE_ERROR', 'too many consumers on this channel')
    const consumer = new Consumer(this, queue, options)
    this.consumers.set(options.tag, consumer)
    return consumer
  }

  /** Starts the deliveries of a consumer that `consume` made, once the protocol has answered. */
  startConsumer(consumer: Consumer): void {
    consumer.queue.addConsumer(consumer)
  }

  /** Ends a subscription. Its unsettled deliveries stay with the session. */
  cancel(tag: string): boolean {
    const consumer = this.consumers.get(tag)
    if (consumer === undefined) return false
    this.#endConsumer(consumer)
    return true
  }

  /** The broker ends a subscription because its queue is gone. */
  cancelledByBroker(consumer: Consumer): void {
    this.consumers.delete(consumer.tag)
    consumer.cancelled = true
    this.sink.consumerCancelled(consumer)
  }

  /** Called by a queue: hot. */
  deliver(consumer: Consumer, queue: Queue, sequence: number, log: Log): void {
    const tag = ++this.#lastTag
    const services = this.namespace.broker.services
    if (!consumer.noAck) {
      consumer.unsettled++
      this.consumedCount++
      this.#unsettled.push(tag, queue, consumer, sequence, services.turn.nowMs)
      if (consumer.timeoutMs !== undefined) this.#watch(consumer.timeoutMs)
    }
    const view = services.view.openFound(log)
    view.deliveryCount = queue.times.attemptsOf(sequence)
    this.sink.deliver(consumer, tag, (queue.index.stateOf(sequence) & ENTRY.redelivered) !== 0, view)
    if (!this.sink.writable) this.receiving = false
  }

  /** The number of a delivery that its protocol makes itself, from no queue: there is nothing to settle. */
  takeTag(): number {
    return ++this.#lastTag
  }

  /** Asks for one message. `resume` is called when it had to be read from the disk: ask again then (the answer undefined says so). */
  fetch(queue: Queue, noAck: boolean, resume: () => void): boolean | undefined {
    return queue.fetch(this, noAck, resume)
  }

  /** Called by a queue for `fetch`. */
  deliverFetched(queue: Queue, sequence: number, noAck: boolean, log: Log): void {
    const tag = ++this.#lastTag
    const services = this.namespace.broker.services
    if (!noAck) this.#unsettled.push(tag, queue, undefined, sequence, services.turn.nowMs)
    const view = services.view.openFound(log)
    view.deliveryCount = queue.times.attemptsOf(sequence)
    this.sink.fetched(queue, tag, (queue.index.stateOf(sequence) & ENTRY.redelivered) !== 0, view, queue.readyCount)
  }

  // ---- Settling ----

  /**
   * Settles a delivery, or with `multiple` all up to it (tag 0: all). Takes effect at the commit of a transaction.
   * @returns false when `tag` is not unsettled here
   */
  settle(tag: number, multiple: boolean, outcome: Outcome): boolean {
    if (this.#transaction !== undefined) return this.#transaction.settle(tag, multiple, outcome)
    if (!multiple) {
      if (!this.#unsettled.take(tag)) return false
      this.#settleTaken(outcome)
    } else {
      if (tag !== 0 && !this.#unsettled.has(tag)) return false
      this.#settleUpTo(tag === 0 ? this.lastTag : tag, outcome)
    }
    if (this.prefetch !== 0) this.#giveCredit()
    return true
  }

  #settleUpTo(last: number, outcome: Outcome): void {
    for (let at = this.#unsettled.firstTag; at !== 0 && at <= last; at++) if (this.#unsettled.take(at)) this.#settleTaken(outcome)
  }

  /** The newest delivery that may wait for its settlement. */
  get lastTag(): number {
    return this.#unsettled.lastTag
  }

  /** True when `tag` waits for its settlement. */
  isUnsettled(tag: number): boolean {
    return this.#unsettled.has(tag)
  }

  /** Returns every unsettled delivery to its queue (basic.recover with requeue), but for those that a transaction has settled: at once. */
  recover(): void {
    const tags: number[] = []
    this.#unsettled.forEach((tag) => {
      if (this.#transaction?.hasSettled(tag) !== true) tags.push(tag)
    })
    for (const tag of tags) if (this.#unsettled.take(tag)) this.#settleTaken(OUTCOME.release)
    if (this.prefetch !== 0) this.#giveCredit()
  }

  /** Limit over all consumers; 0: none. */
  setPrefetch(count: number): void {
    this.prefetch = count
    this.#giveCredit()
  }

  /** The client stops or starts deliveries. */
  setFlow(active: boolean): void {
    this.#flowing = active
    this.writableChanged()
  }

  /** The connection takes output again, or not any more. */
  writableChanged(): void {
    const receiving = !this.#closed && this.#flowing && this.sink.writable
    const more = receiving && !this.receiving
    this.receiving = receiving
    if (more) this.#giveCredit()
  }

  // ---- Transactions ----

  /** Publications and settlements wait for `commit` from now on. */
  selectTransaction(): void {
    this.#transaction ??= new Transaction(this)
  }

  /** Carries out everything at once; `done` is called when it is durable. @throws WaybillError and rolls back when a publication is refused */
  commit(done: (error: WaybillError | undefined) => void): void {
    const transaction = this.#transaction
    if (transaction === undefined) throw new WaybillError('PRECONDITION_FAILED', 'channel is not transactional')
    this.#transaction = new Transaction(this)
    let error: WaybillError | undefined
    const change = (): void => {
      error = transaction.apply((tag, multiple, outcome) => {
        if (multiple) this.#settleUpTo(tag, outcome)
        else if (this.#unsettled.take(tag)) this.#settleTaken(outcome)
      })
      if (this.prefetch !== 0) this.#giveCredit()
    }
    this.namespace.broker.transact(change, () => done(error))
  }

  /** Forgets what was published and settled since the last commit. */
  rollback(): void {
    if (this.#transaction === undefined) throw new WaybillError('PRECONDITION_FAILED', 'channel is not transactional')
    this.#transaction = new Transaction(this)
  }

  // ---- End ----

  /** Ends the session: consumers leave, unsettled deliveries go back. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.receiving = false
    this.#transaction = undefined
    const consumers = [...this.consumers.values()]
    // Deliveries go back first: a queue that goes with its last consumer dead-letters nothing that was never looked at.
    this.recover()
    for (const consumer of consumers) this.#endConsumer(consumer)
    this.namespace.broker.confirmsOver(this)
  }

  get closed(): boolean {
    return this.#closed
  }

  runAtTurnEnd(): void {
    if (!this.#closed) this.namespace.broker.advanceConfirms(this)
  }

  /** A delivery may have been unsettled for too long. */
  alarm(nowMs: number): void {
    if (this.#closed) return
    let nextMs = Infinity
    let lateTimeoutMs: number | undefined
    this.#unsettled.forEach((tag, _queue, consumer) => {
      if (consumer?.timeoutMs === undefined) return
      const dueMs = this.#unsettled.deliveredAtMs(tag) + consumer.timeoutMs
      if (dueMs <= nowMs) lateTimeoutMs = consumer.timeoutMs
      else nextMs = Math.min(nextMs, dueMs)
    })
    if (lateTimeoutMs !== undefined) {
      const text = `delivery acknowledgement on channel timed out. Timeout value used: ${String(lateTimeoutMs)} ms`
      return this.sink.failed(new WaybillError('PRECONDITION_FAILED', text))
    }
    if (nextMs !== Infinity) this.namespace.broker.services.alarms.set(this, nextMs)
  }

  #watch(timeoutMs: number): void {
    const { alarms, turn } = this.namespace.broker.services
    // An earlier alarm stays; another consumer of this session may have had longer.
    if (turn.nowMs + timeoutMs < this.alarmAtMs) alarms.set(this, turn.nowMs + timeoutMs)
  }

  /** Hot: the delivery that `#unsettled` has just taken. */
  #settleTaken(outcome: Outcome): void {
    const queue = this.#unsettled.takenQueue as Queue
    const consumer = this.#unsettled.takenConsumer
    const sequence = this.#unsettled.takenSequence
    if (consumer !== undefined) {
      consumer.unsettled--
      this.consumedCount--
      if (!consumer.inLine && consumer.canReceive) queue.creditGiven(consumer)
    }
    if (queue.deleted) return
    if (outcome === OUTCOME.accept) queue.accept(sequence)
    else if (outcome === OUTCOME.release) queue.giveBack(sequence)
    else queue.reject(sequence)
  }

  #giveCredit(): void {
    for (const consumer of this.consumers.values()) if (!consumer.inLine && consumer.canReceive) consumer.queue.creditGiven(consumer)
    for (const consumer of this.consumers.values()) consumer.queue.wake()
  }

  #endConsumer(consumer: Consumer): void {
    consumer.cancelled = true
    this.consumers.delete(consumer.tag)
    if (!consumer.queue.deleted) consumer.queue.removeConsumer(consumer)
  }
}

/** Confirms that can be told at once are told at the end of the turn. */
export const CONFIRM_PHASE = PHASE.deliver
