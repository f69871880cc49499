/**
 * What must be true of a broker, whatever happens to its disk and clock. The workload tells the model what it did and what it was told;
 * the model throws a Violation when the two cannot both be.
 *
 * A message has an id, unique in the run and growing with each publication. Of each copy (queue, id) the model knows how it stands:
 * waiting, out, settled, or rejected; whether it is `durable` (confirmed, or seen after a crash: it must survive the next one); whether it is
 * `certain` (it must be there now); and whether its settlement is `sealed` (a later confirm proves that it is on the disk: it must never be
 * seen again). A copy that may leave by itself (expired, dropped for length, dead-lettered) must turn up at the dead-letter queue.
 */

/** A broken promise. */
export class Violation extends Error {
  override readonly name = 'Violation'
}

/** What the model must know of a queue. */
export interface QueueRules {
  readonly name: string
  /** Messages leave in the order of their ids, unless priorities or keys say otherwise. */
  readonly order: 'fifo' | 'priority' | 'key' | 'none'
  /** Messages may leave by themselves (time to live, length, delivery limit); they go to `deadLetterQueue`. */
  readonly mayLeave: boolean
  /** Where rejected and left messages go; undefined: for good. */
  readonly deadLetterQueue: string | undefined
}

/** One published message. */
export interface Published {
  readonly id: number
  readonly persistent: boolean
  readonly priority: number
  readonly key: string
  readonly bodySizeBytes: number
  /** A delay makes its place in the order unknown. */
  readonly delayed: boolean
  confirmed: boolean
}

type Standing = 'waiting' | 'out' | 'settled' | 'rejected'

interface Copy {
  readonly message: Published
  standing: Standing
  /** It must be in the queue now, unless it is settled or rejected. */
  certain: boolean
  /** It survives a crash. */
  durable: boolean
  /** Its settlement is known to be on the disk. */
  sealed: boolean
  /** It was rejected, purged or has turned up as a dead letter: it may be gone from here. */
  mayBeGone: boolean
  /** It was waiting when its queue was purged. */
  purged: boolean
  /** It came as a dead letter. */
  readonly arrived: boolean
  /** The life in which it came, and the last one in which it was delivered. */
  readonly enteredIn: number
  deliveredIn: number
}

/** The copies of one queue. */
class QueueModel {
  readonly rules: QueueRules
  readonly copies = new Map<number, Copy>()

  constructor(rules: QueueRules) {
    this.rules = rules
  }
}

/** See the head of this file. */
export class Model {
  readonly #queues = new Map<string, QueueModel>()
  readonly #published = new Map<number, Published>()
  /** Settlements since the last proof, in order. */
  #unproved: { copy: Copy; before: number }[] = []
  #life = 1
  readonly #groups: (readonly Published[])[] = []
  deliveries = 0
  /** Somebody changed the files: a message that cannot be read is set aside, and others pass it. */
  damaged = false

  constructor(rules: readonly QueueRules[]) {
    for (const rule of rules) this.#queues.set(rule.name, new QueueModel(rule))
  }

  /** A message was published and routed to `queues`. */
  published(message: Published, queues: readonly string[]): void {
    this.#published.set(message.id, message)
    for (const name of queues) this.#enter(this.#queue(name), message, false)
  }

