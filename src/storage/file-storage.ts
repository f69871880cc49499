/**
 * The storage of a server on one folder of a disk: journal, memory log, checkpoints and stream partitions put together.
 * See storage.ts for what is promised, record.ts and checkpoint.ts for the formats.
 */
import { assert } from '../base/assert.ts'
import type { Clock, Timer } from '../base/clock.ts'
import { WaybillError } from '../base/errors.ts'
import type { Random } from '../base/random.ts'
import { checkpointNames, isUnfinishedCheckpoint, readCheckpoint, writeCheckpoint } from './checkpoint.ts'
import type { Checkpoint, CheckpointHead } from './checkpoint.ts'
import { MemoryPool } from './chunk.ts'
import { CleanMark } from './clean-mark.ts'
import { CommitWriter } from './commit-writer.ts'
import type { Disk } from './disk.ts'
import { diskError } from './disk-error.ts'
import { readFormat, writeFormat } from './folder-format.ts'
import type { FolderFormat } from './folder-format.ts'
import { Journal } from './journal.ts'
import { storageLimits } from './limits.ts'
import type { StorageLimits } from './limits.ts'
import { MemoryLog } from './memory-log.ts'
import { StreamPartition } from './partition-log.ts'
import { Pressure } from './pressure.ts'
import { TailReader } from './recovery.ts'
import { JOURNAL_FOLDER, segmentBaseOf, SegmentFiles } from './segment-files.ts'
import { SegmentTable } from './segment-table.ts'
import type { Segment } from './segment-table.ts'
import type { Log, PartitionLog, Position, RecoveryHandler, RecoveryReport, Storage, StorageOwner, StorageUsage } from './storage.ts'

/** Memory of chunks that is kept for the next ones. */
const POOL_SIZE_BYTES = 16 * 1024 * 1024
/** Without commits for this long, what only makes reading faster is given back to the machine. */
const IDLE_MS = 10_000
const CHECKPOINT_RETRY_MS = 5000
/** A segment is worth copying forward when less than this share of it is live. */
const VICTIM_SHARE_MAX = 0.5

/** What a storage is made of. */
export interface StorageOptions {
  readonly disk: Disk
  readonly clock: Clock
  readonly random: Random
  readonly limits?: Partial<StorageLimits>
}

/**
 * Takes the folder of a disk for this process; `recover` and `start` follow.
 * @throws WaybillError STORAGE_LOCKED, STORAGE_VERSION, STORAGE_DAMAGED, STORAGE_FULL, STORAGE_FAILED, FOLDER_NOT_WRITABLE
 */
export async function openStorage(options: StorageOptions): Promise<Storage> {
  const { disk, clock, random } = options
  await disk.lock()
  try {
    const limits = storageLimits(options.limits)
    const names = await disk.list()
    let format = await readFormat(disk, names)
    const created = format === undefined
    if (format === undefined) {
      const stray = names.find((name) => segmentBaseOf(JOURNAL_FOLDER, name) >= 0)
      if (stray !== undefined)
        throw new WaybillError('STORAGE_DAMAGED', `${disk.path} holds ${stray}, but the file ${disk.path}/format is missing`)
      format = await writeFormat(disk, random, limits.segmentSizeBytes, clock.now())
    }
    return new FileStorage(disk, clock, { ...limits, segmentSizeBytes: format.segmentSizeBytes }, format, created)
  } catch (error) {
    await disk.unlock()
    throw diskError(`opening the data folder ${disk.path}`, error)
  }
}

type State = 'opened' | 'recovered' | 'running' | 'closing' | 'failed' | 'closed'

interface DurabilityWaiter {
  readonly isDone: () => boolean
  readonly resolve: () => void
  readonly reject: (error: WaybillError) => void
}

/** A checkpoint that is on the disk. */
interface StoredCheckpoint {
  readonly name: string
  readonly sizeBytes: number
  readonly replayStart: Position
}

class FileStorage implements Storage {
  readonly journal: Journal
  readonly memory: MemoryLog
  watermark: Position = 0

  readonly #disk: Disk
  readonly #clock: Clock
  readonly #limits: StorageLimits
  readonly #format: FolderFormat
  readonly #created: boolean
  readonly #pool = new MemoryPool(POOL_SIZE_BYTES)
  readonly #files: SegmentFiles
  readonly #table: SegmentTable
  readonly #writer: CommitWriter
  readonly #pressure: Pressure
  readonly #cleanMark: CleanMark
  #state: State = 'opened'
  #owner: StorageOwner | undefined
  #failure: WaybillError | undefined

