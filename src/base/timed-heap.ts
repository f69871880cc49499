/**
 * A binary min-heap of (due time, number) pairs in two typed arrays: sixteen bytes per entry, no object, by the million.
 * Entries with the same time leave in the order of their numbers.
 */
import { assert } from './assert.ts'

const CAPACITY_MIN = 16

/** A heap ordered by time, then by number. */
export class TimedHeap {
  size = 0
  #times: Float64Array = new Float64Array(CAPACITY_MIN)
  #numbers: Float64Array = new Float64Array(CAPACITY_MIN)

  push(time: number, number: number): void {
    if (this.size === this.#times.length) this.#resize(this.size * 2)
    const times = this.#times
    const numbers = this.#numbers
    let at = this.size++
    while (at > 0) {
      const parent = (at - 1) >> 1
      const parentTime = times[parent] as number
      if (parentTime < time || (parentTime === time && (numbers[parent] as number) <= number)) break
      times[at] = parentTime
      numbers[at] = numbers[parent] as number
      at = parent
    }
    times[at] = time
    numbers[at] = number
  }

  /** Time of the earliest entry; Infinity when empty. */
  get firstTime(): number {
    return this.size === 0 ? Infinity : (this.#times[0] as number)
  }

  /** Number of the earliest entry; the heap must not be empty. */
  get firstNumber(): number {
    assert(this.size > 0, 'an empty heap has no first entry')
    return this.#numbers[0] as number
  }

  /** Removes the earliest entry and gives its number. */
  pop(): number {
    assert(this.size > 0, 'pop from an empty heap')
    const times = this.#times
    const numbers = this.#numbers
    const result = numbers[0] as number
    const last = --this.size
    const time = times[last] as number
    const number = numbers[last] as number
    let at = 0
    for (;;) {
      let child = at * 2 + 1
      if (child >= last) break
      const right = child + 1
      if (right < last && this.#before(right, child)) child = right
      const childTime = times[child] as number
      if (childTime > time || (childTime === time && (numbers[child] as number) >= number)) break
      times[at] = childTime
      numbers[at] = numbers[child] as number
      at = child
    }
    times[at] = time
    numbers[at] = number
    if (last > 4096 && last < this.#times.length / 4) this.#resize(this.#times.length / 2)
    return result
  }

  /** Drops the entries whose number `keep` refuses. */
  retain(keep: (number: number) => boolean): void {
    const times = this.#times
    const numbers = this.#numbers
    const { size } = this
    this.clear()
    // Entries come roughly in order, so that each finds its place at once.
    for (let i = 0; i < size; i++) if (keep(numbers[i] as number)) this.push(times[i] as number, numbers[i] as number)
  }

  clear(): void {
    this.size = 0
    this.#times = new Float64Array(CAPACITY_MIN)
    this.#numbers = new Float64Array(CAPACITY_MIN)
  }

  /** Visits every entry, in no order. */
  forEach(visit: (time: number, number: number) => void): void {
    for (let i = 0; i < this.size; i++) visit(this.#times[i] as number, this.#numbers[i] as number)
  }

  #before(a: number, b: number): boolean {
    const ta = this.#times[a] as number
    const tb = this.#times[b] as number
    return ta < tb || (ta === tb && (this.#numbers[a] as number) < (this.#numbers[b] as number))
  }

  #resize(capacity: number): void {
    const times = new Float64Array(capacity)
    const numbers = new Float64Array(capacity)
    times.set(this.#times.subarray(0, this.size))
    numbers.set(this.#numbers.subarray(0, this.size))
    this.#times = times
    this.#numbers = numbers
  }
}
