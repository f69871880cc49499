/**
 * Watches the resident memory of the process: above the mark publishers pause, below nine tenths of it they go on.
 */
import type { Clock, Timer } from '../base/clock.ts'
import type { Pressure } from './pressure.ts'

const INTERVAL_MS = 1_000
const RELEASE_SHARE = 0.9

/** What it needs. */
export interface MemoryWatchOptions {
  readonly clock: Clock
  readonly pressure: Pressure
  readonly markSizeBytes: number
  readonly residentSizeBytes: () => number
  /** Gives memory that is not used any more back to the machine: while publishers pause nothing else would make it happen. */
  readonly collectGarbage: () => void
}

/** See the head of this file. */
export class MemoryWatch {
  readonly #options: MemoryWatchOptions
  #timer: Timer | undefined

  constructor(options: MemoryWatchOptions) {
    this.#options = options
    this.#arm()
  }

  stop(): void {
    this.#timer?.cancel()
  }

  #arm(): void {
    this.#timer = this.#options.clock.setTimer(INTERVAL_MS, this.#check)
  }

  readonly #check = (): void => {
    const { pressure, markSizeBytes, residentSizeBytes, collectGarbage } = this.#options
    const paused = pressure.has('memory')
    if (residentSizeBytes() > markSizeBytes * (paused ? RELEASE_SHARE : 1)) {
      // What is only garbage is no reason to pause anybody: look again once it is gone.
      collectGarbage()
      pressure.set('memory', residentSizeBytes() > markSizeBytes * RELEASE_SHARE)
    } else if (paused) {
      pressure.set('memory', false)
    }
    this.#arm()
  }
}
