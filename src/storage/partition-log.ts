/**
 * The log of one stream partition: the journal's format in segments of its own, written with the storage's commits.
 *
 * A record is a batch; its payload begins with the batch's first offset, time and count of messages (docs/formats/journal.md). What the log knows
 * comes from its own files alone: the last segment is read when the log is opened, earlier ones have an index beside them.
 */
import { assert } from '../base/assert.ts'
import type { Clock } from '../base/clock.ts'
import { WaybillError } from '../base/errors.ts'
import { readAt } from './checkpoint.ts'
import type { MemoryPool } from './chunk.ts'
import { CommitWriter } from './commit-writer.ts'
import type { Disk } from './disk.ts'
import { Journal } from './journal.ts'
import type { StorageLimits } from './limits.ts'
import { PartitionIndex } from './partition-index.ts'
import { allocateMemory, COMMIT_HEAD_SIZE, CommitHead, readUint53, writeUint53 } from './record.ts'
import type { Salt } from './record.ts'
import { TailReader } from './recovery.ts'
import type { TailEnd } from './recovery.ts'
import { SegmentFiles } from './segment-files.ts'
import { SegmentTable } from './segment-table.ts'
import type { PartitionLog, PartitionRead, Position } from './storage.ts'

const BATCH = 1
const BATCH_HEAD_SIZE = 20
const INDEX_SUFFIX = '.index'
/** Indexes of complete segments that are kept in memory. */
const INDEXES_KEPT = 4

/** What a partition needs of its storage. */
export interface PartitionParts {
  readonly disk: Disk
  readonly clock: Clock
  readonly salt: Salt
  readonly limits: StorageLimits
  readonly pool: MemoryPool
  /** Its part of the commit under way is on the disk. */
  readonly written: () => void
  readonly full: (full: boolean) => void
  readonly failed: (error: WaybillError) => void
}

/** What is known of a segment without its index. */
interface SegmentSummary {
  readonly number: number
  readonly firstOffset: number
  timeMaxMs: number
  /** The index, while it is in memory; that of the last segment always is. */
  index: PartitionIndex | undefined
}

/** The name of a partition's folder: any name, as one that every file system takes. */
function partitionFolder(name: string): string {
  return `streams/${encodeURIComponent(name).replaceAll('.', '%2E')}/`
}

/** One partition that is open. */
export class StreamPartition implements PartitionLog {
  nextOffset = 0
  durableOffset = 0
  readonly #disk: Disk
  readonly #folder: string
  readonly #salt: Salt
  readonly #limits: StorageLimits
  readonly #files: SegmentFiles
  readonly #table: SegmentTable
  readonly #journal: Journal
  readonly #writer: CommitWriter
  /** The segments, the oldest first; the last one is appended to. */
  #segments: SegmentSummary[] = []
  /** Where its part of the commit under way ends; -1 while there is none. */
  #inFlightOffset = -1
  #inFlightEnd: Position = 0
  /** Complete segments whose index is not in its file yet. */
  #unindexed: SegmentSummary[] = []

  constructor(name: string, parts: PartitionParts) {
    const { disk, clock, salt, limits, pool } = parts
    this.#disk = disk
    this.#folder = partitionFolder(name)
    this.#salt = salt
    // The file ends where the data ends: nothing is allocated ahead, and no spares are kept.
    this.#limits = { ...limits, allocationAheadSizeBytes: 0, spareSegmentsMax: 0 }
    this.#files = new SegmentFiles(disk, this.#folder, clock, this.#limits, { allocationFull: parts.full, failed: parts.failed })
    this.#table = new SegmentTable(limits.segmentSizeBytes, (number) => this.#files.retire(number))
    this.#journal = new Journal({ salt, clock, limits: this.#limits, pool, files: this.#files, table: this.#table })
    this.#writer = new CommitWriter(this.#files, clock, { written: parts.written, writingFull: parts.full, failed: parts.failed })
  }

