/** A client that records everything it is told. One connection with one session; it is its own exclusive owner. */
import assert from 'node:assert/strict'
import type { WaybillError } from '../../src/base/errors.ts'
import type { SimulatedClock } from '../../src/base/simulated-clock.ts'
import type { Consumer } from '../../src/broker/consumer.ts'
import type { MessageView } from '../../src/broker/message-record.ts'
import type { Namespace } from '../../src/broker/namespace.ts'
import { Publication } from '../../src/broker/publication.ts'
import type { Queue } from '../../src/broker/queue.ts'
import { OUTCOME, type Outcome, Session, type SessionSink } from '../../src/broker/session.ts'
import { type AmqpProperties, decodeAmqpProperties, encodeAmqpProperties } from '../../src/message/amqp-properties.ts'
import { FieldTable, tableOf as encodableTable } from '../../src/message/field.ts'
import type { HeaderValue } from '../../src/message/header-value.ts'

/** What a client publishes beside the body. */
export interface PublishOptions {
  /** @default '' */
  readonly exchange?: string
  /** @default true */
  readonly persistent?: boolean
  readonly priority?: number
  readonly expirationMs?: number
  readonly delayMs?: number
  readonly messageId?: string
  readonly correlationId?: string
  readonly headers?: Readonly<Record<string, HeaderValue>>
  readonly moreKeys?: readonly string[]
  readonly mandatory?: boolean
}

/** What a consumer asks for. */
export interface ConsumeOptions {
  /** @default 0: no limit */
  readonly prefetch?: number
  readonly noAck?: boolean
  readonly priority?: number
  readonly exclusive?: boolean
}

/** One message as it was delivered. */
export interface Delivered {
  /** Of all deliveries to all clients, the how manieth. */
  readonly number: number
  readonly tag: number
  readonly queue: string
  readonly consumer: string | undefined
  readonly body: string
  readonly redelivered: boolean
  readonly deliveryCount: number
  readonly exchange: string
  readonly routingKey: string
  readonly persistent: boolean
  readonly properties: AmqpProperties
  readonly headers: ReadonlyMap<string, HeaderValue>
  readonly atMs: number
}

let deliveryCount = 0

/** See the head of this file. */
export class RecordingClient implements SessionSink {
  writable = true
  readonly session: Session
  /** What came and was not taken yet. */
  deliveries: Delivered[] = []
  confirmedCount = 0
  readonly refusedTags: number[] = []
  readonly returnedBodies: string[] = []
  readonly cancelledTags: string[] = []
  failure: WaybillError | undefined
  readonly #namespace: Namespace
  readonly #clock: SimulatedClock
  readonly #unsettled = new Map<number, Queue>()
  #fetched: Delivered | undefined
  #consumerNumber = 0
  #over = false

  constructor(namespace: Namespace, clock: SimulatedClock) {
    this.#namespace = namespace
    this.#clock = clock
    this.session = new Session(namespace, this, this)
  }

  /** Deliveries that this client has not settled. */
  get unsettledCount(): number {
    return this.#unsettled.size
  }

  /** Publishes; the result is PUBLISHED... or a journal position. */
  publish(routingKey: string, body: string, options: PublishOptions = {}): number {
    this.#begin()
    return this.session.publish(publicationOf(routingKey, body, options))
  }

  consume(queue: Queue, options: ConsumeOptions = {}): Consumer {
    this.#begin()
    const { prefetch = 0, noAck = false, priority = 0, exclusive = false } = options
    const tag = `c${++this.#consumerNumber}`
    const consumer = this.session.consume(queue, {
      tag,
      noAck,
      exclusive,
      priority,
      prefetch,
      timeoutMs: undefined,
      arguments: new FieldTable(),
    })
    this.session.startConsumer(consumer)
    return consumer
  }

  cancel(consumer: Consumer): void {
    this.#begin()
    this.session.cancel(consumer.tag)
  }

  /** What has come since the last time. */
  take(): Delivered[] {
    return this.deliveries.splice(0)
  }

  takeBodies(): string[] {
    return this.take().map(({ body }) => body)
  }

  /** The one delivery that has come. */
  takeOne(): Delivered {
    assert.deepEqual(this.deliveries.length, 1, `one delivery, not ${JSON.stringify(this.deliveries.map(({ body }) => body))}`)
    return this.deliveries.pop() as Delivered
  }

