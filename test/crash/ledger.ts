/**
 * What was sent, what was promised, what came back: the judge of the crash test. Workers tell it what they did and heard; it throws a
 * Violation when a promise is broken.
 *
 * Time is counted in lives of the server. A copy is a message in one queue. It is owed when its message was confirmed, or was seen in a
 * later life than the one it was sent in (then it was on the disk, and with it every copy). Its end is sealed when a confirm that came back
 * later on the same connection proves that the settlement is on the disk: from then on it must never be seen again.
 */
import { BODY_SIZE_BYTES_MIN, readBody } from './body.ts'
import { type Address, DEAD, QUEUES, type QueueRules } from './topology.ts'

/** A broken promise. */
export class Violation extends Error {
  override readonly name = 'Violation'
}

/** A message that was sent. */
export interface Message {
  readonly id: number
  readonly publisher: number
  readonly priority: number
  readonly life: number
  readonly persistent: boolean
  /** Not to be delivered before. */
  readonly dueMs: number
  /** Confirmed, or seen after a crash. */
  durable: boolean
  readonly copies: Copy[]
  /** The messages of its transaction: all of them are there after a crash, or none. */
  group: readonly Message[]
}

type Standing = 'waiting' | 'out' | 'accepted' | 'rejected'

/** A message in one queue. */
export interface Copy {
  readonly queue: QueueRules
  readonly message: Message
  standing: Standing
  /** The lives in which it was last delivered and last settled; 0: never. */
  deliveredIn: number
  settledIn: number
  sealed: boolean
}

/** Numbers for the report. */
export interface LedgerCounts {
  readonly published: number
  readonly confirmed: number
  readonly deliveries: number
  readonly redeliveries: number
  readonly sealed: number
}

const RULES: ReadonlyMap<string, QueueRules> = new Map(QUEUES.map((queue) => [queue.name, queue]))

/** See the head of this file. */
export class Ledger {
  #life = 1
  #nextId = 1
  readonly #messages = new Map<number, Message>()
  /** The last message of each (consumer, queue, publisher, priority) in this life. */
  readonly #lastIds = new Map<string, number>()
  readonly #counts = { published: 0, confirmed: 0, deliveries: 0, redeliveries: 0, sealed: 0 }

  get counts(): LedgerCounts {
    return this.#counts
  }

  /** Messages that are not settled for good. */
  get openCount(): number {
    return this.#messages.size
  }

  /** A message is being sent. */
  publish(publisher: number, address: Address, facts: { priority: number; delayMs: number; persistent: boolean }): Message {
    const { priority, delayMs, persistent } = facts
    const dueMs = address.delays === true ? Date.now() + delayMs : 0
    const message: Message = {
      id: this.#nextId++,
      publisher,
      priority,
      life: this.#life,
      persistent,
      dueMs,
      durable: false,
      copies: [],
      group: [],
    }
    for (const name of address.queues) message.copies.push(newCopy(name, message))
    this.#messages.set(message.id, message)
    this.#counts.published++
    return message
  }

  confirmed(message: Message): void {
    if (message.persistent) message.durable = true
    this.#counts.confirmed++
  }

