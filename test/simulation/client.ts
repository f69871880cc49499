/**
 * A client of the simulated broker: one session that publishes with confirms and consumes, and tells the model everything it does and hears.
 * The body of a message is its id and a filling that the id determines.
 */
import { SeededRandom } from '../../src/base/random.ts'
import type { Consumer } from '../../src/broker/consumer.ts'
import type { MessageView } from '../../src/broker/message-record.ts'
import { Publication, PUBLISHED } from '../../src/broker/publication.ts'
import type { Queue } from '../../src/broker/queue.ts'
import { OUTCOME, Session, type SessionSink } from '../../src/broker/session.ts'
import { encodeAmqpProperties } from '../../src/message/amqp-properties.ts'
import { FieldTable, field } from '../../src/message/field.ts'
import { type Model, type Published, Violation } from './model.ts'
import type { Address } from './topology.ts'
import type { Life } from './world.ts'

interface Delivery {
  readonly tag: number
  readonly queue: string
  readonly id: number
}

/** What the client is to publish. */
export interface Order {
  readonly address: Address
  readonly persistent: boolean
  readonly priority: number
  readonly key: string
  readonly bodySizeBytes: number
  readonly delayMs: number
  readonly messageId: string
}

/** See the head of this file. */
export class SimulatedClient implements SessionSink {
  writable = true
  readonly deliveries: Delivery[] = []
  readonly #life: Life
  readonly #model: Model
  readonly #session: Session
  readonly #published: (Published & { readonly refusable: string | undefined })[] = []
  #confirmedUpTo = 0
  #consumerNumber = 0
  ended = false

  constructor(life: Life, model: Model) {
    this.#life = life
    this.#model = model
    this.#session = new Session(life.root, this, this)
    this.#session.selectConfirms()
  }

  /** Publishes; the model hears of it before any delivery can happen. */
  publish(id: number, order: Order): Published {
    const { address, persistent, priority, key, bodySizeBytes, delayMs } = order
    const message = { id, persistent, priority, key, bodySizeBytes, delayed: delayMs > 0, confirmed: false }
    const refusable = address.routingKey === 'refusing' ? 'refusing' : undefined
    this.#published.push({ ...message, refusable })
    const entry = this.#published.at(-1) as Published
    const result = this.#session.publish(publicationOf(id, order))
    if (result === PUBLISHED.unroutable) throw new Violation(`message ${id} to ${address.exchange}/${address.routingKey} was unroutable`)
    if (result !== PUBLISHED.refused) this.#model.published(entry, address.queues)
    return entry
  }

