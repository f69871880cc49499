/**
 * The end of a turn of the event loop, in three phases: what arrived in the turn has been read, now
 * (1) the journal starts its commit, (2) queues deliver, (3) connections flush their output.
 * The disk works while queues deliver, and one flush per connection carries everything the turn produced.
 * A task is an object that knows whether it is scheduled, so that scheduling allocates nothing.
 */
import type { Clock } from './clock.ts'

/** Work for the end of the turn. */
export interface TurnTask {
  /** Owned by Turn: true while the task waits for the end of the turn. */
  scheduled: boolean
  runAtTurnEnd(): void
}

/** The phases in their order. */
export const PHASE = { commit: 0, deliver: 1, flush: 2 } as const
export type Phase = (typeof PHASE)[keyof typeof PHASE]

const ROUNDS_MAX = 4

/** Collects tasks and runs them at the end of the turn. One instance per server. */
export class Turn {
  readonly clock: Clock
  /** Wall-clock time at the start of the present turn: hot paths read this field rather than the clock. */
  nowMs: number
  #armed = false
  #lists: [TurnTask[], TurnTask[], TurnTask[]] = [[], [], []]
  #spare: TurnTask[] = []

  constructor(clock: Clock) {
    this.clock = clock
    this.nowMs = clock.now()
  }

  /** Runs `task` in `phase` at the end of this turn; a task that is scheduled already is left as it is. */
  schedule(task: TurnTask, phase: Phase): void {
    if (task.scheduled) return
    task.scheduled = true
    this.#lists[phase].push(task)
    if (!this.#armed) this.#arm()
  }

  /** Refreshes `nowMs`; connections call it when a chunk of input arrives. */
  begin(): void {
    this.nowMs = this.clock.now()
  }

  #arm(): void {
    this.#armed = true
    this.nowMs = this.clock.now()
    this.clock.endOfTurn(this.#run)
  }

  /**
   * Runs the phases. Tasks that come up meanwhile get another round: what connections have just sent makes room for more deliveries, and
   * these come before more input is read, or publishers would outrun consumers. The number of rounds is bounded, so that a turn is.
   */
  readonly #run = (): void => {
    for (let round = 0; round < ROUNDS_MAX; round++) {
      this.#runRound()
      if (this.#lists.every((list) => list.length === 0)) {
        this.#armed = false
        return
      }
    }
    this.#arm()
  }

  #runRound(): void {
    for (let phase = 0 as Phase; phase <= PHASE.flush; phase++) {
      const list = this.#lists[phase]
      if (list.length === 0) continue
      this.#lists[phase] = this.#spare
      for (let i = 0; i < list.length; i++) {
        const task = list[i] as TurnTask
        task.scheduled = false
        task.runAtTurnEnd()
      }
      list.length = 0
      this.#spare = list
    }
  }
}
