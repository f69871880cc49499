/**
 * Replays the journal's tail after a checkpoint and finds where it ends.
 *
 * The rule (its crash argument stands in record.ts): the first commit that is not whole is the end. If anything valid with a later
 * sequence number follows, the commit had been on the disk and was damaged since: the start is refused. Otherwise it is the torn
 * last commit, confirmed to nobody: it is cut, and its remains are overwritten with zeros.
 */
import { WaybillError } from '../base/errors.ts'
import type { DiskFile } from './disk.ts'
import type { StorageLimits } from './limits.ts'
import {
  allocateMemory,
  COMMIT_HEAD_SIZE,
  CommitHead,
  PADDING_KIND,
  firstInvalidRecord,
  RECORD_HEAD_SIZE,
  recordSize,
  saltBytes,
  segmentSeed,
} from './record.ts'
import type { Memory, Salt } from './record.ts'
import type { SegmentFiles } from './segment-files.ts'
import type { Position, RecordKind } from './storage.ts'

const WINDOW_SIZE = 4 * 1024 * 1024
const SCAN_SIZE = 1024 * 1024

/** Gets each record of the tail. */
export type RecordVisitor = (
  kind: RecordKind,
  position: Position,
  buffer: Buffer,
  view: DataView,
  offset: number,
  payloadSizeBytes: number,
) => void

/** Where a journal's tail ends. */
export interface TailEnd {
  readonly position: Position
  /** Sequence number that the next commit part gets. */
  readonly sequence: number
  readonly cutSizeBytes: number
}

/** What stands at a place where a commit part is expected. */
interface PartCheck {
  /** `absent`: no head with the expected sequence number. `broken`: such a head, but not all of its records. */
  readonly state: 'whole' | 'broken' | 'absent'
  readonly position: Position
  readonly sizeBytes: number
  readonly continues: boolean
}

/** Reads a journal in order. */
export class TailReader {
  readonly #files: SegmentFiles
  readonly #numbers: readonly number[]
  readonly #salt: Salt
  readonly #segmentSizeBytes: number
  readonly #head = new CommitHead()
  #memory: Memory = allocateMemory(0)
  #windowStart: Position = 0
  #windowSizeBytes = 0
  #lastParts: readonly PartCheck[] = []

  constructor(files: SegmentFiles, numbers: readonly number[], salt: Salt, limits: StorageLimits) {
    this.#files = files
    this.#numbers = numbers
    this.#salt = salt
    this.#segmentSizeBytes = limits.segmentSizeBytes
  }

  /**
   * Gives the records from `start` on, whose commit part has the number `sequence`, to `visit`.
   * @param clean nothing was written after the end: then nothing needs to be looked for there
   * @throws WaybillError STORAGE_DAMAGED
   */
  async replay(start: Position, sequence: number, clean: boolean, visit: RecordVisitor): Promise<TailEnd> {
    let position = start
    let next = sequence
    for (;;) {
      const parts: PartCheck[] = []
      let part = await this.#nextPart(position, next, false)
      while (part.state === 'whole') {
        parts.push(part)
        if (!part.continues) break
        part = await this.#nextPart(part.position + part.sizeBytes, next + parts.length, true)
      }
      if (part.state !== 'whole') {
        if (!clean) await this.#refuseIfFollowed(part, next + parts.length)
        const cutSizeBytes = parts.reduce((sum, whole) => sum + whole.sizeBytes, part.state === 'broken' ? part.sizeBytes : 0)
        this.#memory = allocateMemory(0)
        this.#windowSizeBytes = 0
        return { position, sequence: next, cutSizeBytes }
      }
      for (const whole of parts) await this.#visitPart(whole, parts.length > 1, visit)
      this.#lastParts = parts
      next += parts.length
      position = part.position + part.sizeBytes
    }
  }

