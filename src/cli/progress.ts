/**
 * A progress bar on standard error, for work that takes longer than a moment and is watched by a person.
 */
import { SingleBar } from 'cli-progress'

/** Shorter work shows nothing. */
const SHOW_AFTER_MS = 700

/** Where progress is shown. */
export interface ProgressTarget extends NodeJS.WritableStream {
  readonly isTTY?: boolean
}

/** Counts messages and bytes; draws at most ten times a second. */
export class Progress {
  readonly #target: ProgressTarget
  readonly #totalSizeBytes: number | undefined
  readonly #startMs = performance.now()
  #bar: SingleBar | undefined
  #lastMs = this.#startMs

  /** @param totalSizeBytes how much there is in all, when that is known */
  constructor(target: ProgressTarget, totalSizeBytes: number | undefined) {
    this.#target = target
    this.#totalSizeBytes = totalSizeBytes
  }

  /** So much is done. */
  update(messageCount: number, sizeBytes: number): void {
    if (this.#target.isTTY !== true) return
    const nowMs = performance.now()
    if (nowMs - this.#startMs < SHOW_AFTER_MS || nowMs - this.#lastMs < 100) return
    this.#lastMs = nowMs
    const rate = Math.round((messageCount * 1000) / (nowMs - this.#startMs)).toLocaleString('en')
    const values = { count: messageCount.toLocaleString('en'), rate }
    if (this.#bar === undefined) {
      this.#bar = new SingleBar({ stream: this.#target, format: this.#format(), clearOnComplete: true, hideCursor: false })
      this.#bar.start(this.#totalSizeBytes ?? 0, sizeBytes, values)
    }
    this.#bar.update(sizeBytes, values)
  }

  #format(): string {
    return this.#totalSizeBytes === undefined
      ? '{count} messages, {rate}/s, {duration_formatted}'
      : '{bar} {percentage}% | {count} messages, {rate}/s | {eta_formatted} left'
  }

  /** Takes the bar away. */
  stop(): void {
    this.#bar?.stop()
    this.#bar = undefined
  }
}
