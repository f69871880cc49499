/**
 * Virtual time for simulation and tests: nothing happens until the test runs the clock, and then always in the same order.
 *
 * A turn is one event (a timer that is due; with a seed, now and then several of the same time), everything it promised, and then what it
 * left for the end of the turn. Time passes only when no turn is left to run now.
 */
import { assert } from './assert.ts'
import type { Clock, Timer } from './clock.ts'
import type { SeededRandom } from './random.ts'

const START_MS = Date.UTC(2026, 0, 1)
const TURNS_MAX = 10_000_000

class SimulatedTimer implements Timer {
  readonly dueMs: number
  /** Decides among timers of the same time: when they were set, or chance. */
  readonly order: number
  readonly number: number
  callback: (() => void) | undefined

  constructor(dueMs: number, order: number, number: number, callback: () => void) {
    this.dueMs = dueMs
    this.order = order
    this.number = number
    this.callback = callback
  }

  cancel(): void {
    this.callback = undefined
  }

  isBefore(other: SimulatedTimer): boolean {
    if (this.dueMs !== other.dueMs) return this.dueMs < other.dueMs
    return this.order !== other.order ? this.order < other.order : this.number < other.number
  }
}

/** What a simulated clock begins with. */
export interface SimulatedClockOptions {
  /** Wall-clock time at the start, in milliseconds since 1970. */
  readonly startMs?: number
  /** With it, timers of the same time fire in an order that the seed decides; without, in the order they were set. */
  readonly random?: SeededRandom
}

/** A clock that a test or the simulator runs. */
export class SimulatedClock implements Clock {
  #elapsedMs = 0
  #startMs: number
  readonly #random: SeededRandom | undefined
  readonly #heap: SimulatedTimer[] = []
  #endOfTurn: (() => void)[] = []
  #timerCount = 0
  #running = false

  constructor(options: SimulatedClockOptions = {}) {
    this.#startMs = options.startMs ?? START_MS
    this.#random = options.random
  }

  now(): number {
    return this.#startMs + Math.floor(this.#elapsedMs)
  }

  monotonic(): number {
    return this.#elapsedMs
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    assert(!Number.isNaN(delayMs), 'a delay is a number')
    const number = this.#timerCount++
    const order = this.#random === undefined ? number : this.#random.uint32()
    const timer = new SimulatedTimer(this.#elapsedMs + Math.max(0, delayMs), order, number, callback)
    this.#push(timer)
    return timer
  }

  endOfTurn(callback: () => void): void {
    this.#endOfTurn.push(callback)
  }

  /** Lets the wall clock jump, as an operator or a time service would; monotonic time and timers are not touched. */
  jump(ms: number): void {
    this.#startMs += ms
  }

  /** Runs until nothing is left to happen. @returns how many turns it took */
  runUntilIdle(turnsMax: number = TURNS_MAX): Promise<number> {
    return this.#run(Infinity, () => false, turnsMax)
  }

  /** Runs what happens in the next `ms` milliseconds; afterwards that much time has passed. */
  async runFor(ms: number): Promise<void> {
    const endMs = this.#elapsedMs + ms
    await this.#run(endMs, () => false, TURNS_MAX)
    this.#elapsedMs = endMs
  }

  /** Runs until `condition` holds after a turn. @throws AssertionFailure when everything has happened and it doesn't, or after `turnsMax` turns */
  async runUntil(condition: () => boolean, turnsMax: number = TURNS_MAX): Promise<void> {
    await drainPromises()
    if (condition()) return
    let held = false
    await this.#run(Infinity, () => (held = condition()), turnsMax)
    assert(held, 'what the test waits for has not happened, and nothing is left to happen')
  }

  /** Runs until a promise is settled, and gives its value. */
  async settle<T>(promise: Promise<T>): Promise<T> {
    let settled = false
    const note = (): void => void (settled = true)
    promise.then(note, note)
    await this.runUntil(() => settled)
    return promise
  }

  async #run(endMs: number, stop: () => boolean, turnsMax: number): Promise<number> {
    assert(!this.#running, 'the clock is run from one place')
    this.#running = true
    try {
      await drainPromises()
      for (let turns = 1; turns <= turnsMax; turns++) {
        if (!(await this.#turn(endMs))) return turns
        if (stop()) return turns
      }
      assert(false, 'the simulation ends within its bound of turns')
    } finally {
      this.#running = false
    }
  }

  /** @returns false when nothing is left to happen until `endMs` */
  async #turn(endMs: number): Promise<boolean> {
    const first = this.#peek()
    // What waits for the end of a turn comes before any later time.
    const isDue = first !== undefined && first.dueMs <= (this.#endOfTurn.length > 0 ? this.#elapsedMs : endMs)
    if (!isDue && this.#endOfTurn.length === 0) return false
    if (isDue) {
      this.#elapsedMs = Math.max(this.#elapsedMs, first.dueMs)
      do {
        const timer = this.#pop()
        const callback = timer.callback
        timer.callback = undefined
        callback?.()
        await drainPromises()
      } while (this.#random !== undefined && this.#isDueNow() && this.#random.below(2) === 0)
    }
    const callbacks = this.#endOfTurn
    this.#endOfTurn = []
    for (const callback of callbacks) {
      callback()
      await drainPromises()
    }
    return true
  }

  #isDueNow(): boolean {
    const next = this.#peek()
    return next !== undefined && next.dueMs <= this.#elapsedMs
  }

  /** The next timer that was not cancelled. */
  #peek(): SimulatedTimer | undefined {
    while (this.#heap.length > 0 && this.#heap[0]?.callback === undefined) this.#pop()
    return this.#heap[0]
  }

  #push(timer: SimulatedTimer): void {
    const heap = this.#heap
    let at = heap.length
    heap.push(timer)
    while (at > 0) {
      const parent = (at - 1) >> 1
      const above = heap[parent] as SimulatedTimer
      if (!timer.isBefore(above)) break
      heap[at] = above
      at = parent
    }
    heap[at] = timer
  }

  #pop(): SimulatedTimer {
    const heap = this.#heap
    const result = heap[0] as SimulatedTimer
    const last = heap.pop() as SimulatedTimer
    if (heap.length === 0) return result
    let at = 0
    for (;;) {
      let child = at * 2 + 1
      if (child >= heap.length) break
      const right = heap[child + 1]
      if (right?.isBefore(heap[child] as SimulatedTimer) === true) child++
      const below = heap[child] as SimulatedTimer
      if (!below.isBefore(last)) break
      heap[at] = below
      at = child
    }
    heap[at] = last
    return result
  }
}

/** All promises that can go on have gone on when an immediate of the real event loop runs. */
function drainPromises(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
