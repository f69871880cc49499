/**
 * Copies what is readable of a damaged data folder into an empty one that starts.
 *
 * Positions stay, because messages are known by them. The tail of the journal is written again commit part by commit part: where a record
 * is damaged a padding record takes its place, where a head is damaged a new one is made, and the parts are numbered afresh. What
 * lies before the checkpoint is copied as it is: the storage reports damage there record by record, when one is asked for.
 * A commit that lost records keeps the others, so a transaction may come back in part; the report names every such place.
 */
import { assert } from '../base/assert.ts'
import { WaybillError } from '../base/errors.ts'
import { checkpointNames, readAt, readCheckpoint, writeCheckpoint } from './checkpoint.ts'
import type { Checkpoint } from './checkpoint.ts'
import { checksum } from './checksum.ts'
import type { Disk, DiskFile } from './disk.ts'
import { readFormat } from './folder-format.ts'
import {
  ALIGNMENT,
  allocateMemory,
  COMMIT_HEAD_SIZE,
  CommitHead,
  PADDING_KIND,
  RECORD_HEAD_SIZE,
  recordSize,
  saltBytes,
  segmentSeed,
  validRecordSize,
} from './record.ts'
import type { Memory, Salt } from './record.ts'
import { JOURNAL_FOLDER, segmentBaseOf, segmentName } from './segment-files.ts'

/** What cannot be read is given up in pieces of this size. */
const UNREADABLE_SIZE = 4096
const COPY_SIZE = 4 * 1024 * 1024
/** Files that say how a process left the folder, not what is in it. */
const NOT_COPIED = ['clean', 'lock', 'lock-holder', 'format.temporary']

/** A place where something could not be read. */
export interface DamagedPlace {
  readonly file: string
  readonly offset: number
  readonly sizeBytes: number
}

/** What salvage did. */
export interface SalvageReport {
  /** Records of the journal's tail that were kept. */
  readonly recordCount: number
  readonly damaged: readonly DamagedPlace[]
  /** The checkpoint that was kept; undefined when none was readable. */
  readonly checkpoint: string | undefined
  readonly segmentCount: number
}

/**
 * Salvages the folder `from` into the empty folder `into`. Neither may be in use.
 * @throws WaybillError STORAGE_LOCKED, STORAGE_VERSION, FOLDER_NOT_WRITABLE (`into` is not empty), STORAGE_DAMAGED (no readable format file)
 */
export async function salvage(from: Disk, into: Disk): Promise<SalvageReport> {
  await from.lock()
  try {
    await into.lock()
    try {
      return await new Salvage(from, into).run()
    } finally {
      await into.unlock()
    }
  } finally {
    await from.unlock()
  }
}

class Salvage {
  readonly #from: Disk
  readonly #into: Disk
  readonly #damaged: DamagedPlace[] = []
  #recordCount = 0
  #sequence = 1

  constructor(from: Disk, into: Disk) {
    this.#from = from
    this.#into = into
  }

