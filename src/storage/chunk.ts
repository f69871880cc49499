/**
 * Chunks: pieces of memory that records are appended to. Both logs take them from one pool, so that memory which one does not need
 * serves the other. A chunk that is full stays as the cache of recent records until nothing in it is referenced or room is needed.
 */
import { assert } from '../base/assert.ts'
import { allocateMemory } from './record.ts'
import type { Memory } from './record.ts'
import type { Position } from './storage.ts'

/** Memory that carries the records of the positions [base, end). */
export class Chunk {
  readonly memory: Memory
  readonly base: Position
  readonly capacitySizeBytes: number
  /** While it is the one appended to: the end of its capacity. Afterwards the position after its last record. */
  end: Position

  constructor(memory: Memory, base: Position) {
    this.memory = memory
    this.base = base
    this.capacitySizeBytes = memory.buffer.length
    this.end = base + this.capacitySizeBytes
  }
}

/** Memory of the sizes that chunks come in, kept for the next one up to a limit. */
export class MemoryPool {
  readonly #keptSizeBytesMax: number
  readonly #free: Memory[] = []
  #freeSizeBytes = 0
  #usedSizeBytes = 0

  constructor(keptSizeBytesMax: number) {
    this.#keptSizeBytesMax = keptSizeBytesMax
  }

  /** All bytes that were taken and not given back, and those kept. */
  get sizeBytes(): number {
    return this.#usedSizeBytes + this.#freeSizeBytes
  }

  take(sizeBytes: number): Memory {
    this.#usedSizeBytes += (sizeBytes + 7) & ~7
    for (let i = this.#free.length - 1; i >= 0; i--) {
      const memory = this.#free[i] as Memory
      if (memory.buffer.length !== sizeBytes) continue
      this.#free.splice(i, 1)
      this.#freeSizeBytes -= sizeBytes
      return memory
    }
    return allocateMemory(sizeBytes)
  }

  give(memory: Memory): void {
    const sizeBytes = memory.buffer.length
    this.#usedSizeBytes -= sizeBytes
    // Sizes made for one large record are not asked for again.
    const isUsual = (sizeBytes & (sizeBytes - 1)) === 0
    if (!isUsual || this.#freeSizeBytes + sizeBytes > this.#keptSizeBytesMax) return
    this.#free.push(memory)
    this.#freeSizeBytes += sizeBytes
  }

  /** Lets go of everything that is kept. */
  clear(): void {
    this.#free.length = 0
    this.#freeSizeBytes = 0
  }
}

/** The chunks of the journal that are in memory, in the order of their positions. */
export class ChunkList {
  readonly #chunks: Chunk[] = []
  sizeBytes = 0

  get count(): number {
    return this.#chunks.length
  }

  push(chunk: Chunk): void {
    const last = this.#chunks.at(-1)
    assert(last === undefined || last.end <= chunk.base, 'chunks come in the order of their positions')
    this.#chunks.push(chunk)
    this.sizeBytes += chunk.capacitySizeBytes
  }

  /** The chunk that has `position`, or undefined. */
  find(position: Position): Chunk | undefined {
    const chunk = this.#chunks[this.#indexAfter(position) - 1]
    return chunk !== undefined && position < chunk.end ? chunk : undefined
  }

  /** Where the first chunk after `position` begins: what lies between is on the disk only. */
  baseAfter(position: Position): Position {
    return this.#chunks[this.#indexAfter(position)]?.base ?? Infinity
  }

  /** Removes the chunks that `dispensable` names, the oldest first. */
  evict(dispensable: (chunk: Chunk, sizeBytes: number) => boolean, evicted: (chunk: Chunk) => void): void {
    let kept = 0
    for (let i = 0; i < this.#chunks.length; i++) {
      const chunk = this.#chunks[i] as Chunk
      if (dispensable(chunk, this.sizeBytes)) {
        this.sizeBytes -= chunk.capacitySizeBytes
        evicted(chunk)
      } else {
        this.#chunks[kept++] = chunk
      }
    }
    this.#chunks.length = kept
  }

  /** Index of the first chunk whose base is after `position`. */
  #indexAfter(position: Position): number {
    let low = 0
    let high = this.#chunks.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#chunks[middle] as Chunk).base <= position) low = middle + 1
      else high = middle
    }
    return low
  }
}