  get firstOffset(): number {
    return this.#segments[0]?.firstOffset ?? this.nextOffset
  }

  get diskSizeBytes(): number {
    return this.#files.sizeBytes
  }

  /** Reads what is on the disk. @throws WaybillError STORAGE_DAMAGED */
  async open(): Promise<void> {
    const names = await this.#disk.list()
    const numbers = await this.#files.adopt(names)
    await this.#clear(names, numbers)
    if (numbers.length === 0) return
    const reader = new TailReader(this.#files, numbers, this.#salt, this.#limits)
    // Where the last segment holds nothing but the torn end of a commit, that commit began in the one before.
    let last = numbers.length - 1
    let index = new PartitionIndex()
    let end = await this.#replay(reader, numbers[last] as number, index)
    while (index.count === 0 && last > 0) {
      index = new PartitionIndex()
      end = await this.#replay(reader, numbers[--last] as number, index)
    }
    for (const number of numbers.slice(0, last)) await this.#openComplete(number, names)
    const number = numbers[last] as number
    await reader.neutralise(end.position)
    for (const each of numbers) if (this.#files.has(each)) this.#table.add(each)
    this.#table.recovering = false
    this.#journal.resume(end.position, end.sequence)
    this.#inFlightEnd = end.position
    if (index.count > 0) this.#segments.push({ number, firstOffset: index.offsetOf(0), timeMaxMs: index.timeMaxMs, index })
    this.durableOffset = this.nextOffset
  }

  append(batch: Uint8Array, messageCount: number, timestampMs: number): number {
    assert(messageCount > 0, 'a batch has messages')
    const journal = this.#journal
    const position = journal.reserve(BATCH, BATCH_HEAD_SIZE + batch.length)
    const { view, buffer, offset } = journal
    writeUint53(view, offset, this.nextOffset)
    view.setFloat64(offset + 8, timestampMs, true)
    view.setUint32(offset + 16, messageCount, true)
    buffer.set(batch, offset + BATCH_HEAD_SIZE)
    journal.seal()
    const first = this.nextOffset
    const segment = this.#segmentFor(position, first)
    segment.index?.add(first, timestampMs, position)
    segment.timeMaxMs = Math.max(segment.timeMaxMs, timestampMs)
    this.nextOffset += messageCount
    return first
  }

  async read(offset: number, sizeBytesMax: number): Promise<PartitionRead> {
    const from = Math.max(offset, this.firstOffset)
    if (from >= this.durableOffset) return { baseOffset: this.durableOffset, batches: [], nextOffset: this.durableOffset }
    const segment = this.#segments.findLast((each) => each.firstOffset <= from) as SegmentSummary
    const index = await this.#indexOf(segment)
    const batches: Uint8Array[] = []
    const firstIndex = index.find(from)
    let nextOffset = index.offsetOf(firstIndex)
    let sizeBytes = 0
    for (let i = firstIndex; i < index.count && nextOffset < this.durableOffset; i++) {
      const position = index.positionOf(i)
      await this.#load(position)
      // Others may have located something since; in this turn what was loaded is still there.
      assert(this.#journal.locate(position), 'a record that was loaded is there until the turn ends')
      const { foundBuffer, foundView, foundOffset, foundSizeBytes } = this.#journal
      const batchSizeBytes = foundSizeBytes - BATCH_HEAD_SIZE
      if (batches.length > 0 && sizeBytes + batchSizeBytes > sizeBytesMax) break
      batches.push(Uint8Array.prototype.slice.call(foundBuffer, foundOffset + BATCH_HEAD_SIZE, foundOffset + foundSizeBytes))
      sizeBytes += batchSizeBytes
      nextOffset = index.offsetOf(i) + foundView.getUint32(foundOffset + 16, true)
    }
    return { baseOffset: index.offsetOf(firstIndex), batches, nextOffset }
  }

  async offsetAt(timestampMs: number): Promise<number> {
    for (const segment of this.#segments) {
      if (segment.timeMaxMs < timestampMs) continue
      const index = await this.#indexOf(segment)
      const found = index.findTime(timestampMs)
      if (found < index.count) return index.offsetOf(found)
    }
    return this.nextOffset
  }

  async trim(offset: number): Promise<void> {
    let kept = 0
    // What is kept begins with something durable, so that a crash does not lose the count of offsets.
    const before = Math.min(offset, this.durableOffset - 1)
    while (kept + 1 < this.#segments.length && (this.#segments[kept + 1] as SegmentSummary).firstOffset <= before) kept++
    const dropped = this.#segments.splice(0, kept)
    if (dropped.length === 0) return
    this.#unindexed = this.#unindexed.filter((segment) => !dropped.includes(segment))
    this.#table.cover((this.#segments[0] as SegmentSummary).number)
    const names = await this.#disk.list()
    for (const { number } of dropped) if (names.includes(this.#indexName(number))) await this.#disk.remove(this.#indexName(number))
  }

  // What follows is for the storage.

  get hasOpenCommit(): boolean {
    return this.#journal.hasOpenCommit
  }

  /** Bytes that are appended and not on the disk. */
  get unsyncedSizeBytes(): number {
    return this.#journal.end - this.#inFlightEnd
  }

  /** Starts writing what is open as its part of a commit. */
  startWrite(): void {
    this.#inFlightOffset = this.nextOffset
    this.#inFlightEnd = this.#journal.end
    this.#writer.write(this.#journal.cut())
  }

  /** The commit that `startWrite` was for is durable in all its parts. */
  settle(): void {
    if (this.#inFlightOffset < 0) return
    this.durableOffset = this.#inFlightOffset
    this.#inFlightOffset = -1
    this.#journal.evict(this.#inFlightEnd, this.#limits.cacheSizeBytes)
    const complete = this.#unindexed.filter((segment) => segment.number < this.#table.numberOf(this.#inFlightEnd - 1))
    if (complete.length > 0) void this.#writeIndexes(complete)
  }

  /** Lets go of memory that only makes reading faster. */
  shrink(): void {
    this.#journal.shrink(this.#inFlightEnd)
  }

  async close(): Promise<void> {
    this.#writer.stop()
    await this.#files.close()
  }

  /** The segment that a batch at `position` belongs to; a new one begins when it is the first there. */
  #segmentFor(position: Position, offset: number): SegmentSummary {
    const number = this.#table.numberOf(position)
    const last = this.#segments.at(-1)
    if (last?.number === number) return last
    if (last !== undefined) this.#unindexed.push(last)
    const segment: SegmentSummary = { number, firstOffset: offset, timeMaxMs: -Infinity, index: new PartitionIndex() }
    this.#segments.push(segment)
    return segment
  }

  /** Removes indexes whose segment was trimmed. @throws WaybillError STORAGE_DAMAGED when a segment in the middle is missing */
  async #clear(names: readonly string[], numbers: readonly number[]): Promise<void> {
    for (const [i, number] of numbers.entries()) {
      if (i === 0 || number === (numbers[i - 1] as number) + 1) continue
      const missing = this.#files.describe((number - 1) * this.#limits.segmentSizeBytes)
      throw new WaybillError('STORAGE_DAMAGED', `a segment of a stream is missing: ${missing}`)
    }
    const kept = new Set(numbers.map((number) => this.#indexName(number)))
    for (const name of names)
      if (name.startsWith(this.#folder) && name.endsWith(INDEX_SUFFIX) && !kept.has(name)) await this.#disk.remove(name)
  }

  /** Reads the end of the log from the start of a segment on. */
  async #replay(reader: TailReader, number: number, index: PartitionIndex): Promise<TailEnd> {
    const sequence = Math.max(1, await this.#firstSequence(number))
    const start = number * this.#limits.segmentSizeBytes
    return reader.replay(start, sequence, false, (_kind, position, _buffer, view, offset) => this.#note(index, position, view, offset))
  }

  #note(index: PartitionIndex, position: Position, view: DataView, offset: number): void {
    const first = readUint53(view, offset)
    index.add(first, view.getFloat64(offset + 8, true), position)
    this.nextOffset = first + view.getUint32(offset + 16, true)
  }

  #load(position: Position): Promise<void> {
    if (this.#journal.locate(position)) return Promise.resolve()
    return new Promise((resolve, reject) => {
      this.#journal.load(position, (error) => {
        if (error !== null) reject(error)
        else if (this.#journal.locate(position)) resolve()
        else reject(new WaybillError('NOT_FOUND', `the batch at ${this.#files.describe(position)} was trimmed`))
      })
    })
  }

  /** Sequence number of the part at the start of a segment; 0 when there is none. */
  async #firstSequence(number: number): Promise<number> {
    const memory = allocateMemory(COMMIT_HEAD_SIZE)
    const file = await this.#files.open(number)
    const bytes = await readAt(file, 0, COMMIT_HEAD_SIZE, memory.buffer)
    const head = new CommitHead()
    if (bytes.length < COMMIT_HEAD_SIZE || !head.read(memory, 0, this.#salt, number * this.#limits.segmentSizeBytes)) return 0
    return head.sequence
  }

  #indexName(number: number): string {
    return this.#files.nameOf(number).replace(/\.segment$/, INDEX_SUFFIX)
  }

  async #openComplete(number: number, names: readonly string[]): Promise<void> {
    const stored = names.includes(this.#indexName(number)) ? await this.#readIndex(number) : undefined
    const index = stored ?? (await this.#scan(number))
    if (index.count === 0) return
    const segment: SegmentSummary = { number, firstOffset: index.offsetOf(0), timeMaxMs: index.timeMaxMs, index: undefined }
    this.#segments.push(segment)
    if (stored !== undefined) return
    segment.index = index
    await this.#writeIndexes([segment])
    segment.index = undefined
  }

  async #indexOf(segment: SegmentSummary): Promise<PartitionIndex> {
    if (segment.index !== undefined) return segment.index
    const index = (await this.#readIndex(segment.number)) ?? (await this.#scan(segment.number))
    const loaded = this.#segments.filter(
      (each) => each.index !== undefined && each !== this.#segments.at(-1) && !this.#unindexed.includes(each),
    )
    if (loaded.length >= INDEXES_KEPT) (loaded[0] as SegmentSummary).index = undefined
    return (segment.index = index)
  }

  async #readIndex(number: number): Promise<PartitionIndex | undefined> {
    try {
      const file = await this.#disk.open(this.#indexName(number), false)
      try {
        return PartitionIndex.fromBytes(await readAt(file, 0, await file.size()))
      } finally {
        await file.close()
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw error
    }
  }

  /** Makes the index of a complete segment from the segment itself, as far as it is readable. */
  async #scan(number: number): Promise<PartitionIndex> {
    const index = new PartitionIndex()
    const nextOffset = this.nextOffset
    const start = number * this.#limits.segmentSizeBytes
    const reader = new TailReader(this.#files, [number], this.#salt, this.#limits)
    await reader.readSegment(start, (_kind, position, _buffer, view, offset) => this.#note(index, position, view, offset))
    this.nextOffset = nextOffset
    return index
  }

  /** An index that cannot be written is made again when it is needed: nothing is lost. */
  async #writeIndexes(segments: readonly SegmentSummary[]): Promise<void> {
    this.#unindexed = this.#unindexed.filter((segment) => !segments.includes(segment))
    for (const segment of segments) {
      const bytes = segment.index?.toBytes()
      if (bytes === undefined) continue
      try {
        const file = await this.#disk.open(this.#indexName(segment.number), true)
        try {
          await file.truncate(0)
          await file.write(bytes, 0)
          await file.datasync()
        } finally {
          await file.close()
        }
      } catch {
        return
      }
    }
  }
}
