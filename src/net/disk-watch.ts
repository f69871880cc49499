/**
 * Watches the free space of the disk: below the mark publishers pause before the disk is full; the storage tells when it is.
 */
import type { Clock, Timer } from '../base/clock.ts'
import type { Pressure } from './pressure.ts'

const INTERVAL_MS = 5_000

/** What it needs. */
export interface DiskWatchOptions {
  readonly clock: Clock
  readonly pressure: Pressure
  readonly markSizeBytes: number
  readonly freeSizeBytes: () => Promise<number>
}

/** Joins the free space with what the storage says into the one reason "disk". */
export class DiskWatch {
  readonly #options: DiskWatchOptions
  #timer: Timer | undefined
  #low = false
  #full = false
  #stopped = false

  constructor(options: DiskWatchOptions) {
    this.#options = options
  }

  /** Looks for the first time; resolves when it has. */
  async start(): Promise<void> {
    await this.#check()
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
  }

  /** The storage found the disk full, or found room again. */
  full(full: boolean): void {
    this.#full = full
    this.#tell()
  }

  async #check(): Promise<void> {
    try {
      this.#low = (await this.#options.freeSizeBytes()) < this.#options.markSizeBytes
    } catch {
      // A file system that does not say how much is free (some network ones) cannot be low; when it is full, the storage meets it.
      this.#low = false
    }
    if (this.#stopped) return
    this.#tell()
    this.#timer = this.#options.clock.setTimer(INTERVAL_MS, () => void this.#check())
  }

  #tell(): void {
    this.#options.pressure.set('disk', this.#low || this.#full)
  }
}
