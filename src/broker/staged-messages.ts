/**
 * Delayed messages that were brought into memory ahead of their time: read in the order of their positions, so that neighbours share a read,
 * copied into one slab, given back in the order of their due times.
 */
import { TimedHeap } from '../base/timed-heap.ts'
import type { MessageIndex } from './message-index.ts'
import type { MessageView } from './message-record.ts'
import type { Services } from './services.ts'

const COUNT_MAX = 65_536
const SIZE_MAX_BYTES = 16 * 1024 * 1024
/** What a record has besides its body, about; a slab that turns out too small grows. */
const RECORD_EXTRA_BYTES = 160
const COPIES_PER_STEP_MAX = 1_000

const EMPTY = Buffer.alloc(0)

/** One batch: filled with `add`, read with `bring`, then emptied from the front. */
export class StagedMessages {
  readonly #services: Services
  readonly #index: MessageIndex
  /** Due times, with the place of each message in the arrays below. */
  readonly #heap = new TimedHeap()
  #sequences: number[] | Float64Array = []
  /** Where each copy begins in the slab, plus one; 0: it could not be read, or was settled meanwhile. */
  #starts: Uint32Array = new Uint32Array(0)
  #slab: Buffer = EMPTY
  #view: DataView = new DataView(EMPTY.buffer, 0, 0)
  #used = 0
  #sizeBytes = 0
  /** Places in the order of their positions, and the next one to be read. */
  #order: Uint32Array = new Uint32Array(0)
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

  get firstSequence(): number {
    return this.#sequences[this.#heap.firstNumber] as number
  }

  add(dueAtMs: number, sequence: number): void {
    const sequences = this.#sequences as number[]
    this.#heap.push(dueAtMs, sequences.length)
    sequences.push(sequence)
    this.#sizeBytes += this.#index.sizeOf(sequence) + RECORD_EXTRA_BYTES
  }

  /** Reads all that were added; `done` is called in a later turn. What cannot be read is reported and has no copy. */
  bring(done: () => void): void {
    const sequences = Float64Array.from(this.#sequences)
    const positions = sequences.map((sequence) => this.#index.positionOf(sequence))
    this.#sequences = sequences
    this.#starts = new Uint32Array(sequences.length)
    this.#order = Uint32Array.from(sequences.keys()).sort((a, b) => (positions[a] as number) - (positions[b] as number))
    this.#at = 0
    this.#growTo(this.#sizeBytes)
    this.#later(done)
  }

  /** Opens the copy of the first message; false when there is none. */
  openFirst(view: MessageView): boolean {
    const start = this.#starts[this.#heap.firstNumber] as number
    if (start === 0) return false
    view.open(this.#slab, this.#view, start - 1)
    return true
  }

  shift(): void {
    this.#heap.pop()
  }

  forEach(visit: (dueAtMs: number, sequence: number) => void): void {
    this.#heap.forEach((dueAtMs, place) => visit(dueAtMs, this.#sequences[place] as number))
  }

  #later(done: () => void): void {
    this.#services.turn.clock.setTimer(0, () => this.#step(done))
  }

  #step(done: () => void): void {
    const { storage } = this.#services
    for (let copies = 0; this.#at < this.#order.length; copies++) {
      if (copies === COPIES_PER_STEP_MAX) return this.#later(done)
      const place = this.#order[this.#at] as number
      const position = this.#index.positionOf(this.#sequences[place] as number)
      if (position !== 0) {
        const log = storage.logOf(position)
        if (!log.locate(position)) return this.#load(position, done)
        this.#starts[place] = this.#keep(log.foundBuffer, log.foundOffset, log.foundSizeBytes) + 1
      }
      this.#at++
    }
    done()
  }

  /** @returns where the copy begins in the slab */
  #keep(buffer: Buffer, offset: number, sizeBytes: number): number {
    const start = this.#used
    if (start + sizeBytes > this.#slab.length) this.#growTo((start + sizeBytes) * 2)
    buffer.copy(this.#slab, start, offset, offset + sizeBytes)
    this.#used = start + sizeBytes
    return start
  }

  #growTo(sizeBytes: number): void {
    const slab = Buffer.allocUnsafeSlow(sizeBytes)
    this.#slab.copy(slab, 0, 0, this.#used)
    this.#slab = slab
    this.#view = new DataView(slab.buffer, slab.byteOffset, slab.byteLength)
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
