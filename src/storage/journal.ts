/**
 * The durable log. Records are written in place into chunks of memory; a commit is what was appended between two cuts, and
 * lies in memory exactly as it will lie in the segments (format: record.ts), so that bringing it to the disk copies nothing.
 *
 * Hot: reserve, seal, retain, release, locate run once per message and allocate nothing (bench/micro/journal.ts measures them).
 */
import { assert } from '../base/assert.ts'
import type { Clock } from '../base/clock.ts'
import { WaybillError } from '../base/errors.ts'
import { checksum } from './checksum.ts'
import { Chunk, ChunkList } from './chunk.ts'
import type { MemoryPool } from './chunk.ts'
import type { CommitPart } from './commit-writer.ts'
import type { StorageLimits } from './limits.ts'
import { ReadCache } from './read-cache.ts'
import { allocateMemory, COMMIT_HEAD_SIZE, CommitHead, PADDING_KIND, RECORD_HEAD_SIZE, recordSize, segmentSeed } from './record.ts'
import type { Memory, Salt } from './record.ts'
import type { SegmentFiles } from './segment-files.ts'
import type { SegmentTable } from './segment-table.ts'
import type { Log, Position, RecordKind } from './storage.ts'

/** A chunk that filled faster than this is followed by a larger one, one that took longer than the other by a smaller one. */
const CHUNK_FAST_MS = 500
const CHUNK_SLOW_MS = 20_000

/** Where and how a journal goes on. */
export interface JournalParts {
  readonly salt: Salt
  readonly clock: Clock
  readonly limits: StorageLimits
  readonly pool: MemoryPool
  readonly files: SegmentFiles
  readonly table: SegmentTable
}

const NO_CHUNK = new Chunk(allocateMemory(0), 0)

/** The journal of a storage. The storage tells it when to cut a commit and what has become durable. */
export class Journal implements Log {
  buffer: Buffer = NO_CHUNK.memory.buffer
  view: DataView = NO_CHUNK.memory.view
  offset = 0
  foundBuffer: Buffer = NO_CHUNK.memory.buffer
  foundView: DataView = NO_CHUNK.memory.view
  foundOffset = 0
  foundSizeBytes = 0
  foundKind = 0

  readonly #salt: Salt
  readonly #clock: Clock
  readonly #limits: StorageLimits
  readonly #pool: MemoryPool
  readonly #files: SegmentFiles
  readonly #table: SegmentTable
  readonly #blocks: ReadCache
  readonly #chunks = new ChunkList()
  #hit: Chunk = NO_CHUNK

  // The chunk appended to: where the next record goes in it, and how far records may go before makeRoom must look
  // (-1 while no commit is open, so that the first record of a commit gets its head).
  #chunk: Chunk = NO_CHUNK
  #words: Int32Array = NO_CHUNK.memory.words
  #base = 0
  #at = 0
  #limit = -1
  #seed = 0
  #recordAt = 0
  #recordEnd = 0
  #lastPosition = 0
  #lastRetained = 0
  #chunkSizeBytes: number
  #chunkStartedAt = 0

  // The part of the open commit that is appended to, and the parts before it.
  readonly #head = new CommitHead()
  #headMemory: Memory = NO_CHUNK.memory
  #headAt = 0
  #isPartOpen = false
  #pieceStart = 0
  #partBuffers: Uint8Array[] = []
  #parts: CommitPart[] = []
  #openStart: Position = 0
  #nextSequence = 1
  #openSequence = 1

