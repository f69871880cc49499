/**
 * Events that strangers cause, for the log: the first of a kind is written at once, those that follow within ten seconds are counted and
 * written as one line. Whoever opens connections by the thousand cannot fill the disk with our log.
 */
import type { Clock } from '../base/clock.ts'

const INTERVAL_MS = 10_000
/** Kinds are few and named by us; this is for the case that they are not. */
const KINDS_MAX = 100

/** Writes one line; `count` is how many events it stands for. */
export type WriteLine = (text: string, fields: object, count: number) => void

/** See the head of this file. */
export class FloodLog {
  readonly #clock: Clock
  readonly #write: WriteLine
  readonly #kinds = new Map<string, { fields: object; count: number }>()

  constructor(clock: Clock, write: WriteLine) {
    this.#clock = clock
    this.#write = write
  }

  /** Something happened. `text` is its kind; the fields of the last event are written with a count. */
  add(text: string, fields: object): void {
    const known = this.#kinds.get(text)
    if (known !== undefined) {
      known.count++
      known.fields = fields
      return
    }
    if (this.#kinds.size >= KINDS_MAX) return
    this.#write(text, fields, 1)
    this.#kinds.set(text, { fields, count: 0 })
    this.#clock.setTimer(INTERVAL_MS, () => {
      const { fields: last, count } = this.#kinds.get(text) ?? { fields: {}, count: 0 }
      this.#kinds.delete(text)
      if (count > 0) this.#write(text, last, count)
    })
  }
}
