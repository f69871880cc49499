/**
 * The files of the journal's segments: made ahead of need, their blocks allocated ahead of the writer, recycled when they are dead.
 *
 * A write into blocks that were written before needs no change of the file's metadata and takes half the time (0.16 ms against 0.25 for
 * 4 KiB on the reference machine), so zeros are written some way ahead in small steps, and dead segments are renamed to spares and used again.
 * A full disk is met by these zeros first, before anything that somebody waits for.
 */
import { WaybillError } from '../base/errors.ts'
import type { Clock } from '../base/clock.ts'
import type { Disk, DiskFile } from './disk.ts'
import type { StorageLimits } from './limits.ts'
import type { Position } from './storage.ts'

/** Folder of the journal's segments. */
export const JOURNAL_FOLDER = 'journal/'
const SUFFIX = '.segment'
const SPARE = 'spare-'
const DIGITS = 16
const RETRY_MS = 250
/** Segments that nobody writes to are closed when more than this many are open. */
const OPEN_FILES_MAX = 16
const ZEROS = Buffer.alloc(1024 * 1024)

/** Name of the file of the segment that begins at a position. */
export function segmentName(folder: string, base: Position): string {
  return folder + String(base).padStart(DIGITS, '0') + SUFFIX
}

/** The position that a file name tells, or -1 for other files. */
export function segmentBaseOf(folder: string, name: string): Position {
  const digits = name.slice(folder.length, -SUFFIX.length)
  return name.startsWith(folder) && name.endsWith(SUFFIX) && /^\d{16}$/.test(digits) ? Number(digits) : -1
}

/** What the files tell. */
export interface SegmentFilesOwner {
  /** The disk is full (or has room again), noticed while room was made ahead. */
  allocationFull(full: boolean): void
  failed(error: WaybillError): void
}

interface Entry {
  readonly number: number
  readonly name: string
  file: DiskFile | undefined
  opening: Promise<DiskFile> | undefined
  /** Its name is on the disk for good, so that it may be written. */
  ready: boolean
  /** Bytes from its start that have blocks on the disk. */
  allocatedSizeBytes: number
  /** End of the zeros being written just now, or 0. */
  allocatingUntil: number
  usedAt: number
  waiting: ((file: DiskFile) => void)[]
}

/** All segment files of one folder. */
export class SegmentFiles {
  readonly #disk: Disk
  readonly #folder: string
  readonly #clock: Clock
  readonly #limits: StorageLimits
  readonly #owner: SegmentFilesOwner
  readonly #entries = new Map<number, Entry>()
  #spares: { readonly name: string; readonly sizeBytes: number }[] = []
  #spareCounter = 0
  #tick = 0
  /** Changes of the folder happen one after the other. */
  #chain: Promise<void> = Promise.resolve()
  #writing = -1
  #allocating = false
  #full = false
  #closed = false

  constructor(disk: Disk, folder: string, clock: Clock, limits: StorageLimits, owner: SegmentFilesOwner) {
    this.#disk = disk
    this.#folder = folder
    this.#clock = clock
    this.#limits = limits
    this.#owner = owner
  }