  /** A publication was confirmed: all its copies are durable, and every settlement made before it was published is on the disk. */
  confirmed(message: Published): void {
    message.confirmed = true
    if (!message.persistent) return
    for (const queue of this.#queues.values()) {
      const copy = queue.copies.get(message.id)
      if (copy !== undefined && copy.enteredIn === this.#life && !copy.arrived) copy.durable = true
    }
    this.#unproved = this.#unproved.filter(({ copy, before }) => {
      if (before > message.id) return true
      copy.sealed = true
      return false
    })
  }

  /** These publications were committed together: after a crash all of them are there, or none. */
  committedTogether(messages: readonly Published[]): void {
    this.#groups.push(messages)
  }

  /** A consumer got a message. */
  delivered(queueName: string, id: number, bodySizeBytes: number, redelivered: boolean): void {
    this.deliveries++
    const queue = this.#queue(queueName)
    const message = this.#published.get(id)
    if (message === undefined) throw new Violation(`${queueName}: message ${id} was delivered but never published`)
    if (message.bodySizeBytes !== bodySizeBytes) {
      throw new Violation(`${queueName}: message ${id} has ${bodySizeBytes} bytes, was published with ${message.bodySizeBytes}`)
    }
    const copy = queue.copies.get(id) ?? this.#arrive(queue, message)
    if (copy.sealed) throw new Violation(`${queueName}: message ${id} came back after its settlement was on the disk`)
    if (copy.standing === 'out') throw new Violation(`${queueName}: message ${id} was delivered twice at the same time`)
    const seenInThisLife = copy.deliveredIn === this.#life
    if (copy.standing === 'settled' && seenInThisLife) throw new Violation(`${queueName}: message ${id} came back after it was settled`)
    if (seenInThisLife && !redelivered) throw new Violation(`${queueName}: message ${id} came again without the redelivered mark`)
    if (copy.deliveredIn > 0 && !redelivered && !copy.arrived)
      throw new Violation(`${queueName}: message ${id} came again after a crash without the redelivered mark`)
    this.#checkOrder(queue, copy)
    // What is there after a crash was on the disk.
    if (copy.enteredIn < this.#life) copy.durable = copy.certain = true
    copy.standing = 'out'
    copy.deliveredIn = this.#life
  }

  /** A consumer accepted or rejected a message. `nextId` is the id of the next publication. */
  settled(queueName: string, id: number, outcome: 'accept' | 'reject', nextId: number): void {
    const copy = this.#copy(queueName, id)
    copy.standing = outcome === 'accept' ? 'settled' : 'rejected'
    if (outcome === 'accept') this.#unproved.push({ copy, before: nextId })
    else copy.mayBeGone = true
  }

  /** A message went back to its queue: by a consumer, or because its session ended. */
  released(queueName: string, id: number): void {
    const copy = this.#copy(queueName, id)
    copy.standing = 'waiting'
  }

  /** A queue was purged: what waited is gone, durably with the next commit. */
  purged(queueName: string): void {
    for (const copy of this.#queue(queueName).copies.values()) {
      // A rejected one may have come back with a crash.
      if (copy.standing === 'waiting' || copy.standing === 'rejected') copy.purged = true
    }
  }

  /** The machine went down: deliveries are void; what was neither confirmed nor seen after an earlier crash is uncertain. */
  crashed(): void {
    this.#life++
    for (const queue of this.#queues.values()) {
      for (const copy of queue.copies.values()) {
        // A settlement that was not on the disk may or may not hold.
        copy.certain = copy.durable && copy.standing !== 'settled'
        if (copy.standing !== 'settled') copy.standing = copy.standing === 'rejected' ? 'rejected' : 'waiting'
      }
    }
    this.#unproved = []
  }

  /** Everything was drained: nothing certain may be missing, and no transaction may be there in part. */
  drained(): void {
    for (const group of this.#groups) this.#checkWhole(group)
    for (const queue of this.#queues.values()) {
      const { name, mayLeave, deadLetterQueue } = queue.rules
      for (const [id, copy] of queue.copies) {
        if (!copy.certain || copy.standing === 'settled' || copy.purged) continue
        if ((copy.mayBeGone || mayLeave) && this.#endedAt(deadLetterQueue, id)) continue
        if (copy.mayBeGone && deadLetterQueue === undefined) continue
        throw new Violation(`${name}: message ${id} was confirmed and is lost (${copy.standing})`)
      }
    }
  }

  #checkWhole(group: readonly Published[]): void {
    const copies = [...this.#queues.values()].flatMap((queue) => group.flatMap(({ id }) => queue.copies.get(id) ?? []))
    const survived = copies.some((copy) => !copy.arrived && copy.deliveredIn > copy.enteredIn)
    const missing = copies.find((copy) => copy.deliveredIn === 0 && !copy.purged && !copy.mayBeGone)
    if (survived && missing !== undefined) {
      const ids = group.map(({ id }) => id).join(', ')
      throw new Violation(`of the transaction that published ${ids}, message ${missing.message.id} is missing`)
    }
  }

  #checkOrder(queue: QueueModel, next: Copy): void {
    const { order } = queue.rules
    if (this.damaged || order === 'none' || next.message.delayed || next.arrived) return
    for (const copy of queue.copies.values()) {
      if (copy === next || copy.message.delayed || copy.arrived || !copy.certain || copy.mayBeGone || copy.purged) continue
      if (order === 'key') {
        if (copy.standing === 'out' && copy.message.key === next.message.key) {
          throw new Violation(
            `${queue.rules.name}: messages ${copy.message.id} and ${next.message.id} of key ${copy.message.key} are out together`,
          )
        }
        if (copy.message.key !== next.message.key) continue
      }
      if (copy.standing !== 'waiting') continue
      const first =
        order === 'priority' && copy.message.priority !== next.message.priority
          ? copy.message.priority > next.message.priority
          : copy.message.id < next.message.id
      if (first) throw new Violation(`${queue.rules.name}: message ${next.message.id} overtook message ${copy.message.id}`)
    }
  }

  /** A message turned up in a queue it was not sent to: it must be a dead letter of another queue that may have let it go. */
  #arrive(queue: QueueModel, message: Published): Copy {
    for (const source of this.#queues.values()) {
      const copy = source.copies.get(message.id)
      if (source.rules.deadLetterQueue !== queue.rules.name || copy === undefined || copy.sealed) continue
      if (copy.standing === 'settled' && copy.deliveredIn === this.#life) continue
      if (copy.standing !== 'rejected' && !source.rules.mayLeave) continue
      copy.mayBeGone = true
      return this.#enter(queue, message, true)
    }
    throw new Violation(`${queue.rules.name}: message ${message.id} was delivered but not sent there`)
  }

  #endedAt(queueName: string | undefined, id: number): boolean {
    const standing = queueName === undefined ? undefined : this.#queue(queueName).copies.get(id)?.standing
    return standing === 'settled' || standing === 'rejected'
  }

  #enter(queue: QueueModel, message: Published, arrived: boolean): Copy {
    const copy: Copy = {
      message,
      arrived,
      standing: 'waiting',
      certain: true,
      durable: false,
      sealed: false,
      mayBeGone: false,
      purged: false,
      enteredIn: this.#life,
      deliveredIn: 0,
    }
    queue.copies.set(message.id, copy)
    return copy
  }

  #copy(queueName: string, id: number): Copy {
    const copy = this.#queue(queueName).copies.get(id)
    if (copy === undefined) throw new Violation(`${queueName}: message ${id} is unknown`)
    return copy
  }

  #queue(name: string): QueueModel {
    const queue = this.#queues.get(name)
    if (queue === undefined) throw new Violation(`queue ${name} is unknown`)
    return queue
  }
}
