/**
 * Counts confirms in whatever order they come, single or multiple, with one byte per message of the window.
 * A broker may confirm 5, then 3, then "up to 7": the last counts four, or five if 3 had not been confirmed.
 */
export class ConfirmWindow {
  /** Messages sent so far. */
  published = 0
  /** Messages confirmed so far. */
  confirmed = 0
  readonly limit: number
  readonly #settled: Uint8Array
  readonly #mask: number
  #lowest = 1

  constructor(limit: number) {
    this.limit = limit
    // Four windows of room: one late confirm doesn't stop the sending while later ones go on being confirmed.
    let size = 1
    while (size < limit * 4) size *= 2
    this.#settled = new Uint8Array(size)
    this.#mask = size - 1
  }

  /** How many messages may be sent now. */
  get free(): number {
    const open = this.limit - (this.published - this.confirmed)
    const room = this.#mask - (this.published - this.#lowest + 1)
    return open < room ? open : room
  }

  /** The lowest publish number that is not confirmed yet. */
  get lowestOpen(): number {
    return this.#lowest
  }

  /** A confirm came. @throws when it is for something that was not sent, or was confirmed before. */
  settle(deliveryTag: number, multiple: boolean): void {
    // Tag 0 with the multiple bit means everything sent so far.
    const tag = deliveryTag === 0 && multiple ? this.published : deliveryTag
    if (tag < this.#lowest || tag > this.published) {
      throw new Error(`confirm ${tag} is outside of the open window ${this.#lowest}..${this.published}`)
    }
    if (multiple) {
      for (let number = this.#lowest; number <= tag; number += 1) {
        const slot = number & this.#mask
        if (this.#settled[slot] === 0) this.confirmed += 1
        this.#settled[slot] = 0
      }
      this.#lowest = tag + 1
    } else {
      const slot = tag & this.#mask
      if (this.#settled[slot] === 1) throw new Error(`confirm ${tag} came twice`)
      this.#settled[slot] = 1
      this.confirmed += 1
    }
    while (this.#settled[this.#lowest & this.#mask] === 1) {
      this.#settled[this.#lowest & this.#mask] = 0
      this.#lowest += 1
    }
  }
}