  /** Asks for one message; undefined when none waits. */
  fetch(queue: Queue): Promise<Delivered | undefined> {
    this.#begin()
    return new Promise((resolve) => {
      const ask = (): void => {
        this.#fetched = undefined
        if (this.session.fetch(queue, false, ask) !== undefined) resolve(this.#fetched)
      }
      ask()
    })
  }

  accept(...deliveries: readonly Delivered[]): void {
    this.#settle(deliveries, OUTCOME.accept)
  }

  release(...deliveries: readonly Delivered[]): void {
    this.#settle(deliveries, OUTCOME.release)
  }

  reject(...deliveries: readonly Delivered[]): void {
    this.#settle(deliveries, OUTCOME.reject)
  }

  /** The transaction's publications and settlements happen; the promise waits until they are durable. */
  commit(): Promise<WaybillError | undefined> {
    this.#begin()
    // What the transaction settles is not followed here: the session knows.
    for (const tag of [...this.#unsettled.keys()]) if (this.#inTransaction.has(tag)) this.#unsettled.delete(tag)
    this.#inTransaction.clear()
    return new Promise((resolve) => this.session.commit(resolve))
  }

  readonly #inTransaction = new Set<number>()

  setWritable(writable: boolean): void {
    this.#begin()
    this.writable = writable
    this.session.writableChanged()
  }

  /** The connection ends: deliveries go back, exclusive queues go. */
  end(): void {
    if (this.#over) return
    this.#begin()
    this.#over = true
    this.#unsettled.clear()
    this.session.close()
    this.#namespace.broker.ownerGone(this)
  }

  /** The machine went down. */
  abandon(): void {
    this.#over = true
    this.#unsettled.clear()
  }

  countUnsettled(into: Map<Queue, number>): void {
    for (const queue of this.#unsettled.values()) into.set(queue, (into.get(queue) ?? 0) + 1)
  }

  // ---- SessionSink ----

  deliver(consumer: Consumer, tag: number, redelivered: boolean, view: MessageView): void {
    if (this.#over) return
    if (!consumer.noAck) this.#unsettled.set(tag, consumer.queue)
    this.deliveries.push(this.#recordOf(consumer.queue, consumer.tag, tag, redelivered, view))
  }

  fetched(queue: Queue, tag: number, redelivered: boolean, view: MessageView): void {
    this.#unsettled.set(tag, queue)
    this.#fetched = this.#recordOf(queue, undefined, tag, redelivered, view)
  }

  confirmed(tag: number, multiple: boolean): void {
    if (!multiple) assert.equal(tag, this.confirmedCount + this.refusedTags.length + 1, 'confirms come in order')
    this.confirmedCount = tag - this.refusedTags.length
  }

  refused(tag: number): void {
    this.refusedTags.push(tag)
  }

  returned(publication: Publication): void {
    this.returnedBodies.push(publication.body.toString('utf8', publication.bodyStart, publication.bodyEnd))
  }

  consumerCancelled(consumer: Consumer): void {
    this.cancelledTags.push(consumer.tag)
  }

  failed(error: WaybillError): void {
    this.failure = error
  }

  // ---- Inside ----

  /** As a connection does when a chunk arrives. */
  #begin(): void {
    this.#namespace.broker.services.turn.begin()
  }

  #settle(deliveries: readonly Delivered[], outcome: Outcome): void {
    this.#begin()
    for (const { tag } of deliveries) {
      assert.ok(this.session.settle(tag, false, outcome), `delivery ${tag} is unsettled`)
      if (this.session.transactional) this.#inTransaction.add(tag)
      else this.#unsettled.delete(tag)
    }
  }

  #recordOf(queue: Queue, consumer: string | undefined, tag: number, redelivered: boolean, view: MessageView): Delivered {
    const { buffer, propertiesStart, propertiesEnd, bodyStart, bodyEnd } = view
    const properties = decodeAmqpProperties(Buffer.from(buffer.subarray(propertiesStart, propertiesEnd)))
    return {
      number: ++deliveryCount,
      tag,
      queue: queue.name,
      consumer,
      body: buffer.toString('utf8', bodyStart, bodyEnd),
      redelivered,
      deliveryCount: view.deliveryCount,
      exchange: view.exchange,
      routingKey: view.routingKey,
      persistent: view.persistent,
      properties,
      headers: properties.headers?.toMap() ?? new Map<string, HeaderValue>(),
      atMs: this.#clock.now(),
    }
  }
}

/** A publication with its own bytes. */
export function publicationOf(routingKey: string, body: string, options: PublishOptions): Publication {
  const { exchange = '', persistent = true, priority, expirationMs, messageId, correlationId, headers } = options
  const publication = new Publication()
  publication.exchange = exchange
  publication.routingKey = routingKey
  publication.form = 1
  const names = [Buffer.from(exchange), Buffer.from(routingKey)] as const
  publication.address = Buffer.concat([Buffer.of(names[0].length), names[0], Buffer.of(names[1].length), names[1]])
  publication.addressEnd = publication.address.length
  publication.properties = encodeAmqpProperties({
    deliveryMode: persistent ? 2 : 1,
    ...(priority === undefined ? {} : { priority }),
    ...(expirationMs === undefined ? {} : { expiration: String(expirationMs) }),
    ...(messageId === undefined ? {} : { messageId }),
    ...(correlationId === undefined ? {} : { correlationId }),
    ...(headers === undefined ? {} : { headers: encodableTable(new Map(Object.entries(headers))) }),
  })
  publication.propertiesEnd = publication.properties.length
  publication.body = Buffer.from(body)
  publication.bodyEnd = publication.body.length
  publication.persistent = persistent
  publication.priority = priority ?? 0
  publication.expirationMs = expirationMs ?? -1
  publication.delayMs = options.delayMs ?? 0
  publication.mandatory = options.mandatory ?? false
  publication.moreKeys = options.moreKeys === undefined ? undefined : [...options.moreKeys]
  return publication
}
