/**
 * The settlements of one queue since the last commit, as runs of consecutive sequence numbers: settling in order costs one run,
 * whatever their count.
 */

import type { Log } from '../storage/storage.ts'
import { RECORD } from './message-record.ts'

/** Runs of sequence numbers. */
export class SettledRuns {
  runCount = 0
  /** Numbers in all. */
  count = 0
  /** First number of the newest run, and the number after its last. Kept apart because nearly every number extends it. */
  #first = 0
  #end = 0
  #firsts: number[] = []
  #lengths: number[] = []

  add(sequence: number): void {
    this.count++
    if (sequence === this.#end && this.runCount > 0) {
      this.#end++
      return
    }
    if (this.runCount > 0) this.#close()
    this.runCount++
    this.#first = sequence
    this.#end = sequence + 1
  }

  firstOf(run: number): number {
    return run === this.runCount - 1 ? this.#first : (this.#firsts[run] as number)
  }

  lengthOf(run: number): number {
    return run === this.runCount - 1 ? this.#end - this.#first : (this.#lengths[run] as number)
  }

  clear(): void {
    this.runCount = 0
    this.count = 0
    if (this.#firsts.length > 0) {
      this.#firsts.length = 0
      this.#lengths.length = 0
    }
  }

  #close(): void {
    this.#firsts.push(this.#first)
    this.#lengths.push(this.#end - this.#first)
  }
}

/** Runs in one record at most: settlements in no order at all make a run each, and a record has a largest size. */
export const RUNS_PER_RECORD_MAX = 65_536

/** Writes the gathered settlements of a queue, in one record or, when they are very many, several of the same commit. */
export function writeSettled(log: Log, queue: { readonly number: number; readonly settledRuns: SettledRuns }): void {
  const runs = queue.settledRuns
  for (let from = 0; from < runs.runCount; from += RUNS_PER_RECORD_MAX) {
    writeRuns(log, queue.number, runs, from, Math.min(from + RUNS_PER_RECORD_MAX, runs.runCount))
  }
  runs.clear()
}

function writeRuns(log: Log, number: number, runs: SettledRuns, from: number, to: number): void {
  log.reserve(RECORD.settled, 8 + (to - from) * 12)
  const view = log.view
  let at = log.offset
  view.setUint32(at, number, true)
  view.setUint32(at + 4, to - from, true)
  at += 8
  for (let i = from; i < to; i++) {
    view.setFloat64(at, runs.firstOf(i), true)
    view.setUint32(at + 8, runs.lengthOf(i), true)
    at += 12
  }
  log.seal()
}
