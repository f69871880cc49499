/**
 * The message ids that a queue has taken within its window. A second message with the same id is dropped, although the first
 * may be long settled. Each id is kept with its time, so that a message after the window is taken again.
 */

/** Remembered message ids with their times. */
export class DeduplicationWindow {
  /** Ids in the order of their times: a Map keeps the order of insertion. */
  readonly #times = new Map<string, number>()

  get size(): number {
    return this.#times.size
  }

  /** True when the id was taken within the window before `nowMs`. Forgets what is older. */
  has(id: string, nowMs: number, windowMs: number): boolean {
    for (const [oldest, atMs] of this.#times) {
      if (atMs + windowMs > nowMs) break
      this.#times.delete(oldest)
    }
    // Where the clock was set back, older ones may stand behind younger ones.
    const atMs = this.#times.get(id)
    return atMs !== undefined && atMs + windowMs > nowMs
  }

  remember(id: string, atMs: number): void {
    this.#times.delete(id)
    this.#times.set(id, atMs)
  }

  forEach(visit: (id: string, atMs: number) => void): void {
    for (const [id, atMs] of this.#times) visit(id, atMs)
  }
}
