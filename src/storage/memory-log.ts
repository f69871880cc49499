/**
 * The log of records that need no durability: the same interface, negative positions, no disk.
 *
 * Positions count up in slots of one chunk each (and are negated); a record larger than a chunk has one of its own, over several
 * slots. A chunk is freed at the end of the turn in which its last reference went. When few live records pin much memory, the owner is asked
 * to copy them forward, as in the journal.
 */
import { assert } from '../base/assert.ts'
import type { WaybillError } from '../base/errors.ts'
import type { Clock } from '../base/clock.ts'
import { Chunk } from './chunk.ts'
import type { MemoryPool } from './chunk.ts'
import type { StorageLimits } from './limits.ts'
import { allocateMemory, RECORD_HEAD_SIZE, recordSize } from './record.ts'
import type { Log, Position, RecordKind, Victim } from './storage.ts'

/** Chunks worth this many slots may be mostly dead before anything is copied. */
const FLOOR_CHUNKS = 32

class MemoryChunk extends Chunk {
  referenceCount = 0
  firstReferenceCount = 0
  referencedSizeBytes = 0
  /** In the list of those to look at at the end of the turn. */
  listed = false

  get liveSizeBytes(): number {
    if (this.referenceCount === 0) return 0
    return this.referencedSizeBytes * Math.min(1, this.referenceCount / Math.max(1, this.firstReferenceCount))
  }
}

const NO_CHUNK = new MemoryChunk(allocateMemory(0), 0)

/** Records in memory alone. */
export class MemoryLog implements Log {
  buffer: Buffer = NO_CHUNK.memory.buffer
  view: DataView = NO_CHUNK.memory.view
  offset = 0
  foundBuffer: Buffer = NO_CHUNK.memory.buffer
  foundView: DataView = NO_CHUNK.memory.view
  foundOffset = 0
  foundSizeBytes = 0
  foundKind = 0

  readonly #limits: StorageLimits
  readonly #clock: Clock
  readonly #pool: MemoryPool
  readonly #slotSizeBytes: number
  readonly #chunks = new Map<number, MemoryChunk>()
  #hit: MemoryChunk = NO_CHUNK
  #releaseHit: MemoryChunk = NO_CHUNK
  #chunk: MemoryChunk = NO_CHUNK
  #words: Int32Array = NO_CHUNK.memory.words
  #base = 0
  #at = 0
  #limit = 0
  #recordAt = 0
  #last = 0
  #lastRetained = 0
  #nextSlot = 1
  #listed: MemoryChunk[] = []
  #sizeBytes = 0
  #grew = false
  /** Called at the end of a turn in which chunks were begun or freed: a victim may be worth taking. */
  grown: () => void = () => {}

  constructor(clock: Clock, limits: StorageLimits, pool: MemoryPool) {
    this.#clock = clock
    this.#limits = limits
    this.#pool = pool
    this.#slotSizeBytes = limits.memoryChunkSizeBytes
  }

