/**
 * The deliveries of a session that are not settled yet, by delivery number (tag). A ring of parallel arrays, so that a delivery makes
 * no object. When few old deliveries hold back a long ring (one unsettled for hours while millions pass), they move into a map.
 */
import { assert } from '../base/assert.ts'
import type { Consumer } from './consumer.ts'
import type { Queue } from './queue.ts'

const CAPACITY_MIN = 16
const SPAN_MAX_WHEN_SPARSE = 65_536

interface OldDelivery {
  readonly queue: Queue
  readonly consumer: Consumer | undefined
  readonly sequence: number
  readonly atMs: number
}

/** Unsettled deliveries. The `taken...` fields are those of the delivery that `take` removed last. */
export class UnsettledRing {
  /** Unsettled deliveries in all. */
  count = 0
  takenQueue: Queue | undefined
  takenConsumer: Consumer | undefined
  takenSequence = 0

  #queues: (Queue | undefined)[] = new Array<Queue | undefined>(CAPACITY_MIN).fill(undefined)
  #consumers: (Consumer | undefined)[] = new Array<Consumer | undefined>(CAPACITY_MIN).fill(undefined)
  #sequences = new Float64Array(CAPACITY_MIN)
  #times = new Float64Array(CAPACITY_MIN)
  /** The ring covers the tags [#head, #next). */
  #head = 1
  #next = 1
  #ringCount = 0
  readonly #old = new Map<number, OldDelivery>()

  /** Adds the delivery `tag`, which is larger than all before. `consumer` is undefined for a message that was fetched. */
  push(tag: number, queue: Queue, consumer: Consumer | undefined, sequence: number, atMs: number): void {
    if (this.#ringCount === 0) this.#head = this.#next = tag
    if (tag - this.#head >= this.#sequences.length) this.#makeRoom(tag)
    const mask = this.#sequences.length - 1
    const slot = tag & mask
    this.#queues[slot] = queue
    this.#consumers[slot] = consumer
    this.#sequences[slot] = sequence
    this.#times[slot] = atMs
    this.#next = tag + 1
    this.#ringCount++
    this.count++
  }

  has(tag: number): boolean {
    if (tag >= this.#head && tag < this.#next) return this.#queues[tag & (this.#sequences.length - 1)] !== undefined
    return this.#old.has(tag)
  }

  /** Removes the delivery and sets the `taken...` fields. @returns false when there is none */
  take(tag: number): boolean {
    if (tag < this.#head || tag >= this.#next) return this.#takeOld(tag)
    const slot = tag & (this.#sequences.length - 1)
    const queue = this.#queues[slot]
    if (queue === undefined) return false
    this.takenQueue = queue
    this.takenConsumer = this.#consumers[slot]
    this.takenSequence = this.#sequences[slot] as number
    this.#queues[slot] = undefined
    this.#consumers[slot] = undefined
    this.count--
    this.#ringCount--
    if (tag === this.#head) this.#advance()
    return true
  }

  /** The oldest unsettled tag, or 0. */
  get firstTag(): number {
    if (this.#old.size > 0) {
      let first = Infinity
      for (const tag of this.#old.keys()) if (tag < first) first = tag
      return first
    }
    return this.#ringCount === 0 ? 0 : this.#head
  }

  /** The newest tag that may be unsettled. */
  get lastTag(): number {
    return this.#next - 1
  }

  /** When the delivery `tag` was made; it must be there. */
  deliveredAtMs(tag: number): number {
    const old = this.#old.get(tag)
    return old === undefined ? (this.#times[tag & (this.#sequences.length - 1)] as number) : old.atMs
  }

  /** Visits every unsettled delivery in order of its tag. */
  forEach(visit: (tag: number, queue: Queue, consumer: Consumer | undefined, sequence: number) => void): void {
    for (const tag of [...this.#old.keys()].sort((a, b) => a - b)) {
      const old = this.#old.get(tag) as OldDelivery
      visit(tag, old.queue, old.consumer, old.sequence)
    }
    const mask = this.#sequences.length - 1
    for (let tag = this.#head; tag < this.#next; tag++) {
      const queue = this.#queues[tag & mask]
      if (queue !== undefined) visit(tag, queue, this.#consumers[tag & mask], this.#sequences[tag & mask] as number)
    }
  }

  #takeOld(tag: number): boolean {
    const old = this.#old.get(tag)
    if (old === undefined) return false
    this.#old.delete(tag)
    this.takenQueue = old.queue
    this.takenConsumer = old.consumer
    this.takenSequence = old.sequence
    this.count--
    return true
  }

  #advance(): void {
    const mask = this.#sequences.length - 1
    let head = this.#head
    while (head < this.#next && this.#queues[head & mask] === undefined) head++
    this.#head = head
  }

  #makeRoom(tag: number): void {
    const span = tag - this.#head + 1
    if (span > SPAN_MAX_WHEN_SPARSE && this.#ringCount * 16 < span) {
      this.#moveToOld()
      this.#head = this.#next = tag
      return
    }
    let capacity = this.#sequences.length
    while (capacity < span) capacity *= 2
    const queues = new Array<Queue | undefined>(capacity).fill(undefined)
    const consumers = new Array<Consumer | undefined>(capacity).fill(undefined)
    const sequences = new Float64Array(capacity)
    const times = new Float64Array(capacity)
    const mask = this.#sequences.length - 1
    for (let t = this.#head; t < this.#next; t++) {
      const from = t & mask
      const to = t & (capacity - 1)
      queues[to] = this.#queues[from]
      consumers[to] = this.#consumers[from]
      sequences[to] = this.#sequences[from] as number
      times[to] = this.#times[from] as number
    }
    this.#queues = queues
    this.#consumers = consumers
    this.#sequences = sequences
    this.#times = times
  }

  #moveToOld(): void {
    const mask = this.#sequences.length - 1
    for (let tag = this.#head; tag < this.#next; tag++) {
      const slot = tag & mask
      const queue = this.#queues[slot]
      if (queue === undefined) continue
      const sequence = this.#sequences[slot] as number
      this.#old.set(tag, { queue, consumer: this.#consumers[slot], sequence, atMs: this.#times[slot] as number })
      this.#queues[slot] = undefined
      this.#consumers[slot] = undefined
      this.#ringCount--
    }
    assert(this.#ringCount === 0, 'every delivery of the ring was moved')
  }
}
