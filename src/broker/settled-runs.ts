/**
 * The settlements of one queue since the last commit, as runs of consecutive sequence numbers: settling in order costs one run,
 * whatever their count.
 */

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
