/**
 * Brings commits to the disk, one at a time, the parts of one in their order.
 *
 * A full disk is waited out: the same bytes are written again to the same place. Any other failure is final: after a failed sync the
 * system may have dropped the pages and say yes to the next one, so nothing is ever tried again on top of it.
 */
import { WaybillError } from '../base/errors.ts'
import type { Clock } from '../base/clock.ts'
import type { DiskFile } from './disk.ts'
import type { SegmentFiles } from './segment-files.ts'

const RETRY_MS = 250

/** What of a commit lies in one segment. */
export interface CommitPart {
  readonly segmentNumber: number
  /** Offset in the segment's file. */
  readonly offset: number
  readonly sizeBytes: number
  readonly buffers: readonly Uint8Array[]
}

/** What the writer tells. */
export interface CommitWriterOwner {
  /** The commit is on the disk. */
  written(): void
  /** The disk is full (or has room again). */
  writingFull(full: boolean): void
  failed(error: WaybillError): void
}

/** Writes one commit at a time. */
export class CommitWriter {
  readonly #files: SegmentFiles
  readonly #clock: Clock
  readonly #owner: CommitWriterOwner
  #parts: readonly CommitPart[] = []
  #index = 0
  #full = false
  #stopped = false

  constructor(files: SegmentFiles, clock: Clock, owner: CommitWriterOwner) {
    this.#files = files
    this.#clock = clock
    this.#owner = owner
  }

  /** Starts writing; `written` follows. */
  write(parts: readonly CommitPart[]): void {
    this.#parts = parts
    this.#index = 0
    this.#writePart()
  }

  /** Tries nothing again. */
  stop(): void {
    this.#stopped = true
  }

  readonly #writePart = (): void => {
    if (this.#stopped) return
    const part = this.#parts[this.#index] as CommitPart
    this.#files.whenWritable(part.segmentNumber, part.offset + part.sizeBytes, this.#writeTo)
  }

  readonly #writeTo = (file: DiskFile): void => {
    const part = this.#parts[this.#index] as CommitPart
    file.writeDurably(part.buffers, part.offset, this.#finish)
  }

  readonly #finish = (error: NodeJS.ErrnoException | null): void => {
    if (error !== null) return this.#meet(error)
    if (this.#full) {
      this.#full = false
      this.#owner.writingFull(false)
    }
    if (++this.#index < this.#parts.length) return this.#writePart()
    this.#parts = []
    this.#owner.written()
  }

  #meet(error: NodeJS.ErrnoException): void {
    const part = this.#parts[this.#index] as CommitPart
    if (error.code === 'ENOSPC' || error.code === 'EDQUOT') {
      if (!this.#full) {
        this.#full = true
        this.#owner.writingFull(true)
      }
      this.#clock.setTimer(RETRY_MS, this.#writePart)
      return
    }
    const text = `writing ${this.#files.nameOf(part.segmentNumber)} at offset ${part.offset} failed: ${error.message}`
    this.#owner.failed(new WaybillError('STORAGE_FAILED', text, { cause: error }))
  }
}
