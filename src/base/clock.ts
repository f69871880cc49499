/**
 * Time and turns of the event loop as a parameter, so that the simulator and the tests decide when they pass.
 */

/** A timer that can be cancelled. */
export interface Timer {
  cancel(): void
}

/** The source of time of a server. One instance is handed to every part that needs time. */
export interface Clock {
  /** Wall-clock time in milliseconds since 1970, as stored in records. It may jump. */
  now(): number
  /** Monotonic time in milliseconds from an arbitrary start, for measuring durations. */
  monotonic(): number
  /** Calls `callback` once, not before `delayMs` have passed. Any length is allowed (longer than 2^31 ms too). */
  setTimer(delayMs: number, callback: () => void): Timer
  /** Calls `callback` once, after the input that is already waiting has been read: at the end of this turn of the event loop. */
  endOfTurn(callback: () => void): void
}

/** Node's timers take at most this many milliseconds; longer ones are taken in steps. */
const NODE_TIMER_MAX_MS = 2 ** 31 - 1

/** The clock of the machine. */
export class SystemClock implements Clock {
  now(): number {
    return Date.now()
  }

  monotonic(): number {
    return performance.now()
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    const due = performance.now() + delayMs
    let handle: NodeJS.Timeout
    const arm = (): void => {
      const leftMs = due - performance.now()
      if (leftMs > NODE_TIMER_MAX_MS) handle = setTimeout(arm, NODE_TIMER_MAX_MS)
      else handle = setTimeout(callback, Math.max(0, leftMs))
    }
    arm()
    return { cancel: () => clearTimeout(handle) }
  }

  endOfTurn(callback: () => void): void {
    setImmediate(callback)
  }
}
