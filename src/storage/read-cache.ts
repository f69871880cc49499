/**
 * Records that are no longer in the journal's chunks, read back from the disk in blocks.
 *
 * A block begins at a record that was asked for, or where the block before it ended, so that a queue that is drained reads the journal
 * in order; its next block is fetched ahead. A record's checksum is verified each time it is located in a block: a damaged one is not
 * found, and loading it answers STORAGE_DAMAGED, for that position only.
 */
import { WaybillError } from '../base/errors.ts'
import type { MemoryPool } from './chunk.ts'
import {
  ALIGNMENT,
  beginsWithSalt,
  COMMIT_HEAD_SIZE,
  CommitHead,
  RECORD_HEAD_SIZE,
  recordSize,
  segmentSeed,
  validRecordSize,
} from './record.ts'
import type { Memory, Salt } from './record.ts'
import type { StorageLimits } from './limits.ts'
import type { Position } from './storage.ts'

/** At most this many reads are under way, so that a commit finds a free thread. */
const READS_MAX = 2

/** Where blocks are read from. */
export interface BlockSource {
  /** Reads bytes of one segment into `target`; `callback` gets how many there were. */
  read(position: Position, target: Buffer, callback: (error: NodeJS.ErrnoException | null, readSizeBytes: number) => void): void
  /** What is at or after this position is not to be read from the disk: it is in memory, or is not there. Infinity: no bound. */
  readableEnd(position: Position): Position
  /** False when nothing refers to the segment of a position any more. */
  isAlive(position: Position): boolean
  /** For messages: the file of a position. */
  describe(position: Position): string
}

type LoadCallback = (error: WaybillError | null) => void

/** A run of whole records (and commit heads) as it is on the disk. */
interface Block {
  readonly memory: Memory
  readonly start: Position
  /** After the last whole record, or where a block begins that was read because this one misses it. */
  end: Position
  /** Where reading in order goes on. */
  readonly next: Position
  /** It began where another block ended: somebody reads in order. */
  readonly inOrder: boolean
  usedAt: number
}

interface Read {
  readonly start: Position
  readonly sizeBytes: number
  readonly inOrder: boolean
  readonly waiting: { readonly position: Position; readonly callback: LoadCallback }[]
}

const NO_MEMORY: Memory = { buffer: Buffer.alloc(0), view: new DataView(new ArrayBuffer(0)), words: new Int32Array(0) }
/** A read that does not go on where another one ended brings a sixteenth of a block. */
const OUT_OF_ORDER_SHARE = 16

const NO_BLOCK: Block = { memory: NO_MEMORY, start: 0, end: 0, next: 0, inOrder: false, usedAt: 0 }

/** Blocks of the journal, the least recently used one given up first. */
export class ReadCache {
  readonly #source: BlockSource
  readonly #salt: Salt
  readonly #limits: StorageLimits
  readonly #pool: MemoryPool
  readonly #head = new CommitHead()
  #blocks: Block[] = []
  #reads: Read[] = []
  #queue: Read[] = []
  #hit: Block = NO_BLOCK
  #tick = 0
  #sizeBytes = 0

  /** Of the record that `locate` found: its memory, the offset of its head there. */
  foundMemory: Memory = NO_MEMORY
  foundAt = 0

