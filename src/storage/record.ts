/**
 * The format of the journal's segments, byte by byte; docs/formats/journal.md tells the same story with the files around it.
 * All integers are little-endian.
 *
 * A position is a logical byte offset. Segment number n holds the positions [n * S, (n + 1) * S), where S is the segment size of the
 * folder; the byte of position p is at offset p - n * S of its file. A segment is a sequence of commit parts, one right after the
 * other, from offset 0. A part is a head and records up to its length, no gaps. A part never crosses a segment: a commit that does
 * is several parts, all but the last of them flagged `continues`, the next one at offset 0 of the next segment.
 *
 * Head of a part, 40 bytes, at a multiple of 8:
 *
 * | offset | size | field |
 * |---|---|---|
 * | 0 | 8 | salt of the folder: random; the top bit of its last byte is set |
 * | 8 | 8 | position of this head |
 * | 16 | 8 | sequence number: one more than that of the part before |
 * | 24 | 4 | length of the part in bytes, head included, a multiple of 8 |
 * | 28 | 4 | flags: 1 = the commit continues in the next segment |
 * | 32 | 4 | count of records |
 * | 36 | 4 | CRC-32 of bytes 0 to 35 |
 *
 * Record, at a multiple of 8:
 *
 * | offset | size | field |
 * |---|---|---|
 * | 0 | 4 | CRC-32 of bytes 4 to 11 and the payload, begun with the seed of the segment |
 * | 4 | 4 | length of the payload |
 * | 8 | 1 | kind: 1 to 254 are the owner's, 255 is padding where salvage found nothing readable |
 * | 9 | 3 | 0 |
 * | 12 | | payload |
 * | | 0-7 | zeros up to a multiple of 8 |
 *
 * The seed of a segment is the first word of the salt xor (segment number * 0x9e3779b1), modulo 2^32.
 *
 * Validity. A part is whole when its head has the salt, its own position, the sequence number that is expected and a right checksum,
 * and its records fill it exactly, each with a kind and a right checksum. A commit is whole when all its parts are.
 *
 * Crash argument. One commit is written at a time and the next one only after it is on the disk, so after a crash all commits are
 * whole except perhaps the last, of which any sectors may be missing. A missing sector holds what was there before:
 * - zeros of a new or cleaned segment: a record over it has a wrong checksum, or kind 0;
 * - bytes of the segment's former life under another number: heads tell another position, and records were begun with another seed,
 *   which for equal bytes always gives another checksum;
 * - never bytes of a former write to the same positions: recovery overwrites the remains of a cut commit with zeros, durably,
 *   before anything is appended. A write repeated after "disk full" has the same bytes.
 * The parts of one commit are written in order, each after the one before is on the disk: a valid head anywhere after a part that is
 * not whole therefore proves that the part had been written and was damaged since.
 * The body of a message cannot pose as a head, for it does not know the salt; it cannot pose as a record, for records are found by
 * their lengths alone.
 */
import { assert } from '../base/assert.ts'
import { checksum } from './checksum.ts'

export const RECORD_HEAD_SIZE = 12
export const COMMIT_HEAD_SIZE = 40
/** Kind of the records that salvage puts in the place of damaged ones; nobody is given them. */
export const PADDING_KIND = 255
/** Everything starts at a multiple of this. */
export const ALIGNMENT = 8

const FLAG_CONTINUES = 1
const SEED_FACTOR = 0x9e3779b1
const TWO_32 = 2 ** 32

/** Bytes that a record takes in the log. */
export function recordSize(payloadSizeBytes: number): number {
  return (payloadSizeBytes + (RECORD_HEAD_SIZE + ALIGNMENT - 1)) & ~(ALIGNMENT - 1)
}

/** The salt of a folder as two words. */
export interface Salt {
  readonly low: number
  readonly high: number
}

/** Makes a salt of eight random bytes. Its second word is negative, so that no record begins with it: there the payload's length stands. */
export function saltOf(bytes: Uint8Array): Salt {
  assert(bytes.length === 8, 'a salt has eight bytes')
  const view = new DataView(bytes.buffer, bytes.byteOffset, 8)
  return { low: view.getInt32(0, true), high: view.getInt32(4, true) | 0x80000000 }
}

/** The salt as it stands in files. */
export function saltBytes(salt: Salt): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeInt32LE(salt.low, 0)
  bytes.writeInt32LE(salt.high, 4)
  return bytes
}