  /** Publishes several messages in one transaction. */
  transact(orders: readonly (readonly [number, Order])[]): void {
    const session = new Session(this.#life.root, this, this)
    session.selectTransaction()
    const messages = orders.map(([id, order]) => {
      const { persistent, priority, key, bodySizeBytes } = order
      session.publish(publicationOf(id, order))
      return { id, persistent, priority, key, bodySizeBytes, delayed: false, confirmed: false }
    })
    session.commit((error) => {
      if (error !== undefined) throw new Violation(`a transaction failed: ${error.message}`)
      if (!this.ended) for (const message of messages) this.#model.confirmed(message)
    })
    // The commit has taken effect; whether it is durable is not known yet.
    messages.forEach((message, i) => this.#model.published(message, (orders[i] as readonly [number, Order])[1].address.queues))
    this.#model.committedTogether(messages)
    session.close()
  }

  consume(queue: string, prefetch: number, noAck: boolean): void {
    const tag = `c${this.#consumerNumber++}`
    const options = { tag, noAck, exclusive: false, priority: 0, prefetch, timeoutMs: undefined, arguments: new FieldTable() }
    this.#session.startConsumer(this.#session.consume(this.#life.root.queueNamed(queue), options))
  }

  cancelSome(random: SeededRandom): void {
    const tags = [...this.#session.consumers.keys()]
    if (tags.length > 0) this.#session.cancel(tags[random.below(tags.length)] as string)
  }

  /** Settles one delivery, or all up to it. */
  settle(random: SeededRandom, nextId: number, acceptOnly: boolean): void {
    if (this.deliveries.length === 0) return
    const at = random.below(this.deliveries.length)
    const tag = (this.deliveries[at] as Delivery).tag
    const multiple = random.below(3) === 0
    const dice = random.below(10)
    const outcome = acceptOnly || dice < 7 ? OUTCOME.accept : dice < 9 ? OUTCOME.release : OUTCOME.reject
    const settled = multiple ? this.deliveries.splice(0, at + 1) : this.deliveries.splice(at, 1)
    for (const { queue, id } of settled) {
      if (outcome === OUTCOME.release) this.#model.released(queue, id)
      else this.#model.settled(queue, id, outcome === OUTCOME.accept ? 'accept' : 'reject', nextId)
    }
    if (!this.#session.settle(tag, multiple, outcome)) throw new Violation(`delivery ${tag} is not known to its session`)
  }

  setWritable(writable: boolean): void {
    this.writable = writable
    this.#session.writableChanged()
  }

  /** Ends the session: its deliveries go back. */
  close(): void {
    this.ended = true
    for (const { queue, id } of this.deliveries.splice(0)) this.#model.released(queue, id)
    this.#session.close()
    this.#life.broker.ownerGone(this)
  }

  /** The machine went down: nothing more is heard. */
  abandon(): void {
    this.ended = true
  }

  // ---- SessionSink ----

  deliver(consumer: Consumer, tag: number, redelivered: boolean, view: MessageView): void {
    if (this.ended) return
    const id = this.#check(view)
    this.#model.delivered(consumer.queue.name, id, view.bodySizeBytes, redelivered)
    if (consumer.noAck) this.#model.settled(consumer.queue.name, id, 'accept', Infinity)
    else this.deliveries.push({ tag, queue: consumer.queue.name, id })
  }

  fetched(queue: Queue, tag: number, redelivered: boolean, view: MessageView): void {
    if (this.ended) return
    const id = this.#check(view)
    this.#model.delivered(queue.name, id, view.bodySizeBytes, redelivered)
    this.deliveries.push({ tag, queue: queue.name, id })
  }

  confirmed(tag: number, multiple: boolean): void {
    if (this.ended) return
    const from = multiple ? this.#confirmedUpTo : tag - 1
    if (from !== this.#confirmedUpTo) throw new Violation(`confirm ${tag} leaves out ${this.#confirmedUpTo + 1}`)
    for (let i = from; i < tag; i++) this.#model.confirmed(this.#published[i] as Published)
    this.#confirmedUpTo = tag
  }

  refused(tag: number): void {
    if (this.ended) return
    if (tag !== this.#confirmedUpTo + 1) throw new Violation(`refusal ${tag} leaves out ${this.#confirmedUpTo + 1}`)
    this.#confirmedUpTo = tag
    if (this.#published[tag - 1]?.refusable === undefined)
      throw new Violation(`publication ${tag} was refused by a queue that refuses nothing`)
  }

  returned(): void {
    throw new Violation('a publication was returned although none was mandatory')
  }

  consumerCancelled(): void {
    throw new Violation('a consumer was cancelled although no queue was deleted')
  }

  failed(error: Error): void {
    throw new Violation(`a session failed: ${error.message}`)
  }

  /** Fetches one message from a queue. */
  fetch(queue: string): void {
    const again = (): void => {
      if (!this.ended) this.#session.fetch(this.#life.root.queueNamed(queue), false, again)
    }
    again()
  }

  #check(view: MessageView): number {
    const { buffer, bodyStart, bodyEnd } = view
    const id = buffer.readUInt32LE(bodyStart)
    for (let at = bodyStart + 4; at < bodyEnd; at++) {
      if (buffer[at] !== ((id + at - bodyStart) & 0xff)) throw new Violation(`the body of message ${id} differs at byte ${at - bodyStart}`)
    }
    return id
  }
}

function publicationOf(id: number, order: Order): Publication {
  const publication = new Publication()
  publication.exchange = order.address.exchange
  publication.routingKey = order.address.routingKey
  publication.form = 1
  const names = [Buffer.from(order.address.exchange), Buffer.from(order.address.routingKey)] as const
  publication.address = Buffer.concat([Buffer.of(names[0].length), names[0], Buffer.of(names[1].length), names[1]])
  publication.addressEnd = publication.address.length
  publication.properties = encodeAmqpProperties({
    deliveryMode: order.persistent ? 2 : 1,
    messageId: order.messageId,
    headers: new FieldTable([{ name: 'k', field: field('S', order.key) }]),
  })
  publication.propertiesEnd = publication.properties.length
  publication.body = Buffer.alloc(order.bodySizeBytes)
  publication.body.writeUInt32LE(id, 0)
  for (let i = 4; i < order.bodySizeBytes; i++) publication.body[i] = (id + i) & 0xff
  publication.bodyEnd = order.bodySizeBytes
  publication.persistent = order.persistent
  publication.priority = order.priority
  publication.delayMs = order.delayMs
  return publication
}