  /**
   * Writes the last commit again, durably. A process whose last write failed leaves bytes in the system's cache that look whole to the
   * next process and are not on the disk; at most one commit is ever being written, so only the last one can be such.
   */
  async secureLast(): Promise<void> {
    for (const { position, sizeBytes } of this.#lastParts) {
      const number = Math.floor(position / this.#segmentSizeBytes)
      const file = await this.#files.open(number)
      const bytes = Buffer.allocUnsafeSlow(sizeBytes)
      const offset = position - number * this.#segmentSizeBytes
      await readInto(file, bytes, offset)
      await writeDurably(file, bytes, offset)
    }
  }

  /**
   * Gives the records of one complete segment, in order.
   * @throws WaybillError STORAGE_DAMAGED
   */
  async readSegment(start: Position, visit: RecordVisitor): Promise<void> {
    const end = (Math.floor(start / this.#segmentSizeBytes) + 1) * this.#segmentSizeBytes
    for (let position = start; position < end;) {
      const part = await this.#check(position, undefined)
      if (part.state !== 'whole') return this.#refuseIfFollowed(part, 0)
      await this.#visitPart(part, false, visit)
      position += part.sizeBytes
    }
  }

  /** Overwrites what follows the end with zeros, durably; later segments are removed. */
  async neutralise(end: Position): Promise<void> {
    const number = Math.floor(end / this.#segmentSizeBytes)
    // The last one first, each for good before the next, and all before the head of the cut commit goes: a crash meanwhile must not leave a
    // later part of a commit without the one before it, which would look like damage.
    for (const later of this.#numbers.toReversed()) if (later > number) await this.#files.remove(later)
    if (this.#files.has(number)) {
      const file = await this.#files.open(number)
      await zeroRest(file, end - number * this.#segmentSizeBytes)
    }
  }

  /** The part at `position`, or, when there is none (its segment had no more room), at the start of the next segment. */
  async #nextPart(position: Position, sequence: number, mustCross: boolean): Promise<PartCheck> {
    const segmentEnd = (Math.floor(position / this.#segmentSizeBytes) + 1) * this.#segmentSizeBytes
    if (mustCross) return this.#check(position % this.#segmentSizeBytes === 0 ? position : segmentEnd, sequence)
    const here = await this.#check(position, sequence)
    if (here.state !== 'absent') return here
    const across = await this.#check(segmentEnd, sequence)
    return across.state === 'absent' ? here : across
  }

  async #check(position: Position, sequence: number | undefined): Promise<PartCheck> {
    const absent: PartCheck = { state: 'absent', position, sizeBytes: 0, continues: false }
    if (!(await this.#bring(position, COMMIT_HEAD_SIZE))) return absent
    const head = this.#head
    if (!head.read(this.#memory, position - this.#windowStart, this.#salt, position)) return absent
    if (sequence !== undefined && head.sequence !== sequence) return absent
    const { sizeBytes, continues } = head
    const broken: PartCheck = { state: 'broken', position, sizeBytes, continues }
    if (!(await this.#bring(position, sizeBytes))) return broken
    const seed = segmentSeed(this.#salt, Math.floor(position / this.#segmentSizeBytes))
    if (firstInvalidRecord(this.#memory, position - this.#windowStart, head, seed) >= 0) return broken
    return { state: 'whole', position, sizeBytes, continues }
  }

  async #visitPart(part: PartCheck, readAgain: boolean, visit: RecordVisitor): Promise<void> {
    if (readAgain) await this.#bring(part.position, part.sizeBytes)
    const { buffer, view, words } = this.#memory
    let at = part.position - this.#windowStart + COMMIT_HEAD_SIZE
    const end = part.position - this.#windowStart + part.sizeBytes
    while (at < end) {
      const payloadSizeBytes = words[(at >> 2) + 1] as number
      const kind = (words[(at >> 2) + 2] as number) & 0xff
      if (kind !== PADDING_KIND) visit(kind, this.#windowStart + at, buffer, view, at + RECORD_HEAD_SIZE, payloadSizeBytes)
      at += recordSize(payloadSizeBytes)
    }
  }

  /** Makes [position, position + sizeBytes) lie in the window. @returns false when the file has fewer bytes */
  async #bring(position: Position, sizeBytes: number): Promise<boolean> {
    if (position >= this.#windowStart && position + sizeBytes <= this.#windowStart + this.#windowSizeBytes) return true
    const number = Math.floor(position / this.#segmentSizeBytes)
    const offset = position - number * this.#segmentSizeBytes
    if (!this.#files.has(number) || offset + sizeBytes > this.#segmentSizeBytes) return false
    const wanted = Math.min(Math.max(sizeBytes, WINDOW_SIZE), this.#segmentSizeBytes - offset)
    if (this.#memory.buffer.length < wanted) this.#memory = allocateMemory(wanted)
    const file = await this.#files.open(number)
    this.#windowStart = position
    this.#windowSizeBytes = await readInto(file, this.#memory.buffer.subarray(0, wanted), offset)
    return sizeBytes <= this.#windowSizeBytes
  }

  /** @throws WaybillError STORAGE_DAMAGED when a valid head with a later sequence number stands anywhere after `part` */
  async #refuseIfFollowed(part: PartCheck, sequence: number): Promise<void> {
    const later = part.state === 'broken' ? sequence + 1 : sequence
    const number = Math.floor(part.position / this.#segmentSizeBytes)
    for (const each of this.#numbers) {
      if (each < number) continue
      const from = each === number ? part.position : each * this.#segmentSizeBytes
      const found = await this.#scan(each, from, later)
      if (found === undefined) continue
      const text =
        `the journal is damaged: ${this.#files.describe(part.position)} there is no whole commit number ${sequence}, ` +
        `but a later one stands in ${this.#files.describe(found)}. Restore the folder from a backup, or copy what is readable: waybill salvage --data DIR --into DIR`
      throw new WaybillError('STORAGE_DAMAGED', text)
    }
  }

  /** Position of the first valid head with at least this sequence number in a segment, from a position on. */
  async #scan(number: number, from: Position, sequence: number): Promise<Position | undefined> {
    const file = await this.#files.open(number)
    const needle = saltBytes(this.#salt)
    const base = number * this.#segmentSizeBytes
    const memory = allocateMemory(SCAN_SIZE)
    const head = new CommitHead()
    for (let offset = from - base; offset < this.#segmentSizeBytes; offset += SCAN_SIZE - COMMIT_HEAD_SIZE) {
      const sizeBytes = await readInto(file, memory.buffer.subarray(0, Math.min(SCAN_SIZE, this.#segmentSizeBytes - offset)), offset)
      const bytes = memory.buffer.subarray(0, sizeBytes)
      for (let at = bytes.indexOf(needle); at >= 0; at = bytes.indexOf(needle, at + 1)) {
        if (at % 8 !== 0 || at + COMMIT_HEAD_SIZE > sizeBytes) continue
        const position = base + offset + at
        if (head.read(memory, at, this.#salt, position) && head.sequence >= sequence) return position
      }
      if (sizeBytes < SCAN_SIZE) return undefined
    }
    return undefined
  }
}

/** Zeros, durably, what is not zero from `offset` to the end of the file. */
async function zeroRest(file: DiskFile, offset: number): Promise<void> {
  const bytes = Buffer.allocUnsafeSlow(SCAN_SIZE)
  const zeros = Buffer.alloc(SCAN_SIZE)
  for (let at = offset; ; at += SCAN_SIZE) {
    const sizeBytes = await readInto(file, bytes, at)
    if (sizeBytes === 0) return
    if (bytes.compare(zeros, 0, sizeBytes, 0, sizeBytes) === 0) continue
    await writeDurably(file, zeros.subarray(0, sizeBytes), at)
  }
}

function writeDurably(file: DiskFile, bytes: Uint8Array, offset: number): Promise<void> {
  return new Promise((resolve, reject) => {
    file.writeDurably([bytes], offset, (error) => (error === null ? resolve() : reject(error)))
  })
}

function readInto(file: DiskFile, target: Buffer, offset: number): Promise<number> {
  return new Promise((resolve, reject) => {
    file.read(target, offset, (error, sizeBytes) => (error === null ? resolve(sizeBytes) : reject(error)))
  })
}
