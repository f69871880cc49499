/**
 * One connection of the crash test: it publishes with confirms as fast as its window allows, consumes with manual acknowledgements, and
 * tells the ledger everything. What a confirm proves is its own affair: it keeps its acceptances until a publication that followed them is
 * confirmed.
 */
import type { SeededRandom } from '../../src/base/random.ts'
import { call, openClient } from '../amqp-0-9-1/login.ts'
import type { Arrival, RawClient } from '../amqp-0-9-1/raw-client.ts'
import { BODY_SIZE_BYTES_MAX, BODY_SIZE_BYTES_MIN, makeBody } from './body.ts'
import { type Copy, type Ledger, type Message, Violation } from './ledger.ts'
import { type Address, ADDRESSES, DELAY_MS_MAX, PROOF, QUEUES, type QueueRules, waitingCount } from './topology.ts'

/**
 * What is believed without proof, to see that the ledger notices: `sent` takes every publication for confirmed once it is written,
 * `settled` every acceptance for durable.
 */
export type Trust = 'confirms' | 'sent' | 'settled'

/** What a worker is to do. */
export interface WorkerPlan {
  readonly number: number
  readonly random: SeededRandom
  readonly ledger: Ledger
  readonly trust: Trust
  /** Unconfirmed publications at the same time; 0: it publishes nothing. */
  readonly windowMax: number
  readonly queues: readonly QueueRules[]
  readonly prefetch: number
  /** Everything is accepted at once; otherwise some is rejected, given back, or kept. */
  readonly accepts: boolean
}

const PUBLISHING = 1
const CONSUMING = 2
const TRANSACTING = 3
/** Publications of a transaction come later than those that were sent after them: they count as another publisher's. */
const TRANSACTING_PUBLISHER = 100
const TRANSACTION_COUNT_MAX = 30

interface Proof {
  readonly copy: Copy
  /** The publication whose confirm proves it. */
  readonly tag: number
}

interface Delivery {
  readonly tag: number
  readonly copy: Copy
}

/** See the head of this file. */
export class Worker {
  readonly #plan: WorkerPlan
  readonly #client: RawClient
  readonly #queueOfTag = new Map<string, string>()
  /** What waits for its confirm, by publication; undefined for a mere proof. */
  readonly #unconfirmed = new Map<number, Message | undefined>()
  #lastTag = 0
  /** Deliveries that are not settled. */
  #out: Delivery[] = []
  #proofs: Proof[] = []
  #publishing = false
  /** What the transaction under way publishes. */
  #uncommitted: readonly Message[] = []

  private constructor(plan: WorkerPlan, client: RawClient) {
    this.#plan = plan
    this.#client = client
  }

  /** Connects and begins to work. */
  static async start(address: { readonly host: string; readonly port: number }, plan: WorkerPlan): Promise<Worker> {
    const client = await openClient(address)
    const worker = new Worker(plan, client)
    await call(client, PUBLISHING, 'channel.open')
    await call(client, PUBLISHING, 'confirm.select')
    await call(client, CONSUMING, 'channel.open')
    await call(client, TRANSACTING, 'channel.open')
    await call(client, TRANSACTING, 'tx.select')
    await call(client, CONSUMING, 'basic.qos', { 'prefetch-count': plan.prefetch })
    client.onArrival = (arrival) => worker.#hear(arrival)
    for (const { name } of plan.queues) {
      const tag = `${plan.number}-${name}`
      worker.#queueOfTag.set(tag, name)
      await call(client, CONSUMING, 'basic.consume', { queue: name, 'consumer-tag': tag })
    }
    client.keepsArrivals = false
    worker.#publishing = plan.windowMax > 0
    worker.#pump()
    return worker
  }

  get unconfirmedCount(): number {
    return this.#unconfirmed.size
  }

  /** Publishes nothing more, and waits for all confirms. False when they did not come in time. */
  async quiet(timeoutMs: number): Promise<boolean> {
    this.#publishing = false
    return await this.#client.until(() => this.#unconfirmed.size === 0, timeoutMs)
  }

  /** Waits until something that the worker's deliveries change holds. */
  async until(condition: () => boolean, timeoutMs: number): Promise<boolean> {
    return await this.#client.until(condition, timeoutMs)
  }

  /** Makes every acceptance so far provably durable. */
  async seal(timeoutMs: number): Promise<boolean> {
    const tag = ++this.#lastTag
    this.#unconfirmed.set(tag, undefined)
    this.#client.sendPublish(PUBLISHING, { 'routing-key': PROOF }, { 'delivery-mode': 2 }, Buffer.from('proof'))
    return await this.#client.until(() => !this.#unconfirmed.has(tag), timeoutMs)
  }