  // The commit under way.
  #inFlight = false
  #inFlightEnd: Position = 0
  #inFlightEmptied: Segment[] | undefined
  #inFlightWriteCount = 0
  /** The owner asked for a commit while one was under way. */
  #wanted = false
  /** The owner is appending what it gathered: asking for a commit meanwhile asks for nothing more. */
  #asking = false
  #waiters: DurabilityWaiter[] = []

  readonly #opening = new Map<string, Promise<PartitionLog>>()
  readonly #partitions: StreamPartition[] = []
  #checkpoints: StoredCheckpoint[] = []
  #checkpointing: Promise<void> | undefined
  #checkpointAsked = false
  #tailStart: Position = 0
  #compactionToCheck = false
  #idleTimer: Timer | undefined
  #commitCount = 0

  constructor(disk: Disk, clock: Clock, limits: StorageLimits, format: FolderFormat, created: boolean) {
    this.#disk = disk
    this.#clock = clock
    this.#limits = limits
    this.#format = format
    this.#created = created
    this.#cleanMark = new CleanMark(disk)
    this.#pressure = new Pressure(limits.unsyncedSizeBytesMax, (paused, reason) => this.#owner?.pressure(paused, reason))
    const failed = (error: WaybillError): void => this.#fail(error)
    const full = (isFull: boolean): void => this.#pressure.full(isFull)
    this.#files = new SegmentFiles(disk, JOURNAL_FOLDER, clock, limits, { allocationFull: full, failed })
    this.#table = new SegmentTable(limits.segmentSizeBytes, (number) => this.#segmentDied(number))
    this.#writer = new CommitWriter(this.#files, clock, { written: () => this.#partWritten(), writingFull: full, failed })
    const { salt } = format
    this.journal = new Journal({ salt, clock, limits, pool: this.#pool, files: this.#files, table: this.#table })
    this.memory = new MemoryLog(clock, limits, this.#pool)
  }

  logOf(position: Position): Log {
    return position < 0 ? this.memory : this.journal
  }

  async recover(handler: RecoveryHandler): Promise<RecoveryReport> {
    assert(this.#state === 'opened', 'a storage is recovered once')
    try {
      return await this.#recover(handler)
    } catch (error) {
      throw diskError(`reading the data folder ${this.#disk.path}`, error)
    }
  }

  async #recover(handler: RecoveryHandler): Promise<RecoveryReport> {
    const names = await this.#disk.list()
    const numbers = await this.#files.adopt(names)
    for (const number of numbers) this.#table.add(number)
    const cleanPosition = await this.#cleanMark.read(names)
    const checkpoint = await this.#readNewestCheckpoint(names, handler)
    const from = checkpoint?.position ?? 0
    const reader = new TailReader(this.#files, numbers, this.#format.salt, this.#limits)
    const clean = checkpoint !== undefined && cleanPosition === from
    let recordCount = 0
    const start = checkpoint?.replayStart ?? 0
    if (start % this.#limits.segmentSizeBytes > 0 && !this.#files.has(this.#table.numberOf(start))) {
      throw new WaybillError(
        'STORAGE_DAMAGED',
        `the journal segment that the checkpoint ends in is missing: ${this.#files.describe(start)}`,
      )
    }
    const end = await reader.replay(start, checkpoint?.replaySequence ?? 1, clean, (kind, position, buffer, view, offset, sizeBytes) => {
      if (position < from) return
      recordCount++
      const segment = this.#table.get(this.#table.numberOf(position)) as Segment
      segment.firstReferenceCount++
      segment.referencedSizeBytes += sizeBytes
      handler.record(kind, position, buffer, view, offset, sizeBytes)
    })
    if (end.position < from) {
      const text = `the journal ends at ${this.#files.describe(end.position)}, before the checkpoint ${this.#disk.path}/${checkpoint?.name ?? ''}`
      throw new WaybillError('STORAGE_DAMAGED', text)
    }
    if (!clean) {
      await reader.secureLast()
      await reader.neutralise(end.position)
    }
    for (const number of numbers) if (!this.#files.has(number)) this.#table.forget(number)
    await this.#cleanMark.remove()
    this.journal.resume(end.position, end.sequence)
    this.watermark = end.position
    this.#state = 'recovered'
    return { clean: clean || this.#created, cutSizeBytes: end.cutSizeBytes, recordCount, created: this.#created }
  }

  start(owner: StorageOwner): void {
    assert(this.#state === 'recovered', 'a storage is started once, after recovery')
    this.#state = 'running'
    this.#owner = owner
    this.#table.recovering = false
    this.#table.cover(this.#table.numberOf(this.#tailStart))
    this.#files.prepare(this.#table.numberOf(this.watermark))
    this.memory.grown = () => this.#lookAtMemory()
    if (this.#failure !== undefined) owner.failed(this.#failure)
  }

  #lookAtMemory(): void {
    if (this.#state !== 'running') return
    this.memory.sweep()
    const victim = this.memory.takeVictim()
    if (victim !== undefined) this.#owner?.compactionDue(victim)
  }

  commit(): void {
    if (this.#state !== 'running') return
    this.#lookAtMemory()
    this.#pressure.unsynced(this.#unsyncedSizeBytes())
    if (this.#inFlight || this.#asking) this.#wanted = true
    else this.#cut(true)
  }

  async checkpoint(parts: readonly Uint8Array[]): Promise<void> {
    assert(this.#state === 'running' || this.#state === 'closing', 'a checkpoint is taken while the storage runs')
    assert(this.#checkpointing === undefined, 'one checkpoint at a time')
    this.#checkpointing = this.#checkpoint(parts)
    try {
      await this.#checkpointing
    } catch (error) {
      this.#askLater()
      throw diskError(`writing a checkpoint to ${this.#disk.path}`, error)
    } finally {
      this.#checkpointing = undefined
    }
  }

  usage(): StorageUsage {
    const partitionSizeBytes = this.#partitions.reduce((sum, partition) => sum + partition.diskSizeBytes, 0)
    const checkpointSizeBytes = this.#checkpoints.reduce((sum, checkpoint) => sum + checkpoint.sizeBytes, 0)
    return {
      diskSizeBytes: this.#files.sizeBytes + checkpointSizeBytes + partitionSizeBytes,
      liveSizeBytes: this.#table.liveSizeBytes,
      memorySizeBytes: this.#pool.sizeBytes,
      segmentCount: this.#table.count,
    }
  }

  async close(parts: readonly Uint8Array[]): Promise<void> {
    if (this.#state === 'closed') return
    try {
      if (this.#state === 'running') {
        this.#state = 'closing'
        await this.#checkpointing?.catch(() => undefined)
        await this.checkpoint(parts)
        await this.#whenDone(() => !this.#inFlight && !this.#hasOpenCommit)
        await this.#cleanMark.write(this.journal.end)
      }
    } finally {
      this.#state = 'closed'
      this.#idleTimer?.cancel()
      this.#writer.stop()
      await this.#files.close()
      for (const partition of this.#partitions) await partition.close()
      await this.#disk.unlock()
    }
  }

  openPartition(name: string): Promise<PartitionLog> {
    assert(this.#state === 'recovered' || this.#state === 'running', 'partitions are opened after recovery')
    const known = this.#opening.get(name)
    if (known !== undefined) return known
    const opening = this.#openPartition(name)
    this.#opening.set(name, opening)
    opening.catch(() => this.#opening.delete(name))
    return opening
  }

  async #openPartition(name: string): Promise<PartitionLog> {
    const partition = new StreamPartition(name, {
      disk: this.#disk,
      clock: this.#clock,
      salt: this.#format.salt,
      limits: this.#limits,
      pool: this.#pool,
      written: () => this.#partWritten(),
      full: (full) => this.#pressure.full(full),
      failed: (error) => this.#fail(error),
    })
    await partition.open()
    this.#partitions.push(partition)
    return partition
  }

  /** Reads the newest checkpoint that is whole, its parts going to the handler. A damaged one gives way to the one before it. */
  async #readNewestCheckpoint(names: readonly string[], handler: RecoveryHandler): Promise<Checkpoint | undefined> {
    for (const name of names.filter(isUnfinishedCheckpoint)) await this.#disk.remove(name)
    let firstError: WaybillError | undefined
    const candidates = checkpointNames(names)
    for (const name of candidates) {
      try {
        const checkpoint = await readCheckpoint(this.#disk, this.#format.salt, name, (part) => handler.checkpointPart(part))
        // Without the segments from its position on it cannot be completed.
        if (firstError !== undefined && !this.#files.has(this.#table.numberOf(checkpoint.replayStart))) break
        this.#adopt(checkpoint)
        return checkpoint
      } catch (error) {
        if (!(error instanceof WaybillError) || error.code !== 'STORAGE_DAMAGED') throw error
        firstError ??= error
      }
    }
    if (firstError !== undefined) throw firstError
    return undefined
  }

  #adopt(checkpoint: Checkpoint): void {
    this.#checkpoints.push(checkpoint)
    this.#tailStart = checkpoint.replayStart
    for (const { number, firstReferenceCount, referencedSizeBytes } of checkpoint.segments) {
      const segment = this.#table.get(number)
      if (segment === undefined) continue
      segment.firstReferenceCount = firstReferenceCount
      segment.referencedSizeBytes = referencedSizeBytes
    }
  }

  /** Starts writing what is there. `ask`: let the owner append what it gathered first. */
  #cut(ask: boolean): void {
    this.#wanted = false
    if (ask) {
      this.#asking = true
      this.#owner?.beforeCommit()
      this.#asking = false
      this.#wanted = false
    }
    const emptied = this.#table.takeEmptied()
    const isJournalOpen = this.journal.hasOpenCommit
    let writeCount = isJournalOpen ? 1 : 0
    for (const partition of this.#partitions) if (partition.hasOpenCommit) writeCount++
    if (writeCount === 0) {
      // Nothing is to be written, so nothing can bring back the references of these.
      if (emptied !== undefined) this.#table.settle(emptied)
      return
    }
    this.#inFlight = true
    this.#inFlightEnd = this.journal.end
    this.#inFlightEmptied = emptied
    this.#inFlightWriteCount = writeCount
    for (const partition of this.#partitions) if (partition.hasOpenCommit) partition.startWrite()
    if (isJournalOpen) this.#writer.write(this.journal.cut())
  }

  /** The commit is durable when the journal and all partitions that had something are. */
  #partWritten(): void {
    if (--this.#inFlightWriteCount === 0) this.#written()
  }

  get #hasOpenCommit(): boolean {
    return this.journal.hasOpenCommit || this.#partitions.some((partition) => partition.hasOpenCommit)
  }

  #unsyncedSizeBytes(): number {
    let sizeBytes = this.journal.end - this.watermark
    for (const partition of this.#partitions) sizeBytes += partition.unsyncedSizeBytes
    return sizeBytes
  }

  /** A commit is on the disk. The next one is started before the owner hears of it: the disk works while confirms go out. */
  #written(): void {
    if (this.#state === 'failed' || this.#state === 'closed') return
    this.#inFlight = false
    this.#commitCount++
    this.watermark = this.#inFlightEnd
    if (this.#inFlightEmptied !== undefined) this.#table.settle(this.#inFlightEmptied)
    this.journal.evict(this.watermark, this.#limits.cacheSizeBytes)
    for (const partition of this.#partitions) partition.settle()
    this.#files.advance(this.watermark)
    const watermark = this.watermark
    if (this.#state === 'running' && (this.#wanted || this.#hasOpenCommit)) this.#cut(true)
    this.#wakeWaiters()
    this.#pressure.unsynced(this.#unsyncedSizeBytes())
    this.#owner?.committed(watermark)
    this.#askIfDue()
    this.#armIdleTimer()
  }

  #wakeWaiters(): void {
    if (this.#waiters.length === 0) return
    const waiters = this.#waiters
    this.#waiters = waiters.filter((waiter) => !waiter.isDone())
    for (const waiter of waiters) if (waiter.isDone()) waiter.resolve()
    if (this.#waiters.length > 0 && !this.#inFlight && this.#hasOpenCommit) this.#cut(false)
  }

  /** Resolves when a condition holds that commits bring about, such as that everything up to a position is on the disk. */
  #whenDone(isDone: () => boolean): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    if (!this.#inFlight && this.#hasOpenCommit) this.#cut(false)
    if (isDone()) return Promise.resolve()
    return new Promise((resolve, reject) => this.#waiters.push({ isDone, resolve, reject }))
  }

  async #checkpoint(parts: readonly Uint8Array[]): Promise<void> {
    const { journal } = this
    const head: CheckpointHead = {
      position: journal.end,
      replayStart: journal.replayStart,
      replaySequence: journal.replaySequence,
      segments: this.#table.statistics(),
    }
    const ready = this.#whenDone(() => this.watermark >= head.position)
    ready.catch(() => undefined)
    const { name, sizeBytes } = await writeCheckpoint(this.#disk, this.#format.salt, head, parts, ready)
    if (this.#failure !== undefined) throw this.#failure
    await this.#supersede({ name, sizeBytes, replayStart: head.replayStart })
    this.#checkpointAsked = false
    this.#compactionToCheck = true
    if (this.#state === 'running') this.#askIfDue()
  }

  /** A newer checkpoint is durable: what only the older ones needed goes. */
  async #supersede(checkpoint: StoredCheckpoint): Promise<void> {
    const { name, replayStart } = checkpoint
    const usedSegments = this.#table.numberOf(replayStart) - this.#table.numberOf(this.#tailStart)
    this.#tailStart = replayStart
    this.#table.cover(this.#table.numberOf(replayStart))
    this.#files.trimSpares(Math.min(this.#limits.spareSegmentsMax, usedSegments + 1))
    const older = this.#checkpoints.filter((each) => each.name !== name)
    const previous = older.at(-1)
    this.#checkpoints = [checkpoint]
    for (const each of older) {
      // The one before serves if the newest is damaged, as long as all of its tail is there.
      if (each === previous && this.#files.has(this.#table.numberOf(each.replayStart))) this.#checkpoints.unshift(each)
      else await this.#disk.remove(each.name)
    }
  }

  /** A checkpoint failed: the owner is asked again, but not at once. */
  #askLater(): void {
    this.#clock.setTimer(CHECKPOINT_RETRY_MS, () => {
      this.#checkpointAsked = false
      this.#askIfDue()
    })
  }

  #askIfDue(): void {
    const owner = this.#owner
    if (owner === undefined || this.#state !== 'running') return
    const lastSizeBytes = this.#checkpoints.at(-1)?.sizeBytes ?? 0
    const dueSizeBytes = Math.max(this.#limits.checkpointTailSizeBytes, 4 * lastSizeBytes)
    if (!this.#checkpointAsked && this.#checkpointing === undefined && this.watermark - this.#tailStart > dueSizeBytes) {
      this.#checkpointAsked = true
      owner.checkpointDue()
    }
    if (this.#compactionToCheck) this.#askForCompaction(owner, dueSizeBytes)
  }

  #askForCompaction(owner: StorageOwner, tailSizeBytes: number): void {
    this.#compactionToCheck = false
    const usedSizeBytes = this.#table.count * this.#limits.segmentSizeBytes
    if (usedSizeBytes <= 2 * this.#table.liveSizeBytes + tailSizeBytes + 2 * this.#limits.segmentSizeBytes) return
    const victim = this.#table.victim(VICTIM_SHARE_MAX)
    if (victim !== undefined) owner.compactionDue(victim)
  }

  #segmentDied(number: number): void {
    this.#compactionToCheck = true
    this.#files.retire(number)
  }

  #armIdleTimer(): void {
    if (this.#idleTimer !== undefined || this.#state !== 'running') return
    const commitCount = this.#commitCount
    this.#idleTimer = this.#clock.setTimer(IDLE_MS, () => {
      this.#idleTimer = undefined
      if (this.#state !== 'running') return
      if (this.#commitCount !== commitCount) return this.#armIdleTimer()
      this.journal.shrink(this.watermark)
      for (const partition of this.#partitions) partition.shrink()
      this.#pool.clear()
      this.#files.trimSpares(1)
    })
  }

  #fail(error: WaybillError): void {
    if (this.#failure !== undefined || this.#state === 'closed') return
    this.#failure = error
    const wasRunning = this.#state === 'running' || this.#state === 'closing'
    if (this.#state !== 'opened') this.#state = 'failed'
    const waiters = this.#waiters
    this.#waiters = []
    for (const waiter of waiters) waiter.reject(error)
    if (wasRunning) this.#owner?.failed(error)
  }
}