  /** Takes over what is in the folder. @returns the numbers of the segments, in order */
  async adopt(names: readonly string[]): Promise<number[]> {
    for (const name of names) {
      if (name.startsWith(this.#folder + SPARE)) {
        this.#spares.push({ name, sizeBytes: await this.#sizeOf(name) })
        this.#spareCounter = Math.max(this.#spareCounter, Number.parseInt(name.slice(this.#folder.length + SPARE.length), 10) + 1)
      }
      const base = segmentBaseOf(this.#folder, name)
      if (base < 0 || base % this.#limits.segmentSizeBytes !== 0) continue
      const entry = newEntry(base / this.#limits.segmentSizeBytes, name, true)
      entry.allocatedSizeBytes = await this.#sizeOf(name)
      this.#entries.set(entry.number, entry)
    }
    return [...this.#entries.keys()].sort((a, b) => a - b)
  }

  get sizeBytes(): number {
    let sizeBytes = 0
    for (const entry of this.#entries.values()) sizeBytes += entry.allocatedSizeBytes
    for (const spare of this.#spares) sizeBytes += spare.sizeBytes
    return sizeBytes
  }

  has(number: number): boolean {
    return this.#entries.has(number)
  }

  nameOf(number: number): string {
    return this.#entries.get(number)?.name ?? segmentName(this.#folder, number * this.#limits.segmentSizeBytes)
  }

  /** For messages: file and offset of a position. */
  describe(position: Position): string {
    const number = Math.floor(position / this.#limits.segmentSizeBytes)
    return `${this.#disk.path}/${this.nameOf(number)} at offset ${position - number * this.#limits.segmentSizeBytes}`
  }

  /** Makes the file of a segment, unless it is there. */
  prepare(number: number): void {
    if (this.#entries.has(number) || this.#closed) return
    const entry = newEntry(number, segmentName(this.#folder, number * this.#limits.segmentSizeBytes), false)
    this.#entries.set(number, entry)
    this.#change(() => this.#create(entry))
  }

  /** Calls back, at once if possible, when bytes up to offset `end` of a segment may be written. */
  whenWritable(number: number, end: number, callback: (file: DiskFile) => void): void {
    this.prepare(number)
    const entry = this.#entries.get(number) as Entry
    this.#writing = number
    if (entry.ready && entry.file !== undefined && (entry.allocatingUntil === 0 || end <= entry.allocatedSizeBytes)) {
      return this.#grant(entry, end, entry.file, callback)
    }
    entry.waiting.push((file) => this.#grant(entry, end, file, callback))
    if (entry.ready && entry.file === undefined) {
      this.#handle(entry).then(
        () => this.#wake(entry),
        (error: NodeJS.ErrnoException) => this.#fail('opening', entry.name, error),
      )
    }
  }

  /** From here on no zeros are written before `end`. */
  #grant(entry: Entry, end: number, file: DiskFile, callback: (file: DiskFile) => void): void {
    if (end > entry.allocatedSizeBytes) entry.allocatedSizeBytes = end
    callback(file)
  }

  /** The journal is written up to here: allocates further, and makes the next segment ready. */
  advance(position: Position): void {
    const { segmentSizeBytes, allocationAheadSizeBytes } = this.#limits
    const number = Math.floor(position / segmentSizeBytes)
    const entry = this.#entries.get(number)
    if (entry === undefined || !entry.ready || entry.file === undefined) return
    const offset = position - number * segmentSizeBytes
    if (offset > entry.allocatedSizeBytes) entry.allocatedSizeBytes = offset
    if (offset + allocationAheadSizeBytes > segmentSizeBytes) {
      this.prepare(number + 1)
      const next = this.#entries.get(number + 1) as Entry
      if (entry.allocatedSizeBytes >= segmentSizeBytes) return this.#allocate(next, offset + allocationAheadSizeBytes - segmentSizeBytes)
    }
    this.#allocate(entry, offset + allocationAheadSizeBytes)
  }

  /** Reads bytes of one segment. */
  read(position: Position, target: Buffer, callback: (error: NodeJS.ErrnoException | null, readSizeBytes: number) => void): void {
    const number = Math.floor(position / this.#limits.segmentSizeBytes)
    const entry = this.#entries.get(number)
    if (entry === undefined || !entry.ready) {
      const error: NodeJS.ErrnoException = new Error(`${segmentName(this.#folder, number * this.#limits.segmentSizeBytes)} is missing`)
      error.code = 'ENOENT'
      this.#clock.endOfTurn(() => callback(error, 0))
      return
    }
    const offset = position - number * this.#limits.segmentSizeBytes
    entry.usedAt = ++this.#tick
    if (entry.file !== undefined) return entry.file.read(target, offset, callback)
    this.#handle(entry).then(
      (file) => file.read(target, offset, callback),
      (error: NodeJS.ErrnoException) => callback(error, 0),
    )
  }

  /** The segment is dead: its file becomes a spare, or is removed. */
  retire(number: number): void {
    const entry = this.#entries.get(number)
    if (entry === undefined) return
    this.#entries.delete(number)
    this.#change(async () => {
      const file = entry.opening === undefined ? entry.file : await entry.opening
      await file?.close()
      const { segmentSizeBytes, spareSegmentsMax } = this.#limits
      if (entry.allocatedSizeBytes >= segmentSizeBytes / 2 && this.#spares.length < spareSegmentsMax) {
        const name = `${this.#folder}${SPARE}${this.#spareCounter++}${SUFFIX}`
        await this.#disk.rename(entry.name, name)
        this.#spares.push({ name, sizeBytes: entry.allocatedSizeBytes })
      } else {
        // For good before the next one goes: of segments that are removed in order, a crash leaves no older one without a later one.
        await this.#disk.remove(entry.name)
        await this.#disk.syncFolder()
      }
    })
  }

  /** Removes the file of a segment, durably: for what recovery cuts. */
  async remove(number: number): Promise<void> {
    const entry = this.#entries.get(number) as Entry
    this.#entries.delete(number)
    const file = entry.opening === undefined ? entry.file : await entry.opening
    await file?.close()
    await this.#disk.remove(entry.name)
    await this.#disk.syncFolder()
  }

  /** Keeps at most `count` spares. */
  trimSpares(count: number): void {
    while (this.#spares.length > count) {
      const { name } = this.#spares.pop() as { name: string }
      this.#change(() => this.#disk.remove(name))
    }
  }

  /** An open handle for recovery. */
  open(number: number): Promise<DiskFile> {
    return this.#handle(this.#entries.get(number) as Entry)
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#chain
    for (const entry of this.#entries.values()) {
      const file = entry.opening === undefined ? entry.file : await entry.opening
      entry.file = undefined
      await file?.close()
    }
  }

  #change(action: () => Promise<void>): void {
    this.#chain = this.#chain.then(action).catch((error: NodeJS.ErrnoException) => this.#fail('changing', this.#folder, error))
  }

  async #create(entry: Entry): Promise<void> {
    const spare = this.#spares.pop()
    if (spare !== undefined) {
      await this.#disk.rename(spare.name, entry.name)
      entry.allocatedSizeBytes = spare.sizeBytes
    }
    for (;;) {
      try {
        entry.file = await this.#disk.open(entry.name, spare === undefined)
        await this.#disk.syncFolder()
        break
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC' || this.#closed) throw error
        this.#setFull(true)
        await new Promise<void>((resolve) => this.#clock.setTimer(RETRY_MS, resolve))
      }
    }
    this.#setFull(false)
    entry.ready = true
    this.#wake(entry)
  }

  #wake(entry: Entry): void {
    if (entry.file === undefined || entry.allocatingUntil > 0) return
    const waiting = entry.waiting
    entry.waiting = []
    for (const callback of waiting) callback(entry.file)
  }

  #allocate(entry: Entry, until: number): void {
    const { segmentSizeBytes, allocationStepSizeBytes } = this.#limits
    const start = entry.allocatedSizeBytes
    if (this.#allocating || this.#closed || start >= Math.min(until, segmentSizeBytes) || !entry.ready || entry.file === undefined) return
    const sizeBytes = Math.min(allocationStepSizeBytes, ZEROS.length, segmentSizeBytes - start)
    this.#allocating = true
    entry.allocatingUntil = start + sizeBytes
    entry.file.writeDurably([ZEROS.subarray(0, sizeBytes)], start, (error) => {
      this.#allocating = false
      entry.allocatingUntil = 0
      if (error === null) {
        entry.allocatedSizeBytes = Math.max(entry.allocatedSizeBytes, start + sizeBytes)
        this.#setFull(false)
      }
      this.#wake(entry)
      if (error === null) this.#allocate(entry, until)
      else if (error.code === 'ENOSPC') this.#allocateLater(entry, until)
      else if (this.#entries.has(entry.number)) this.#fail('allocating', entry.name, error)
    })
  }

  #allocateLater(entry: Entry, until: number): void {
    this.#setFull(true)
    this.#clock.setTimer(RETRY_MS, () => {
      // Where commits have come as far by themselves, or the segment has died, there is nothing left to allocate.
      const isNeeded =
        entry.allocatedSizeBytes < Math.min(until, this.#limits.segmentSizeBytes) && this.#entries.get(entry.number) === entry
      if (isNeeded) this.#allocate(entry, until)
      else this.#setFull(false)
    })
  }

  #setFull(full: boolean): void {
    if (this.#full === full) return
    this.#full = full
    this.#owner.allocationFull(full)
  }

  #handle(entry: Entry): Promise<DiskFile> {
    entry.usedAt = ++this.#tick
    if (entry.file !== undefined) return Promise.resolve(entry.file)
    entry.opening ??= this.#disk.open(entry.name, false).then(
      (file) => {
        entry.file = file
        entry.opening = undefined
        this.#closeOldest(entry)
        return file
      },
      (error: unknown) => {
        entry.opening = undefined
        throw error
      },
    )
    return entry.opening
  }

  #closeOldest(newest: Entry): void {
    let count = 0
    let oldest: Entry | undefined
    for (const entry of this.#entries.values()) {
      if (entry.file === undefined) continue
      count++
      if (entry === newest || entry.number >= this.#writing) continue
      if (oldest === undefined || entry.usedAt < oldest.usedAt) oldest = entry
    }
    if (count <= OPEN_FILES_MAX || oldest?.file === undefined) return
    const file = oldest.file
    oldest.file = undefined
    // Closing waits for the reads under way; a failure to close a file that was only read from loses nothing.
    file.close().catch(() => undefined)
  }

  async #sizeOf(name: string): Promise<number> {
    const file = await this.#disk.open(name, false)
    try {
      return await file.size()
    } finally {
      await file.close()
    }
  }

  #fail(what: string, name: string, error: NodeJS.ErrnoException): void {
    if (this.#closed) return
    this.#owner.failed(new WaybillError('STORAGE_FAILED', `${what} ${this.#disk.path}/${name} failed: ${error.message}`, { cause: error }))
  }
}

function newEntry(number: number, name: string, ready: boolean): Entry {
  return { number, name, file: undefined, opening: undefined, ready, allocatedSizeBytes: 0, allocatingUntil: 0, usedAt: 0, waiting: [] }
}
