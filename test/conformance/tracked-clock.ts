/** The machine's clock for tests that abandon what they started, as a process that is killed does: its timers end with the test. */
import type { Timer } from '../../src/base/clock.ts'
import { SystemClock } from '../../src/base/clock.ts'

/** A clock whose timers can all be cancelled. */
export class TrackedClock extends SystemClock {
  readonly #timers = new Set<Timer>()

  override setTimer(delayMs: number, callback: () => void): Timer {
    const timer = super.setTimer(delayMs, () => {
      this.#timers.delete(timer)
      callback()
    })
    this.#timers.add(timer)
    return timer
  }

  cancelAll(): void {
    for (const timer of this.#timers) timer.cancel()
    this.#timers.clear()
  }
}
