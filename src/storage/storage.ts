/**
 * The storage interface: bytes and positions, never queues.
 *
 * A **log** is a sequence of records. A record's **position** identifies it and tells where its bytes are. Two logs exist per server:
 * the durable journal (positive positions; group commit, recovery) and the memory log (negative positions; gone with the process).
 * Position 0 is never a record, so 0 can mean "none".
 *
 * Contract of the journal:
 * - Records appended within one synchronous call stack land in one **commit**. A commit is whole or absent after a crash.
 * - `watermark` is the position up to which (exclusive) everything is on the disk. It only grows. What waits for durability
 *   waits for `watermark >= end of the record`.
 * - `retain`/`release` count how many references (queue entries) a record has. The space of records without references is
 *   reclaimed, once a checkpoint covers them.
 * - Nothing here allocates per record: a record is written in place into `log.buffer` at `log.offset` after `reserve`.
 */
import type { WaybillError } from '../base/errors.ts'

/** Identity of a record: its logical byte offset. Positive in the journal, negative in the memory log, 0 is none. */
export type Position = number

/** What a record is. Storage stores it and gives it back; its meaning is the broker's. 1 to 254; 0 and 255 are the storage's own. */
export type RecordKind = number

/** A log that records are appended to and read from. Fields that end in `found...` belong to the last successful `locate`. */
export interface Log {
  /** Where the payload of the record being written goes: valid from `reserve` to `seal`. */
  readonly buffer: Buffer
  readonly view: DataView
  /** Offset of the payload's first byte in `buffer` (and in `view`: both have the same origin). */
  readonly offset: number

  /**
   * Opens a record of exactly `payloadSizeBytes`. The caller fills the payload and calls `seal` before anything else happens.
   * @returns the position of the record
   */
  reserve(kind: RecordKind, payloadSizeBytes: number): Position
  /** Ends the record opened by `reserve`: computes its checksum. */
  seal(): void
  /** Position after the last appended record: what `watermark` must reach for it to be durable. */
  readonly end: Position

  /** Counts one more reference to the record. */
  retain(position: Position): void
  /** Counts one reference less. */
  release(position: Position): void

  /**
   * Finds a record in memory (recent buffers, or a block that `load` brought). Sets the found fields and answers true, or answers false.
   * The found bytes are borrowed until the caller returns to the event loop; they must not be changed.
   */
  locate(position: Position): boolean
  readonly foundBuffer: Buffer
  readonly foundView: DataView
  /** Offset of the payload in `foundBuffer` and `foundView`. */
  readonly foundOffset: number
  readonly foundSizeBytes: number
  readonly foundKind: RecordKind

  /**
   * Brings the record (and what follows it) into memory; `callback` is called in a later turn, after which `locate` succeeds within that turn.
   * When the record's last reference went meanwhile, the callback may come without an error and `locate` answer false.
   * Loads of positions in the same block are joined. The checksum of a record is verified when it comes from the disk.
   * The error is STORAGE_DAMAGED (with file and offset) or STORAGE_FAILED.
   */
  load(position: Position, callback: (error: WaybillError | null) => void): void
}

/** Part of the journal that is worth rewriting: mostly dead bytes. References to positions in [start, end) should be copied forward. */
export interface Victim {
  readonly start: Position
  readonly end: Position
}

/** What recovery hands to its owner, in order. */
export interface RecoveryHandler {
  /** The parts of the newest checkpoint in the order they were written; none on a new folder. Borrowed until return. */
  checkpointPart(part: Buffer): void
  /** Each record after the checkpoint. Borrowed until return. */
  record(kind: RecordKind, position: Position, buffer: Buffer, view: DataView, offset: number, sizeBytes: number): void
}

/** What recovery found. */
export interface RecoveryReport {
  /** True when the last owner closed the storage; false after a crash. */
  readonly clean: boolean
  /** Bytes of a torn last commit that were cut. They were never confirmed to anybody. */
  readonly cutSizeBytes: number
  readonly recordCount: number
  /** True when the folder held nothing before. */
  readonly created: boolean
}

