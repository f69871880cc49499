/** A double-ended queue of numbers in a typed ring: eight bytes per entry. */
import { assert } from './assert.ts'

const CAPACITY_MIN = 16

/** Numbers, first in first out. */
export class NumberDeque {
  #ring: Float64Array = new Float64Array(CAPACITY_MIN)
  #head = 0
  size = 0

  push(number: number): void {
    if (this.size === this.#ring.length) this.#resize(this.size * 2)
    this.#ring[(this.#head + this.size) & (this.#ring.length - 1)] = number
    this.size++
  }

  /** The oldest entry; the deque must not be empty. */
  get first(): number {
    assert(this.size > 0, 'an empty deque has no first entry')
    return this.#ring[this.#head] as number
  }

  shift(): number {
    assert(this.size > 0, 'shift from an empty deque')
    const result = this.#ring[this.#head] as number
    this.#head = (this.#head + 1) & (this.#ring.length - 1)
    this.size--
    if (this.#ring.length > 4096 && this.size < this.#ring.length / 4) this.#resize(this.#ring.length / 2)
    return result
  }

  /** Drops the entries that `keep` refuses. */
  retain(keep: (number: number) => boolean): void {
    const ring = this.#ring
    const head = this.#head
    const { size } = this
    this.clear()
    for (let i = 0; i < size; i++) {
      const number = ring[(head + i) & (ring.length - 1)] as number
      if (keep(number)) this.push(number)
    }
  }

  clear(): void {
    this.#ring = new Float64Array(CAPACITY_MIN)
    this.#head = 0
    this.size = 0
  }

  #resize(capacity: number): void {
    const ring = new Float64Array(capacity)
    for (let i = 0; i < this.size; i++) ring[i] = this.#ring[(this.#head + i) & (this.#ring.length - 1)] as number
    this.#ring = ring
    this.#head = 0
  }
}