  /** A consumer got a message from a queue. */
  delivered(queueName: string, consumer: string, body: Buffer, redelivered: boolean): Copy {
    this.#counts.deliveries++
    if (redelivered) this.#counts.redeliveries++
    const copy = this.#identify(queueName, body)
    const { message, queue } = copy
    const what = `${queueName}: message ${message.id}`
    if (copy.sealed) throw new Violation(`${what} came back after its settlement was on the disk`)
    if (copy.standing === 'out') throw new Violation(`${what} was delivered twice at the same time`)
    if (copy.settledIn === this.#life && copy.standing !== 'waiting') throw new Violation(`${what} came back after it was ${copy.standing}`)
    if (Date.now() < message.dueMs - 1) throw new Violation(`${what} came ${message.dueMs - Date.now()} ms before it was due`)
    if (queue.name !== DEAD) {
      if (copy.deliveredIn > 0 && !redelivered) throw new Violation(`${what} came again without the redelivered mark`)
      if (copy.deliveredIn === 0 && message.life === this.#life && redelivered)
        throw new Violation(`${what} is marked as redelivered, and never came before`)
    }
    if (copy.deliveredIn !== this.#life) this.#checkOrder(copy, consumer)
    if (message.life < this.#life && message.persistent) this.#survived(message)
    copy.standing = 'out'
    copy.deliveredIn = this.#life
    return copy
  }

  /** It was on the disk, and with it everything that was committed together with it. */
  #survived(message: Message): void {
    message.durable = true
    for (const other of message.group) if (other.persistent) other.durable = true
  }

  settled(copy: Copy, how: 'accepted' | 'rejected'): void {
    copy.standing = how
    copy.settledIn = this.#life
  }

  /** It goes back to its queue. */
  released(copy: Copy): void {
    copy.standing = 'waiting'
  }

  /** The acceptance is known to be on the disk. */
  seal(copy: Copy): void {
    if (copy.sealed || copy.standing !== 'accepted') return
    copy.sealed = true
    this.#counts.sealed++
    const { copies, id } = copy.message
    // A dead letter and the end of what it replaces are one record.
    for (const other of copies) if (other.standing === 'rejected' && copy.queue.name === DEAD) other.sealed = true
    if (copies.every(({ sealed }) => sealed)) this.#messages.delete(id)
  }

  /** The server died: deliveries that were not settled are void. */
  crashed(): void {
    this.#life++
    this.#lastIds.clear()
    for (const { copies } of this.#messages.values()) {
      for (const copy of copies) if (copy.standing === 'out') copy.standing = 'waiting'
    }
  }

  /** What must still come, in words; empty when everything is accounted for. */
  owed(): string[] {
    const owed: string[] = []
    for (const message of this.#messages.values()) {
      if (!message.durable) continue
      for (const copy of message.copies) {
        if (copy.sealed || copy.standing === 'accepted') continue
        const deadLetter = message.copies.find(({ queue }) => queue.name === DEAD)
        // It came, but its record was lost with a crash: then its original came back.
        if (copy === deadLetter && message.copies.some(({ queue, standing }) => queue.deadLetters === true && standing !== 'rejected'))
          continue
        if (copy.queue.deadLetters === true && copy.standing !== 'out' && deadLetter?.standing === 'accepted') continue
        const seen = copy.deliveredIn === 0 ? 'never delivered' : `last delivered in life ${copy.deliveredIn}`
        owed.push(
          `${copy.queue.name}: message ${message.id} of publisher ${message.publisher}, sent in life ${message.life}, ${seen}, ${copy.standing}`,
        )
      }
    }
    return owed
  }

  /** When the last delayed message that is not settled is due. */
  lastDueMs(): number {
    let last = 0
    for (const { dueMs, copies } of this.#messages.values()) {
      if (dueMs > last && copies.some(({ standing }) => standing !== 'accepted')) last = dueMs
    }
    return last
  }

  #identify(queueName: string, body: Buffer): Copy {
    const id = readBody(body)
    if (id === undefined)
      throw new Violation(`${queueName}: a body of ${body.length} bytes (at least ${BODY_SIZE_BYTES_MIN}) is torn or invented`)
    if (id >= this.#nextId) throw new Violation(`${queueName}: message ${id} was never sent`)
    const message = this.#messages.get(id)
    if (message === undefined) throw new Violation(`${queueName}: message ${id} came back after all of it was settled on the disk`)
    if (queueName === DEAD) return this.#identifyDeadLetter(message)
    const copy = message.copies.find(({ queue }) => queue.name === queueName)
    if (copy === undefined) throw new Violation(`${queueName}: message ${id} was not sent there`)
    return copy
  }

  /** A dead letter must be of a message that has left its own queue. */
  #identifyDeadLetter(message: Message): Copy {
    const source = message.copies.find(({ queue }) => queue.deadLetters === true)
    if (source === undefined) throw new Violation(`${DEAD}: message ${message.id} is of a queue without dead letters`)
    if (source.queue.expires === true) source.standing = 'rejected'
    if (source.standing !== 'rejected') throw new Violation(`${DEAD}: message ${message.id} was not rejected, but ${source.standing}`)
    const known = message.copies.find(({ queue }) => queue.name === DEAD)
    if (known !== undefined) return known
    const copy = newCopy(DEAD, message)
    message.copies.push(copy)
    return copy
  }

  #checkOrder(copy: Copy, consumer: string): void {
    const { queue, message } = copy
    if (queue.order === 'none') return
    const key = `${consumer} ${queue.name} ${message.publisher} ${queue.order === 'priority' ? message.priority : ''}`
    const lastId = this.#lastIds.get(key) ?? 0
    if (message.id < lastId) {
      throw new Violation(`${queue.name}: message ${message.id} of publisher ${message.publisher} came after message ${lastId}`)
    }
    this.#lastIds.set(key, message.id)
  }
}

function newCopy(name: string, message: Message): Copy {
  const queue = RULES.get(name)
  if (queue === undefined) throw new Error(`no queue is called ${name}`)
  return { queue, message, standing: 'waiting', deliveredIn: 0, settledIn: 0, sealed: false }
}