/** Called by the storage at its own times. */
export interface StorageOwner {
  /** Right before a commit is written: append what was gathered (settlements). */
  beforeCommit(): void
  /** The watermark has advanced. The next commit is under way already if there was anything for it. */
  committed(watermark: Position): void
  /** Pressure changed: true when publishers should pause (disk full, or too many bytes not yet synced). */
  pressure(paused: boolean, reason: 'disk-full' | 'unsynced'): void
  /** The journal cannot go on (failed sync, damage). Nothing after the watermark may be confirmed; the server must stop. */
  failed(error: WaybillError): void
  /** Enough was appended since the last checkpoint that a new one is worth it. The owner calls `checkpoint` soon. */
  checkpointDue(): void
  /**
   * Disk use (or memory, when the victim's positions are negative) is above twice the live bytes: the owner copies the referenced records
   * in `victim` to the end of the same log, moves its references there and releases the old positions, at its own pace. It may be
   * asked again, with this victim or another one, before it is done, and may ignore that.
   */
  compactionDue(victim: Victim): void
}

/** Storage of one server. */
export interface Storage {
  readonly journal: Log
  readonly memory: Log
  /** Everything in the journal before this position is on the disk. */
  readonly watermark: Position

  /** The log that a position belongs to: `position < 0 ? memory : journal`. */
  logOf(position: Position): Log

  /** Reads the folder. To be awaited before anything is appended; afterwards the owner calls `retain` for each reference it holds. */
  recover(handler: RecoveryHandler): Promise<RecoveryReport>
  /** From now on the owner's callbacks come. */
  start(owner: StorageOwner): void

  /** Ends a turn: starts writing what was appended, unless a commit is under way (then it follows by itself). */
  commit(): void
  /**
   * Writes the owner's state as of `journal.end` now: what `beforeCommit` would append belongs before the call, or must do no harm
   * when it is replayed on this state. The parts must not change any more. Resolves when it is durable and older files are gone.
   */
  checkpoint(parts: readonly Uint8Array[]): Promise<void>
  /** Bytes on disk, bytes referenced, for metrics and tests. */
  usage(): StorageUsage
  /** Commits everything (without asking `beforeCommit`), writes the final checkpoint, marks the folder clean and gives up the lock. */
  close(parts: readonly Uint8Array[]): Promise<void>

  /** Opens the log of one partition of a stream: its own segment files, the same commits. Created when absent. */
  openPartition(name: string): Promise<PartitionLog>
}

/** Sizes of a storage. */
export interface StorageUsage {
  readonly diskSizeBytes: number
  readonly liveSizeBytes: number
  readonly memorySizeBytes: number
  readonly segmentCount: number
}

/**
 * The log of one stream partition: batches that are stored and read unopened, addressed by the offset of their first message.
 * Durability follows the storage's commits: a batch is durable when `durableOffset` is past its last message.
 */
export interface PartitionLog {
  /** Offset that the next message gets. */
  readonly nextOffset: number
  /** Offset of the oldest message still stored. */
  readonly firstOffset: number
  /** Every message before this offset is on the disk. */
  readonly durableOffset: number
  /** Appends one batch of `messageCount` messages; the bytes are copied. @returns the offset of its first message */
  append(batch: Uint8Array, messageCount: number, timestampMs: number): number
  /** Reads whole batches from the one that holds `offset`, at least one, at most about `sizeBytesMax`. The caller owns the result. */
  read(offset: number, sizeBytesMax: number): Promise<PartitionRead>
  /** Offset of the first batch at or after a time; `nextOffset` when there is none. */
  offsetAt(timestampMs: number): Promise<number>
  /** Drops whole segments that lie before `offset`. */
  trim(offset: number): Promise<void>
}

/** Batches read from a partition. */
export interface PartitionRead {
  /** Offset of the first message of the first batch. */
  readonly baseOffset: number
  readonly batches: readonly Uint8Array[]
  readonly nextOffset: number
}