  /** Messages that wait in all queues together. */
  async waiting(): Promise<number> {
    this.#client.keepsArrivals = true
    let count = 0
    for (const { name } of QUEUES) count += await waitingCount(this.#client, CONSUMING, name)
    return count
  }

  /** Hears until the server is gone. */
  async ended(): Promise<void> {
    this.#publishing = false
    await this.#client.until(() => false, 10_000)
    this.#client.destroy()
  }

  #hear(arrival: Arrival): void {
    switch (arrival.name) {
      case 'basic.deliver':
        return this.#deliver(arrival)
      case 'basic.ack':
        this.#confirm(Number(arrival.arguments['delivery-tag']), arrival.arguments['multiple'] === true)
        return this.#pump()
      case 'tx.commit-ok':
        for (const message of this.#uncommitted) this.#plan.ledger.confirmed(message)
        this.#uncommitted = []
        return
      case 'basic.nack':
      case 'basic.return':
      case 'basic.cancel':
      case 'channel.close':
        throw new Violation(`the server sent ${arrival.name}: ${replyText(arrival)}`)
      case 'connection.close':
        // It was asked to end.
        if (Number(arrival.arguments['reply-code']) !== 320) throw new Violation(`closed: ${replyText(arrival)}`)
        this.#publishing = false
        return this.#client.sendMethod(0, 'connection.close-ok')
      default:
    }
  }

  // ---- Publishing ----

  #pump(): void {
    const { random, windowMax } = this.#plan
    while (this.#publishing && this.#unconfirmed.size < windowMax) {
      const tag = ++this.#lastTag
      this.#unconfirmed.set(tag, this.#publish(PUBLISHING, this.#plan.number))
    }
    if (this.#publishing && this.#uncommitted.length === 0 && random.below(10) === 0) this.#transact()
  }

  /** Several publications that are there together, or not at all. */
  #transact(): void {
    const { random, number } = this.#plan
    const count = 2 + random.below(TRANSACTION_COUNT_MAX)
    const group = Array.from({ length: count }, () => this.#publish(TRANSACTING, number + TRANSACTING_PUBLISHER))
    for (const message of group) message.group = group
    this.#uncommitted = group
    this.#client.sendMethod(TRANSACTING, 'tx.commit')
  }

  #publish(channel: number, publisher: number): Message {
    const { random, ledger, trust } = this.#plan
    const address = ADDRESSES[random.below(ADDRESSES.length)] as Address
    const persistent = random.below(20) > 0
    const priority = random.below(6)
    const delayMs = address.delays === true ? random.below(DELAY_MS_MAX) : 0
    const message = ledger.publish(publisher, address, { priority, delayMs, persistent })
    const body = makeBody(message.id, bodySizeBytes(random))
    const properties = {
      'delivery-mode': persistent ? 2 : 1,
      priority,
      ...(delayMs > 0 ? { headers: { 'x-delay': delayMs } } : {}),
    }
    this.#client.sendPublish(channel, { exchange: address.exchange, 'routing-key': address.routingKey }, properties, body)
    if (trust === 'sent') ledger.confirmed(message)
    return message
  }

  #confirm(tag: number, multiple: boolean): void {
    if (!this.#unconfirmed.has(tag))
      throw new Violation(`publication ${tag} of publisher ${this.#plan.number} was confirmed twice, or never sent`)
    let provingTag = 0
    for (const [sent, message] of this.#unconfirmed) {
      if (multiple ? sent > tag : sent !== tag) {
        if (multiple) break
        continue
      }
      this.#unconfirmed.delete(sent)
      if (message !== undefined) this.#plan.ledger.confirmed(message)
      // A message that asks for no durability proves nothing.
      if (message === undefined || message.persistent) provingTag = sent
    }
    let proved = 0
    while (proved < this.#proofs.length && (this.#proofs[proved] as Proof).tag <= provingTag)
      this.#plan.ledger.seal((this.#proofs[proved++] as Proof).copy)
    if (proved > 0) this.#proofs = this.#proofs.slice(proved)
  }

  // ---- Consuming ----

  #deliver({ arguments: args, body }: Arrival): void {
    const { ledger, random, accepts, prefetch } = this.#plan
    const consumerTag = args['consumer-tag'] as string
    const queue = this.#queueOfTag.get(consumerTag)
    if (queue === undefined || body === undefined) throw new Violation(`a delivery to ${consumerTag}, which nobody asked for`)
    const copy = ledger.delivered(queue, consumerTag, body, args['redelivered'] === true)
    this.#out.push({ tag: Number(args['delivery-tag']), copy })
    if (accepts || this.#out.length > prefetch / 2 || random.below(4) === 0) this.#settle()
  }

  #settle(): void {
    const { random, accepts, ledger } = this.#plan
    if (accepts || random.below(2) === 0) {
      const last = this.#out.at(-1)
      if (last === undefined) return
      for (const { copy } of this.#out) this.#accept(copy)
      this.#out = []
      return this.#client.sendMethod(CONSUMING, 'basic.ack', { 'delivery-tag': last.tag, multiple: true })
    }
    // Some of them, in any order.
    const kept: Delivery[] = []
    for (const delivery of this.#out) {
      const { tag, copy } = delivery
      const dice = random.below(20)
      if (dice === 0) kept.push(delivery)
      else if (dice === 1) {
        ledger.released(copy)
        this.#client.sendMethod(CONSUMING, 'basic.nack', { 'delivery-tag': tag, requeue: true })
      } else if (dice < 10 && copy.queue.deadLetters === true) {
        ledger.settled(copy, 'rejected')
        this.#client.sendMethod(CONSUMING, 'basic.reject', { 'delivery-tag': tag })
      } else {
        this.#accept(copy)
        this.#client.sendMethod(CONSUMING, 'basic.ack', { 'delivery-tag': tag })
      }
    }
    this.#out = kept
  }

  #accept(copy: Copy): void {
    const { ledger, trust } = this.#plan
    ledger.settled(copy, 'accepted')
    if (trust === 'settled') ledger.seal(copy)
    else this.#proofs.push({ copy, tag: this.#lastTag + 1 })
  }
}

function replyText(arrival: Arrival): string {
  const text = arrival.arguments['reply-text']
  return typeof text === 'string' ? text : ''
}

/** Mostly small, some of several frames. */
function bodySizeBytes(random: SeededRandom): number {
  const dice = random.below(200)
  const most = dice === 0 ? BODY_SIZE_BYTES_MAX : dice < 6 ? 60_000 : 1_500
  return BODY_SIZE_BYTES_MIN + random.below(most - BODY_SIZE_BYTES_MIN)
}
