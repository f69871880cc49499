/**
 * Delayed messages that were brought into memory ahead of their time: read in the order of their positions, so that neighbours share a read,
 * kept as copies, given back in the order of their due times.
 */
import { TimedHeap } from '../base/timed-heap.ts'
import type { MessageIndex } from './message-index.ts'
import type { MessageView } from './message-record.ts'
import type { Services } from './services.ts'

const COUNT_MAX = 65_536
const SIZE_MAX_BYTES = 16 * 1024 * 1024
/** What a record has besides its body, about. */
const RECORD_EXTRA_BYTES = 200
const COPIES_PER_STEP_MAX = 2_000

/** One batch. */
export class StagedMessages {
  readonly #services: Services
  readonly #index: MessageIndex
  readonly #heap = new TimedHeap()
  readonly #copies = new Map<number, Buffer>()
  #sizeBytes = 0
  /** Numbers to be read, in the order of their positions. */
  #order: Float64Array = new Float64Array(0)
  #at = 0

  constructor(services: Services, index: MessageIndex) {
    this.#services = services
    this.#index = index
  }

  get hasRoom(): boolean {
    return this.#heap.size < COUNT_MAX && this.#sizeBytes < SIZE_MAX_BYTES
  }

  get size(): number {
    return this.#heap.size
  }

  get firstTime(): number {
    return this.#heap.firstTime
  }

  get firstNumber(): number {
    return this.#heap.firstNumber
  }

  add(dueAtMs: number, sequence: number): void {
    this.#heap.push(dueAtMs, sequence)
    this.#sizeBytes += this.#index.sizeOf(sequence) + RECORD_EXTRA_BYTES
  }

  /** Reads all that were added; `done` is called in a later turn. What cannot be read is reported and has no copy. */
  bring(done: () => void): void {
    const order = new Float64Array(this.#heap.size)
    let count = 0
    this.#heap.forEach((_dueAtMs, sequence) => {
      order[count++] = sequence
    })
    this.#order = order.sort((a, b) => this.#index.positionOf(a) - this.#index.positionOf(b))
    this.#at = 0
    this.#services.turn.clock.setTimer(0, () => this.#step(done))
  }

  /** Opens the copy of the first message; false when it could not be read. */
  openFirst(view: MessageView): boolean {
    const copy = this.#copies.get(this.#heap.firstNumber)
    if (copy === undefined) return false
    view.open(copy, new DataView(copy.buffer, copy.byteOffset, copy.byteLength), 0)
    return true
  }

  shift(): void {
    this.#copies.delete(this.#heap.pop())
  }

  /** Takes what is left of another batch. */
  takeAll(other: StagedMessages): void {
    other.#heap.forEach((dueAtMs, sequence) => this.#heap.push(dueAtMs, sequence))
    for (const [sequence, copy] of other.#copies) this.#copies.set(sequence, copy)
  }

  forEach(visit: (dueAtMs: number, sequence: number) => void): void {
    this.#heap.forEach(visit)
  }

  #step(done: () => void): void {
    const { storage } = this.#services
    for (let copies = 0; this.#at < this.#order.length; copies++) {
      if (copies === COPIES_PER_STEP_MAX) return void this.#services.turn.clock.setTimer(0, () => this.#step(done))
      const sequence = this.#order[this.#at] as number
      const position = this.#index.positionOf(sequence)
      if (position !== 0) {
        const log = storage.logOf(position)
        if (!log.locate(position)) return this.#load(position, done)
        this.#copies.set(sequence, Buffer.from(log.foundBuffer.subarray(log.foundOffset, log.foundOffset + log.foundSizeBytes)))
      }
      this.#at++
    }
    done()
  }

  #load(position: number, done: () => void): void {
    this.#services.storage.logOf(position).load(position, (error) => {
      if (error !== null) {
        // It stays in the index and in the journal, but leaves the others alone.
        this.#services.readFailed(error)
        this.#at++
      }
      this.#step(done)
    })
  }
}
