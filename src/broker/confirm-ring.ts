/**
 * The publications of a session that wait for their confirm: per publication the journal position that the watermark must reach.
 * They are confirmed in order, as many as possible at once.
 */

const CAPACITY_MIN = 16
/** Stored in place of a position: this publication was refused. */
const REFUSED = -1

/** Receives the outcome. */
export interface ConfirmListener {
  /** The publication `tag`, and with `multiple` all before it that had no outcome yet, are safe. */
  confirmed(tag: number, multiple: boolean): void
  /** The publication `tag` was refused. */
  refused(tag: number): void
}

/** Confirms of one session. Publications are numbered from 1. */
export class ConfirmRing {
  #ring = new Float64Array(CAPACITY_MIN)
  /** The next tag to be confirmed, and the next to be published. */
  #head = 1
  #next = 1

  /** Tag of the publication pushed last. */
  get lastTag(): number {
    return this.#next - 1
  }

  get size(): number {
    return this.#next - this.#head
  }

  /** Adds the next publication: safe when the watermark reaches `position` (0: now), or `refused`. */
  push(position: number, refused: boolean): void {
    if (this.#next - this.#head === this.#ring.length) this.#grow()
    this.#ring[this.#next & (this.#ring.length - 1)] = refused ? REFUSED : position
    this.#next++
  }

  /** Tells `listener` everything that the watermark allows. */
  advance(watermark: number, listener: ConfirmListener): void {
    const ring = this.#ring
    const mask = ring.length - 1
    let head = this.#head
    let start = head
    while (head < this.#next) {
      const position = ring[head & mask] as number
      if (position > watermark) break
      if (position === REFUSED) {
        if (head > start) listener.confirmed(head - 1, head - start > 1)
        listener.refused(head)
        start = head + 1
      }
      head++
    }
    this.#head = head
    if (head > start) listener.confirmed(head - 1, head - start > 1)
  }

  #grow(): void {
    const ring = new Float64Array(this.#ring.length * 2)
    for (let tag = this.#head; tag < this.#next; tag++) ring[tag & (ring.length - 1)] = this.#ring[tag & (this.#ring.length - 1)] as number
    this.#ring = ring
  }
}