  reserve(kind: RecordKind, payloadSizeBytes: number): Position {
    const size = (payloadSizeBytes + 19) & ~7
    if (this.#at + size > this.#limit) this.#beginChunk(payloadSizeBytes)
    const at = this.#at
    const word = at >> 2
    this.#words[word + 1] = payloadSizeBytes
    this.#words[word + 2] = kind
    this.offset = at + RECORD_HEAD_SIZE
    this.#recordAt = at
    this.#at = at + size
    this.#last = this.#base + at
    return -this.#last
  }

  /** Memory needs no checksum. */
  seal(): void {}

  get end(): Position {
    return -(this.#base + this.#at)
  }

  retain(position: Position): void {
    const logical = -position
    const chunk = this.#chunkOf(logical)
    chunk.referenceCount++
    if (logical !== this.#last) return
    chunk.firstReferenceCount++
    if (logical === this.#lastRetained) return
    this.#lastRetained = logical
    chunk.referencedSizeBytes += this.#at - this.#recordAt
  }

  release(position: Position): void {
    const logical = -position
    let chunk = this.#releaseHit
    if (logical < chunk.base || logical >= chunk.end) this.#releaseHit = chunk = this.#existing(logical)
    assert(chunk.referenceCount > 0, 'a reference is released once')
    if (--chunk.referenceCount === 0) this.#list(chunk)
  }

  locate(position: Position): boolean {
    const logical = -position
    const chunk = this.#chunkOf(logical)
    const at = logical - chunk.base
    const { memory } = chunk
    const word = at >> 2
    this.foundBuffer = memory.buffer
    this.foundView = memory.view
    this.foundOffset = at + RECORD_HEAD_SIZE
    this.foundSizeBytes = memory.words[word + 1] as number
    this.foundKind = memory.words[word + 2] as number
    return true
  }

  load(position: Position, callback: (error: WaybillError | null) => void): void {
    assert(this.locate(position), 'a record in memory is there')
    this.#clock.endOfTurn(() => callback(null))
  }

  get memorySizeBytes(): number {
    return this.#sizeBytes
  }

  get liveSizeBytes(): number {
    let sizeBytes = 0
    for (const chunk of this.#chunks.values()) sizeBytes += chunk.liveSizeBytes
    return sizeBytes
  }

  /** Frees the chunks that nothing refers to. To be called at the end of a turn, when nothing found is in use. */
  sweep(): void {
    if (this.#listed.length === 0) return
    const listed = this.#listed
    this.#listed = []
    for (const chunk of listed) {
      chunk.listed = false
      if (chunk.referenceCount > 0 || chunk === this.#chunk) continue
      this.#chunks.delete(this.#slotOf(chunk.base))
      this.#sizeBytes -= chunk.capacitySizeBytes
      this.#pool.give(chunk.memory)
      this.#noteChange()
      if (this.#hit === chunk) this.#hit = NO_CHUNK
      if (this.#releaseHit === chunk) this.#releaseHit = NO_CHUNK
    }
  }

  /** The chunk whose few live records should be copied forward, or undefined. Asked for anew whenever a chunk was begun or freed. */
  takeVictim(): Victim | undefined {
    if (!this.#grew) return undefined
    this.#grew = false
    const floorSizeBytes = FLOOR_CHUNKS * this.#slotSizeBytes
    if (this.#sizeBytes <= floorSizeBytes || this.#sizeBytes <= 2 * this.liveSizeBytes + floorSizeBytes) return undefined
    let chosen: MemoryChunk | undefined
    let lowest = 0.5
    for (const chunk of this.#chunks.values()) {
      if (chunk === this.#chunk || chunk.referenceCount === 0) continue
      const share = chunk.liveSizeBytes / chunk.capacitySizeBytes
      if (share >= lowest) continue
      lowest = share
      chosen = chunk
    }
    return chosen === undefined ? undefined : { start: 1 - chosen.end, end: 1 - chosen.base }
  }

  #chunkOf(logical: number): MemoryChunk {
    const chunk = this.#hit
    if (logical >= chunk.base && logical < chunk.end) return chunk
    return (this.#hit = this.#existing(logical))
  }

  #existing(logical: number): MemoryChunk {
    const chunk = this.#chunks.get(this.#slotOf(logical))
    assert(chunk !== undefined, 'a referenced record lies in a chunk that is alive')
    return chunk
  }

  #slotOf(logical: number): number {
    return Math.floor(logical / this.#slotSizeBytes)
  }

  #list(chunk: MemoryChunk): void {
    if (chunk.listed || chunk === this.#chunk) return
    chunk.listed = true
    // A commit sweeps too, but settlements of messages that need no durability may be all that happens.
    if (this.#listed.length === 0) this.#clock.endOfTurn(this.#sweepLater)
    this.#listed.push(chunk)
  }

  readonly #sweepLater = (): void => this.sweep()

  /** Without a commit nobody would ask for a victim; the next one is due when this one is freed. */
  #noteChange(): void {
    if (!this.#grew) this.#clock.endOfTurn(this.#tellGrown)
    this.#grew = true
  }

  readonly #tellGrown = (): void => {
    if (this.#grew) this.grown()
  }

  #beginChunk(payloadSizeBytes: number): void {
    assert(payloadSizeBytes <= this.#limits.recordSizeBytesMax, 'the size of a message is limited before it is stored')
    const before = this.#chunk
    const slots = Math.ceil(recordSize(payloadSizeBytes) / this.#slotSizeBytes)
    const chunk = new MemoryChunk(this.#pool.take(slots * this.#slotSizeBytes), this.#nextSlot * this.#slotSizeBytes)
    this.#nextSlot += slots
    this.#chunks.set(this.#slotOf(chunk.base), chunk)
    this.#sizeBytes += chunk.capacitySizeBytes
    this.#chunk = chunk
    this.#words = chunk.memory.words
    this.buffer = chunk.memory.buffer
    this.view = chunk.memory.view
    this.#base = chunk.base
    this.#at = 0
    // A chunk of several slots holds one record alone: others would lie in slots that lead nowhere.
    this.#limit = slots === 1 ? this.#slotSizeBytes : 0
    this.#noteChange()
    if (before !== NO_CHUNK && before.referenceCount === 0) this.#list(before)
  }
}