  async run(): Promise<SalvageReport> {
    const present = (await this.#into.list()).filter((name) => !NOT_COPIED.includes(name))
    if (present.length > 0)
      throw new WaybillError('FOLDER_NOT_WRITABLE', `the folder ${this.#into.path} is not empty: it holds ${present[0]}`)
    const names = await this.#from.list()
    const format = await readFormat(this.#from, names)
    if (format === undefined) throw new WaybillError('STORAGE_DAMAGED', `${this.#from.path} has no file "format": it is no data folder`)
    const { salt, segmentSizeBytes } = format
    const checkpoint = await this.#keepCheckpoint(names, salt)
    const bases = names.map((name) => segmentBaseOf(JOURNAL_FOLDER, name)).filter((base) => base >= 0 && base % segmentSizeBytes === 0)
    const numbers = bases.map((base) => base / segmentSizeBytes).sort((a, b) => a - b)
    const start = checkpoint?.replayStart ?? (numbers[0] ?? 0) * segmentSizeBytes
    this.#sequence = checkpoint?.replaySequence ?? 1
    const tailStart = Math.floor(start / segmentSizeBytes)
    for (const number of numbers) if (number < tailStart) await this.#copy(segmentName(JOURNAL_FOLDER, number * segmentSizeBytes))
    const last = numbers.at(-1) ?? -1
    for (let number = tailStart; number <= last; number++) {
      await this.#repair(number, numbers.includes(number), Math.max(0, start - number * segmentSizeBytes), salt, segmentSizeBytes)
    }
    if (checkpoint === undefined && start > 0) {
      const head = { position: start, replayStart: start, replaySequence: 1, segments: [] }
      await writeCheckpoint(this.#into, salt, head, [], Promise.resolve())
    }
    for (const name of names) if (!isJournalOrCheckpoint(name) && !NOT_COPIED.includes(name) && name !== 'format') await this.#copy(name)
    // The format comes last: a folder without it holds nothing that could start.
    await this.#copy('format')
    await this.#into.syncFolder()
    return { recordCount: this.#recordCount, damaged: this.#damaged, checkpoint: checkpoint?.name, segmentCount: numbers.length }
  }

  async #keepCheckpoint(names: readonly string[], salt: Salt): Promise<Checkpoint | undefined> {
    for (const name of checkpointNames(names)) {
      try {
        const checkpoint = await readCheckpoint(this.#from, salt, name, () => undefined)
        await this.#copy(name)
        return checkpoint
      } catch (error) {
        if (!(error instanceof WaybillError) || error.code !== 'STORAGE_DAMAGED') throw error
        this.#damaged.push({ file: name, offset: 0, sizeBytes: await sizeOf(this.#from, name) })
      }
    }
    return undefined
  }

  /** Writes a segment of the tail again from offset `start` on. */
  async #repair(number: number, isPresent: boolean, start: number, salt: Salt, segmentSizeBytes: number): Promise<void> {
    const name = segmentName(JOURNAL_FOLDER, number * segmentSizeBytes)
    const memory = allocateMemory(segmentSizeBytes)
    memory.buffer.fill(0)
    let sizeBytes = 0
    if (isPresent) {
      const file = await this.#from.open(name, false)
      sizeBytes = (await readTolerantly(file, 0, memory.buffer)) & ~(ALIGNMENT - 1)
      await file.close()
    } else {
      this.#damaged.push({ file: name, offset: 0, sizeBytes: segmentSizeBytes })
    }
    const parts = new SegmentRepair(memory, sizeBytes, number, salt, segmentSizeBytes, this.#sequence)
    const end = parts.run(start)
    this.#sequence = parts.sequence
    this.#recordCount += parts.recordCount
    for (const { offset, sizeBytes: lost } of parts.damaged) this.#damaged.push({ file: name, offset, sizeBytes: lost })
    const target = await this.#into.open(name, true)
    await target.write(memory.buffer.subarray(0, end), 0)
    await target.datasync()
    await target.close()
  }

  async #copy(name: string): Promise<void> {
    const source = await this.#from.open(name, false)
    const target = await this.#into.open(name, true)
    const buffer = Buffer.allocUnsafeSlow(COPY_SIZE)
    for (let offset = 0; ;) {
      const sizeBytes = await readTolerantly(source, offset, buffer)
      if (sizeBytes === 0) break
      await target.write(buffer.subarray(0, sizeBytes), offset)
      offset += sizeBytes
    }
    await target.datasync()
    await source.close()
    await target.close()
  }
}

/** Makes the parts of one segment whole, in place. */
class SegmentRepair {
  readonly #memory: Memory
  readonly #sizeBytes: number
  readonly #base: number
  readonly #salt: Salt
  readonly #seed: number
  readonly #head = new CommitHead()
  readonly damaged: { offset: number; sizeBytes: number }[] = []
  sequence: number
  recordCount = 0

  constructor(memory: Memory, sizeBytes: number, number: number, salt: Salt, segmentSizeBytes: number, sequence: number) {
    this.#memory = memory
    this.#sizeBytes = sizeBytes
    this.#base = number * segmentSizeBytes
    this.#salt = salt
    this.#seed = segmentSeed(salt, number)
    this.sequence = sequence
  }

  /** @returns where the last part ends */
  run(start: number): number {
    let at = start
    let newest = 0
    for (;;) {
      const next = this.#nextHead(at, newest)
      // Between the parts, or after the last one, there may be one whose head is damaged.
      if (next > at) at = this.#repairWithoutHead(at, Math.min(next, this.#sizeBytes), next < this.#sizeBytes)
      if (next >= this.#sizeBytes) break
      this.#head.read(this.#memory, at, this.#salt, this.#base + at)
      newest = this.#head.sequence
      const end = Math.min(at + this.#head.sizeBytes, this.#sizeBytes)
      this.#writePart(at, end, this.#repairRecords(at + COMMIT_HEAD_SIZE, end))
      at = end
    }
    // The journal goes on in the next segment only after a part in this one.
    if (at === start) {
      this.#memory.buffer.fill(0, at)
      const end = at + COMMIT_HEAD_SIZE + recordSize(0)
      if (end <= this.#memory.buffer.length) {
        this.#writePadding(at + COMMIT_HEAD_SIZE, end)
        this.#writePart(at, end, 1)
        return end
      }
    }
    return at
  }

  /** Offset of the first valid head from `at` on that is newer than the last one; the size of the file when there is none. */
  #nextHead(at: number, newest: number): number {
    const needle = saltBytes(this.#salt)
    const bytes = this.#memory.buffer.subarray(0, this.#sizeBytes)
    for (let found = bytes.indexOf(needle, at); found >= 0; found = bytes.indexOf(needle, found + 1)) {
      if (found % ALIGNMENT !== 0 || found + COMMIT_HEAD_SIZE > this.#sizeBytes) continue
      if (this.#head.read(this.#memory, found, this.#salt, this.#base + found) && this.#head.sequence > newest) return found
    }
    return this.#sizeBytes
  }

  /** Makes one part of [at, limit). @returns where it ends: at `limit` when another part follows there, else after its last readable record */
  #repairWithoutHead(at: number, limit: number, isFollowed: boolean): number {
    let end = limit
    if (!isFollowed) {
      end = this.#endOfRecords(at + COMMIT_HEAD_SIZE, limit)
      if (end === at) return at
    }
    assert(end - at >= COMMIT_HEAD_SIZE + recordSize(0), 'a part has a head and a record')
    this.damaged.push({ offset: at, sizeBytes: COMMIT_HEAD_SIZE })
    this.#writePart(at, end, this.#repairRecords(at + COMMIT_HEAD_SIZE, end))
    return end
  }

  /** End of the last readable record in [at, limit), or the offset of the head before when there is none. */
  #endOfRecords(at: number, limit: number): number {
    let end = at - COMMIT_HEAD_SIZE
    let offset = at
    while (offset < limit) {
      const size = validRecordSize(this.#memory, offset, limit, this.#seed)
      offset += size > 0 ? size : ALIGNMENT
      if (size > 0) end = offset
    }
    return end
  }

  /** Puts padding in the place of what is damaged in [at, end). @returns how many records there are then */
  #repairRecords(at: number, end: number): number {
    let count = 0
    let offset = at
    while (offset < end) {
      const size = validRecordSize(this.#memory, offset, end, this.#seed)
      if (size > 0) {
        offset += size
        this.recordCount++
      } else {
        const lostEnd = this.#nextRecord(offset, end)
        this.damaged.push({ offset, sizeBytes: lostEnd - offset })
        this.#writePadding(offset, lostEnd)
        offset = lostEnd
      }
      count++
    }
    return count
  }

  /** Offset of the first valid record after a damaged one, or `end`. */
  #nextRecord(damaged: number, end: number): number {
    for (let offset = damaged + recordSize(0); offset < end; offset += ALIGNMENT) {
      if (validRecordSize(this.#memory, offset, end, this.#seed) > 0) return offset
    }
    return end
  }

  #writePadding(at: number, end: number): void {
    const { buffer, words } = this.#memory
    buffer.fill(0, at, end)
    words[(at >> 2) + 1] = end - at - RECORD_HEAD_SIZE
    words[(at >> 2) + 2] = PADDING_KIND
    words[at >> 2] = checksum(words, buffer, at + 4, end, this.#seed)
  }

  #writePart(at: number, end: number, recordCount: number): void {
    const head = new CommitHead()
    head.position = this.#base + at
    head.sequence = this.sequence++
    head.sizeBytes = end - at
    head.recordCount = recordCount
    head.write(this.#memory, at, this.#salt)
  }
}

function isJournalOrCheckpoint(name: string): boolean {
  return name.startsWith(JOURNAL_FOLDER) || name.startsWith('checkpoint/')
}

/** Reads what the disk gives; zeros stand for the pages it refuses. @returns how many bytes the file had there */
async function readTolerantly(file: DiskFile, offset: number, target: Buffer): Promise<number> {
  try {
    return (await readAt(file, offset, target.length, target)).length
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EIO') throw error
    if (target.length <= UNREADABLE_SIZE) {
      target.fill(0)
      return Math.max(0, Math.min(target.length, (await file.size()) - offset))
    }
  }
  let total = 0
  for (let at = 0; at < target.length; at += UNREADABLE_SIZE) {
    const piece = target.subarray(at, at + UNREADABLE_SIZE)
    const sizeBytes = await readTolerantly(file, offset + at, piece)
    total += sizeBytes
    if (sizeBytes < piece.length) break
  }
  return total
}

async function sizeOf(disk: Disk, name: string): Promise<number> {
  const file = await disk.open(name, false)
  const sizeBytes = await file.size()
  await file.close()
  return sizeBytes
}
