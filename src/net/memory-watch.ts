/**
 * Watches the memory of the process: above the mark publishers pause, below nine tenths of it they go on.
 */
import type { Clock, Timer } from '../base/clock.ts'
import type { Pressure } from './pressure.ts'

/** Far from the mark it is enough to look now and then; near it memory may fill in a moment. */
const INTERVAL_MS = 1_000
const NEAR_INTERVAL_MS = 100
const NEAR_SHARE = 0.5
const RELEASE_SHARE = 0.9
/** While publishers pause, nothing else may make the garbage collector run. */
const COLLECT_INTERVAL_MS = 1_000

/** What it needs. */
export interface MemoryWatchOptions {
  readonly clock: Clock
  readonly pressure: Pressure
  readonly markSizeBytes: number
  readonly usedSizeBytes: () => number
  readonly collectGarbage: () => void
}

/** See the head of this file. */
export class MemoryWatch {
  readonly #options: MemoryWatchOptions
  #timer: Timer | undefined
  #collectedMs = -Infinity

  constructor(options: MemoryWatchOptions) {
    this.#options = options
    this.#arm(INTERVAL_MS)
  }

  stop(): void {
    this.#timer?.cancel()
  }

  #arm(delayMs: number): void {
    this.#timer = this.#options.clock.setTimer(delayMs, this.#check)
  }

  readonly #check = (): void => {
    const { pressure, markSizeBytes, usedSizeBytes } = this.#options
    const limitSizeBytes = markSizeBytes * (pressure.has('memory') ? RELEASE_SHARE : 1)
    // What is only garbage is no reason to pause anybody: it is collected, then looked at again.
    const above = usedSizeBytes() > limitSizeBytes && (!this.#collect() || usedSizeBytes() > limitSizeBytes)
    pressure.set('memory', above)
    this.#arm(above || usedSizeBytes() > markSizeBytes * NEAR_SHARE ? NEAR_INTERVAL_MS : INTERVAL_MS)
  }

  /** Collects garbage unless that was done a moment ago. @returns whether it did */
  #collect(): boolean {
    const nowMs = this.#options.clock.monotonic()
    if (nowMs - this.#collectedMs < COLLECT_INTERVAL_MS) return false
    this.#collectedMs = nowMs
    this.#options.collectGarbage()
    return true
  }
}