  constructor(parts: JournalParts) {
    this.#salt = parts.salt
    this.#clock = parts.clock
    this.#limits = parts.limits
    this.#pool = parts.pool
    this.#files = parts.files
    this.#table = parts.table
    this.#chunkSizeBytes = parts.limits.chunkSizeBytesMin
    const source = {
      read: (position: Position, target: Buffer, callback: (error: NodeJS.ErrnoException | null, sizeBytes: number) => void): void =>
        parts.files.read(position, target, callback),
      readableEnd: (position: Position): Position => Math.min(this.#chunks.baseAfter(position), this.end),
      isAlive: (position: Position): boolean => parts.table.get(parts.table.numberOf(position)) !== undefined,
      describe: (position: Position): string => parts.files.describe(position),
    }
    this.#blocks = new ReadCache(source, parts.salt, parts.limits, parts.pool)
  }

  /** Goes on at a position, with a sequence number: after recovery, before anything is appended. */
  resume(position: Position, sequence: number): void {
    assert(this.#chunk === NO_CHUNK && position % 8 === 0, 'a journal is resumed once, at a multiple of 8')
    this.#base = position
    this.#nextSequence = sequence
  }

  reserve(kind: RecordKind, payloadSizeBytes: number): Position {
    const size = (payloadSizeBytes + 19) & ~7
    if (this.#at + size > this.#limit) this.#makeRoom(kind, payloadSizeBytes)
    const at = this.#at
    const end = at + size
    const words = this.#words
    // The padding after the payload lies in the last two words; the head is written over them where the record is that short.
    const last = end >> 2
    words[last - 1] = 0
    words[last - 2] = 0
    const word = at >> 2
    words[word + 1] = payloadSizeBytes
    words[word + 2] = kind
    this.offset = at + RECORD_HEAD_SIZE
    this.#recordAt = at
    this.#recordEnd = at + RECORD_HEAD_SIZE + payloadSizeBytes
    this.#at = end
    this.#head.recordCount++
    return (this.#lastPosition = this.#base + at)
  }

  seal(): void {
    const at = this.#recordAt
    this.#words[at >> 2] = checksum(this.#words, this.buffer, at + 4, this.#recordEnd, this.#seed)
  }

  get end(): Position {
    return this.#base + this.#at
  }

  retain(position: Position): void {
    const segment = this.#table.retain(position)
    if (position !== this.#lastPosition) return
    segment.firstReferenceCount++
    if (position === this.#lastRetained) return
    this.#lastRetained = position
    segment.referencedSizeBytes += this.#at - this.#recordAt
  }

  release(position: Position): void {
    this.#table.release(position)
  }

  locate(position: Position): boolean {
    let chunk = this.#hit
    if (position < chunk.base || position >= chunk.end) {
      const found = this.#chunks.find(position)
      if (found === undefined) return this.#locateInBlock(position)
      this.#hit = chunk = found
    }
    this.#setFound(chunk.memory, position - chunk.base)
    return true
  }

  load(position: Position, callback: (error: WaybillError | null) => void): void {
    if (!this.locate(position)) {
      this.#blocks.load(position, callback)
      return
    }
    this.#clock.endOfTurn(() => {
      if (this.locate(position)) callback(null)
      else this.#blocks.load(position, callback)
    })
  }

  /** Where reading must begin to see the records from `end` on: the head of the open commit, if there is one. */
  get replayStart(): Position {
    return this.hasOpenCommit ? this.#openStart : this.end
  }

  /** Sequence number of the part at `replayStart`. */
  get replaySequence(): number {
    return this.hasOpenCommit ? this.#openSequence : this.#nextSequence
  }

  get hasOpenCommit(): boolean {
    return this.#isPartOpen || this.#parts.length > 0
  }

  /** Ends the open commit. @returns its parts; their bytes stay as they are */
  cut(): CommitPart[] {
    assert(this.hasOpenCommit, 'there is a commit to cut')
    if (this.#isPartOpen) this.#closePart(false)
    const parts = this.#parts
    this.#parts = []
    this.#limit = -1
    return parts
  }

  /** Bytes in memory: chunks and blocks. */
  get memorySizeBytes(): number {
    return this.#chunks.sizeBytes + this.#blocks.sizeBytes
  }

  /** Gives up chunks that are not needed. To be called from the event loop only, when nothing found is in use. */
  evict(watermark: Position, cacheSizeBytes: number): void {
    if (this.#chunks.count < 2) return
    this.#chunks.evict(
      (chunk, sizeBytes) =>
        chunk !== this.#chunk &&
        chunk.end <= watermark &&
        (sizeBytes > cacheSizeBytes || this.#table.isUnreferenced(chunk.base, Math.max(chunk.base + 1, chunk.end))),
      (chunk) => {
        if (this.#hit === chunk) this.#hit = NO_CHUNK
        this.#pool.give(chunk.memory)
      },
    )
  }

  /** Gives up all memory that only makes reading faster. */
  shrink(watermark: Position): void {
    this.evict(watermark, 0)
    this.#blocks.clear()
  }

  #locateInBlock(position: Position): boolean {
    if (!this.#blocks.locate(position)) return false
    this.#setFound(this.#blocks.foundMemory, this.#blocks.foundAt)
    return true
  }

  #setFound(memory: Memory, at: number): void {
    const word = at >> 2
    this.foundBuffer = memory.buffer
    this.foundView = memory.view
    this.foundOffset = at + RECORD_HEAD_SIZE
    this.foundSizeBytes = memory.words[word + 1] as number
    this.foundKind = (memory.words[word + 2] as number) & 0xff
  }

  /** The slow path of `reserve`: a commit, a chunk or a segment begins. */
  #makeRoom(kind: RecordKind, payloadSizeBytes: number): void {
    assert(kind >= 1 && kind < PADDING_KIND, 'a record has a kind')
    if (payloadSizeBytes > this.#limits.recordSizeBytesMax) {
      throw new WaybillError('MESSAGE_TOO_LARGE', `a record of ${payloadSizeBytes} bytes is larger than ${this.#limits.recordSizeBytesMax}`)
    }
    const segmentSizeBytes = this.#limits.segmentSizeBytes
    const size = recordSize(payloadSizeBytes)
    let needed = this.#isPartOpen ? size : COMMIT_HEAD_SIZE + size
    const end = this.end
    // A part that fills its segment to the last byte still belongs to it.
    const number = this.#isPartOpen ? this.#table.numberOf(this.#head.position) : this.#table.numberOf(end)
    const segmentEnd = (number + 1) * segmentSizeBytes
    if (end + needed > segmentEnd) {
      if (this.#isPartOpen) this.#closePart(true)
      needed = COMMIT_HEAD_SIZE + size
      this.#beginChunk(segmentEnd, needed)
    } else if (this.#at + needed > this.#chunk.capacitySizeBytes || this.#table.numberOf(this.#base) !== number) {
      this.#beginChunk(end, needed)
    }
    if (!this.#isPartOpen) this.#openPart()
    const base = this.#base
    const currentEnd = (this.#table.numberOf(this.#head.position) + 1) * segmentSizeBytes
    this.#limit = Math.min(this.#chunk.capacitySizeBytes, currentEnd - base)
  }

  #beginChunk(base: Position, neededSizeBytes: number): void {
    const now = this.#clock.monotonic()
    if (this.#chunk !== NO_CHUNK) {
      if (this.#isPartOpen) this.#closePiece()
      this.#chunk.end = this.#base + this.#at
      const tookMs = now - this.#chunkStartedAt
      const { chunkSizeBytes, chunkSizeBytesMin } = this.#limits
      if (tookMs < CHUNK_FAST_MS) this.#chunkSizeBytes = Math.min(chunkSizeBytes, this.#chunkSizeBytes * 2)
      else if (tookMs > CHUNK_SLOW_MS) this.#chunkSizeBytes = Math.max(chunkSizeBytesMin, this.#chunkSizeBytes / 2)
    }
    this.#chunkStartedAt = now
    const memory = this.#pool.take(Math.max(this.#chunkSizeBytes, neededSizeBytes))
    const chunk = new Chunk(memory, base)
    this.#chunks.push(chunk)
    this.#chunk = chunk
    this.#words = memory.words
    this.buffer = memory.buffer
    this.view = memory.view
    this.#base = base
    this.#at = 0
    this.#pieceStart = 0
  }

  #openPart(): void {
    const position = this.end
    const number = this.#table.numberOf(position)
    if (this.#table.get(number) === undefined) this.#table.add(number)
    this.#files.prepare(number)
    const head = this.#head
    head.position = position
    head.sequence = this.#nextSequence++
    head.recordCount = 0
    if (this.#parts.length === 0) {
      this.#openStart = position
      this.#openSequence = head.sequence
    }
    this.#isPartOpen = true
    this.#headMemory = this.#chunk.memory
    this.#headAt = this.#at
    this.#pieceStart = this.#at
    this.#at += COMMIT_HEAD_SIZE
    this.#seed = segmentSeed(this.#salt, number)
  }

  #closePart(continues: boolean): void {
    this.#closePiece()
    const head = this.#head
    head.sizeBytes = this.end - head.position
    head.continues = continues
    head.write(this.#headMemory, this.#headAt, this.#salt)
    const segmentNumber = this.#table.numberOf(head.position)
    const offset = head.position - segmentNumber * this.#limits.segmentSizeBytes
    this.#parts.push({ segmentNumber, offset, sizeBytes: head.sizeBytes, buffers: this.#partBuffers })
    this.#partBuffers = []
    this.#isPartOpen = false
  }

  #closePiece(): void {
    if (this.#at > this.#pieceStart) this.#partBuffers.push(this.buffer.subarray(this.#pieceStart, this.#at))
    this.#pieceStart = this.#at
  }
}