  constructor(source: BlockSource, salt: Salt, limits: StorageLimits, pool: MemoryPool) {
    this.#source = source
    this.#salt = salt
    this.#limits = limits
    this.#pool = pool
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /** Finds a record in a block and verifies its checksum. Hot while a backlog is drained. */
  locate(position: Position): boolean {
    let block = this.#hit
    if (position < block.start || position >= block.end) {
      const found = this.#find(position)
      if (found === undefined) return false
      block = this.#use(found)
    }
    const at = position - block.start
    const seed = segmentSeed(this.#salt, Math.floor(position / this.#limits.segmentSizeBytes))
    if (validRecordSize(block.memory, at, block.end - block.start, seed) === 0) return false
    this.foundMemory = block.memory
    this.foundAt = at
    return true
  }

  /** Reads the block that has `position`; the callback comes in a later turn. */
  load(position: Position, callback: LoadCallback): void {
    const waiter = { position, callback }
    for (const read of this.#reads) if (covers(read, position)) return void read.waiting.push(waiter)
    for (let i = 0; i < this.#queue.length; i++) {
      const read = this.#queue[i] as Read
      if (!covers(read, position)) continue
      read.waiting.push(waiter)
      if (read.waiting.length > 1) return
      this.#queue.splice(i, 1)
      this.#enqueue(read)
      return
    }
    const inOrder = this.#blocks.some((block) => block.next === position)
    this.#enqueue({ start: position, sizeBytes: this.#blockSize(position, inOrder), inOrder, waiting: [waiter] })
  }

  /** Lets go of all blocks. To be called from the event loop only, when nothing found is in use. */
  clear(): void {
    for (const block of this.#blocks) this.#pool.give(block.memory)
    this.#blocks = []
    this.#sizeBytes = 0
    this.#hit = NO_BLOCK
  }

  #use(block: Block): Block {
    this.#hit = block
    block.usedAt = ++this.#tick
    if (block.inOrder) this.#readAhead(block.next)
    return block
  }

  #readAhead(position: Position): void {
    if (this.#find(position) !== undefined || position >= this.#source.readableEnd(position)) return
    if (this.#reads.some((read) => covers(read, position)) || this.#queue.some((read) => covers(read, position))) return
    this.#enqueue({ start: position, sizeBytes: this.#blockSize(position, true), inOrder: true, waiting: [] })
  }

  /**
   * How much to read from `position`: a block, or a small part of one where nobody reads in order, but nothing that is in another block, in
   * memory or in the next segment.
   */
  #blockSize(position: Position, inOrder: boolean): number {
    const { segmentSizeBytes, readBlockSizeBytes } = this.#limits
    const segmentEnd = (Math.floor(position / segmentSizeBytes) + 1) * segmentSizeBytes
    const wanted = inOrder ? readBlockSizeBytes : Math.max(ALIGNMENT, readBlockSizeBytes / OUT_OF_ORDER_SHARE)
    let end = Math.min(position + wanted, segmentEnd, this.#source.readableEnd(position))
    for (const block of this.#blocks) if (block.start > position && block.start < end) end = block.start
    return Math.max(end - position, ALIGNMENT)
  }

  #enqueue(read: Read): void {
    // What somebody waits for comes before what is only read ahead, each in its order: nobody is overtaken for ever.
    const firstAhead = read.waiting.length > 0 ? this.#queue.findIndex((each) => each.waiting.length === 0) : -1
    this.#queue.splice(firstAhead < 0 ? this.#queue.length : firstAhead, 0, read)
    this.#startReads()
  }

  #startReads(): void {
    while (this.#reads.length < READS_MAX) {
      const read = this.#queue.shift()
      if (read === undefined) return
      this.#reads.push(read)
      const memory = this.#pool.take(this.#memorySize(read.sizeBytes))
      const target = memory.buffer.subarray(0, read.sizeBytes)
      this.#source.read(read.start, target, (error, readSizeBytes) => this.#finish(read, memory, error, readSizeBytes))
    }
  }

  /** Memory comes in few sizes, so that the pool can give it again. */
  #memorySize(sizeBytes: number): number {
    const { readBlockSizeBytes } = this.#limits
    const small = readBlockSizeBytes / OUT_OF_ORDER_SHARE
    return sizeBytes <= small ? small : Math.max(sizeBytes, readBlockSizeBytes)
  }

  #finish(read: Read, memory: Memory, error: NodeJS.ErrnoException | null, readSizeBytes: number): void {
    this.#reads.splice(this.#reads.indexOf(read), 1)
    if (error !== null) {
      this.#pool.give(memory)
      const text = `reading ${this.#source.describe(read.start)} failed: ${error.message}`
      const failure = new WaybillError('STORAGE_FAILED', text, { cause: error })
      for (const waiter of read.waiting) waiter.callback(this.#source.isAlive(waiter.position) ? failure : null)
    } else {
      this.#add(read, memory, readSizeBytes & ~(ALIGNMENT - 1))
    }
    this.#startReads()
  }

  #add(read: Read, memory: Memory, readSizeBytes: number): void {
    const { sizeBytes, whole } = this.#walk(memory, read.start, readSizeBytes)
    const segmentSizeBytes = this.#limits.segmentSizeBytes
    const end = read.start + sizeBytes
    const segmentEnd = (Math.floor(read.start / segmentSizeBytes) + 1) * segmentSizeBytes
    // What stands after the last whole record is the rest of one that goes on after this read, or the unused end of the segment.
    const next = whole && end < segmentEnd ? end : segmentEnd
    if (sizeBytes === 0) {
      this.#pool.give(memory)
    } else {
      const block: Block = { memory, start: read.start, end, next, inOrder: read.inOrder, usedAt: ++this.#tick }
      this.#giveWay(read.start)
      this.#blocks.push(block)
      this.#sizeBytes += memory.buffer.length
      this.#evict(block)
      if (read.inOrder && read.waiting.length > 0) this.#readAhead(next)
    }
    for (const waiter of read.waiting) this.#answer(waiter.position, waiter.callback, read, memory, readSizeBytes)
  }

  #answer(position: Position, callback: LoadCallback, read: Read, memory: Memory, readSizeBytes: number): void {
    // Whoever waited for a record that nobody refers to any more does not want it now.
    if (this.locate(position) || !this.#source.isAlive(position)) return callback(null)
    const at = position - read.start
    // Not whole in this read, though not at its start: it begins a block of its own.
    if (position !== read.start) {
      const again: Read = {
        start: position,
        sizeBytes: this.#blockSize(position, true),
        inOrder: read.inOrder,
        waiting: [{ position, callback }],
      }
      return this.#enqueue(again)
    }
    const payloadSizeBytes = readSizeBytes >= RECORD_HEAD_SIZE ? (memory.words[(at >> 2) + 1] as number) : -1
    const { segmentSizeBytes, recordSizeBytesMax } = this.#limits
    const size = payloadSizeBytes < 0 || payloadSizeBytes > recordSizeBytesMax ? 0 : recordSize(payloadSizeBytes)
    const fits = position + size <= (Math.floor(position / segmentSizeBytes) + 1) * segmentSizeBytes
    if (size > read.sizeBytes && fits) {
      return this.#enqueue({ start: position, sizeBytes: size, inOrder: read.inOrder, waiting: [{ position, callback }] })
    }
    callback(
      new WaybillError('STORAGE_DAMAGED', `the record at ${this.#source.describe(position)} is damaged; everything else is readable`),
    )
  }

  /** Follows the lengths of records from the start. `whole` is false when what follows is no record at all. */
  #walk(memory: Memory, start: Position, readSizeBytes: number): { sizeBytes: number; whole: boolean } {
    let at = 0
    while (readSizeBytes - at >= RECORD_HEAD_SIZE) {
      if (beginsWithSalt(memory.view, at, this.#salt)) {
        if (readSizeBytes - at < COMMIT_HEAD_SIZE) break
        if (!this.#head.read(memory, at, this.#salt, start + at)) return { sizeBytes: at, whole: false }
        at += COMMIT_HEAD_SIZE
        continue
      }
      const payloadSizeBytes = memory.words[(at >> 2) + 1] as number
      const kind = memory.words[(at >> 2) + 2] as number
      if (kind < 1 || kind > 255 || payloadSizeBytes < 0 || payloadSizeBytes > this.#limits.recordSizeBytesMax) {
        return { sizeBytes: at, whole: false }
      }
      const size = recordSize(payloadSizeBytes)
      if (size > readSizeBytes - at) break
      at += size
    }
    return { sizeBytes: at, whole: true }
  }

  /** Behind a damaged length a block may end in the middle of a record: from `start` on a new block knows better. */
  #giveWay(start: Position): void {
    for (const block of this.#blocks) if (block.start < start && block.end > start) block.end = start
    const same = this.#blocks.find((block) => block.start === start)
    if (same !== undefined) this.#drop(same)
  }

  #drop(block: Block): void {
    this.#blocks.splice(this.#blocks.indexOf(block), 1)
    this.#sizeBytes -= block.memory.buffer.length
    this.#pool.give(block.memory)
    if (this.#hit === block) this.#hit = NO_BLOCK
  }

  #evict(newest: Block): void {
    while (this.#sizeBytes > this.#limits.readCacheSizeBytes && this.#blocks.length > 1) {
      let oldest: Block | undefined
      for (const block of this.#blocks) if (block !== newest && (oldest === undefined || block.usedAt < oldest.usedAt)) oldest = block
      if (oldest === undefined) return
      this.#drop(oldest)
    }
  }

  #find(position: Position): Block | undefined {
    for (const block of this.#blocks) if (position >= block.start && position < block.end) return block
    return undefined
  }
}

function covers(read: Read, position: Position): boolean {
  return position >= read.start && position < read.start + read.sizeBytes
}