/** What the checksums of a segment's records begin with. */
export function segmentSeed(salt: Salt, segmentNumber: number): number {
  return salt.low ^ Math.imul(segmentNumber, SEED_FACTOR)
}

/** A piece of memory in the three ways the storage looks at it: the same bytes with the same origin. */
export interface Memory {
  readonly buffer: Buffer
  readonly view: DataView
  readonly words: Int32Array
}

/** Fresh memory, not cleared. Its pages are only taken from the machine when they are touched. */
export function allocateMemory(sizeBytes: number): Memory {
  const buffer = Buffer.allocUnsafeSlow((sizeBytes + 7) & ~7)
  return { buffer, view: new DataView(buffer.buffer, 0, buffer.length), words: new Int32Array(buffer.buffer, 0, buffer.length >> 2) }
}

/** A head of a commit part that was read or is to be written. */
export class CommitHead {
  position = 0
  sequence = 0
  sizeBytes = 0
  recordCount = 0
  continues = false

  write(memory: Memory, at: number, salt: Salt): void {
    const { view, buffer, words } = memory
    view.setInt32(at, salt.low, true)
    view.setInt32(at + 4, salt.high, true)
    writeUint53(view, at + 8, this.position)
    writeUint53(view, at + 16, this.sequence)
    view.setUint32(at + 24, this.sizeBytes, true)
    view.setUint32(at + 28, this.continues ? FLAG_CONTINUES : 0, true)
    view.setUint32(at + 32, this.recordCount, true)
    view.setInt32(at + 36, checksum(words, buffer, at, at + 36, 0), true)
  }

  /** Reads the head at `at`, which must be that of `position`. @returns false when there is none */
  read(memory: Memory, at: number, salt: Salt, position: number): boolean {
    const { view, buffer, words } = memory
    if (!beginsWithSalt(view, at, salt) || readUint53(view, at + 8) !== position) return false
    if (view.getInt32(at + 36, true) !== checksum(words, buffer, at, at + 36, 0)) return false
    this.position = position
    this.sequence = readUint53(view, at + 16)
    this.sizeBytes = view.getUint32(at + 24, true)
    this.continues = (view.getUint32(at + 28, true) & FLAG_CONTINUES) !== 0
    this.recordCount = view.getUint32(at + 32, true)
    return this.sizeBytes >= COMMIT_HEAD_SIZE && this.sizeBytes % ALIGNMENT === 0
  }
}

/** True when a commit head may stand at `at`; a record never looks like this. */
export function beginsWithSalt(view: DataView, at: number, salt: Salt): boolean {
  return view.getInt32(at, true) === salt.low && view.getInt32(at + 4, true) === salt.high
}

/**
 * Looks at the record at `at`, of which everything before `end` is in memory.
 * @returns its size in the log, or 0 when it is not valid (or not whole before `end`)
 */
export function validRecordSize(memory: Memory, at: number, end: number, seed: number): number {
  if (end - at < RECORD_HEAD_SIZE) return 0
  const { words, buffer } = memory
  const word = at >> 2
  const payloadSizeBytes = words[word + 1] as number
  if (payloadSizeBytes < 0 || payloadSizeBytes > end - at - RECORD_HEAD_SIZE) return 0
  const kind = words[word + 2] as number
  if (kind < 1 || kind > 255) return 0
  const size = recordSize(payloadSizeBytes)
  if (size > end - at) return 0
  const recordEnd = at + RECORD_HEAD_SIZE + payloadSizeBytes
  return checksum(words, buffer, at + 4, recordEnd, seed) === words[word] ? size : 0
}

/** @returns offset of the first record that is not valid in a part that starts at `at`, or -1 when the part is whole */
export function firstInvalidRecord(memory: Memory, at: number, head: CommitHead, seed: number): number {
  const end = at + head.sizeBytes
  let count = 0
  let offset = at + COMMIT_HEAD_SIZE
  while (offset < end) {
    const size = validRecordSize(memory, offset, end, seed)
    if (size === 0) return offset
    offset += size
    count++
  }
  return count === head.recordCount ? -1 : end
}

export function writeUint53(view: DataView, at: number, value: number): void {
  view.setUint32(at, value % TWO_32, true)
  view.setUint32(at + 4, Math.floor(value / TWO_32), true)
}

export function readUint53(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * TWO_32
}
