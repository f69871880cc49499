/**
 * Wall-clock alarms of the broker's parts (expiry, delays, back-off, unused queues): one timer for all of them.
 * An alarm that was moved to a later time still fires at the earlier one; its owner looks at the time and sets it again.
 */
import type { Clock, Timer } from '../base/clock.ts'
import { TimedHeap } from '../base/timed-heap.ts'

/** The machine's clock may be set while a timer runs; no alarm is late by more than this. */
const RECHECK_MS = 10_000

/** Something that wants to be called at a time. */
export interface AlarmOwner {
  /** Owned by Alarms: the earliest time it is registered for, or Infinity. */
  alarmAtMs: number
  /** The time has come. To be called again it calls `set` again. */
  alarm(nowMs: number): void
}

/** All alarms of a broker. */
export class Alarms {
  readonly #clock: Clock
  readonly #heap = new TimedHeap()
  readonly #owners = new Map<number, AlarmOwner>()
  #nextNumber = 1
  #timer: Timer | undefined
  #timerAtMs = Infinity
  #started = false
  #closed = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Calls `owner.alarm` at `atMs` (wall clock). An earlier registration stays; a later one is replaced. */
  set(owner: AlarmOwner, atMs: number): void {
    if (atMs >= owner.alarmAtMs || this.#closed) return
    owner.alarmAtMs = atMs
    const number = this.#nextNumber++
    this.#owners.set(number, owner)
    this.#heap.push(atMs, number)
    if (this.#started && atMs < this.#timerAtMs) this.#arm(atMs)
  }

  /** From now on alarms come. Before, while the broker is being rebuilt, they only gather: what is not complete must not act. */
  start(): void {
    this.#started = true
    if (this.#heap.size > 0) this.#arm(this.#heap.firstTime)
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
    this.#heap.clear()
    this.#owners.clear()
  }

  #arm(atMs: number): void {
    this.#timer?.cancel()
    this.#timerAtMs = atMs
    const delayMs = Math.min(RECHECK_MS, Math.max(0, atMs - this.#clock.now()))
    this.#timer = this.#clock.setTimer(delayMs, this.#fire)
  }

  readonly #fire = (): void => {
    this.#timer = undefined
    this.#timerAtMs = Infinity
    const nowMs = this.#clock.now()
    // Taken first: an owner with more to do than fits one alarm sets itself again for now, and gets the next turn, not this one.
    const due: AlarmOwner[] = []
    while (this.#heap.firstTime <= nowMs) {
      const atMs = this.#heap.firstTime
      const number = this.#heap.pop()
      const owner = this.#owners.get(number) as AlarmOwner
      this.#owners.delete(number)
      // An owner that was set to an earlier time since has a newer entry; this one is stale.
      if (owner.alarmAtMs !== atMs) continue
      owner.alarmAtMs = Infinity
      due.push(owner)
    }
    for (const owner of due) {
      if (this.#closed) return
      owner.alarm(nowMs)
    }
    if (this.#heap.size > 0 && this.#heap.firstTime < this.#timerAtMs) this.#arm(this.#heap.firstTime)
  }
}
