import { runAssignment, startAssignment } from './assignment.ts'
import type { BrokerKind, RunningBroker, Variant } from './brokers/broker.ts'
import type { Assignment, Job } from './load/job.ts'
import type { Machine } from './machine.ts'
import type { Failure, Measurement, Results } from './results.ts'
import type { Scale, Work, WorkContext } from './works/work.ts'

/** What is to be measured. */
export interface Plan {
  readonly works: readonly Work[]
  readonly kinds: readonly BrokerKind[]
  readonly rounds: number
  readonly scale: Scale
  /** For the brokers other than this one. */
  readonly peerScale: Scale
  readonly machine: Machine
}

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** One broker runs at a time; the rounds go through the brokers in turn, each round beginning with another one. */
export class Session {
  readonly #tell: (text: string) => void
  readonly #measurements: Measurement[] = []
  readonly #failures: Failure[] = []
  readonly #versions: Record<string, string> = {}
  #running: RunningBroker | undefined
  #isAborted = false

  constructor(tell: (text: string) => void) {
    this.#tell = tell
  }

  /** Runs the plan. A work that fails is noted and the rest goes on. */
  async measure(plan: Plan): Promise<Results> {
    const everyRound = plan.works.filter((work) => !work.isLarge)
    for (let round = 1; round <= plan.rounds && everyRound.length > 0; round += 1) {
      for (let index = 0; index < plan.kinds.length; index += 1) {
        const kind = plan.kinds[(index + round - 1) % plan.kinds.length]
        if (kind !== undefined) await this.#measureTogether(plan, kind, everyRound, round)
      }
    }
    for (const work of plan.works.filter((candidate) => candidate.isLarge)) {
      for (const kind of plan.kinds) await this.#measureTogether(plan, kind, [work], 1)
    }
    return {
      machine: plan.machine,
      scale: plan.scale,
      rounds: plan.rounds,
      columns: plan.kinds.flatMap((kind) => kind.variants.map((variant) => variant.name)),
      versions: this.#versions,
      measurements: this.#measurements,
      failures: this.#failures,
    }
  }

  /** Stops the broker that runs now; what was planned is given up. */
  async abort(): Promise<void> {
    this.#isAborted = true
    await this.#running?.stop()
  }

  async #measureTogether(plan: Plan, kind: BrokerKind, works: readonly Work[], round: number): Promise<void> {
    const pairs = works.flatMap((work) =>
      kind.variants.filter((variant) => hasColumn(work, kind, variant)).map((variant) => ({ work, variant })),
    )
    if (pairs.length === 0 || this.#isAborted) return
    try {
      this.#running = await kind.start()
    } catch (error) {
      for (const { work, variant } of pairs) {
        this.#failures.push({ work: work.name, column: variant.name, round, reason: `did not start: ${reasonOf(error)}` })
      }
      this.#tell(`${kind.name} did not start: ${reasonOf(error)}`)
      return
    }
    this.#versions[kind.name] = this.#running.version
    try {
      for (const { work, variant } of pairs) await this.#measureOne(plan, this.#running, work, variant, round)
    } finally {
      if (!this.#isAborted) await this.#running.stop()
      this.#running = undefined
    }
  }

  async #measureOne(plan: Plan, broker: RunningBroker, work: Work, variant: Variant, round: number): Promise<void> {
    if (this.#isAborted) return
    const label = `round ${round}: ${work.name} on ${variant.name}`
    const assign = (job: Job): Assignment => ({ target: broker.target, brokerPid: broker.pid(), job })
    const context: WorkContext = {
      broker,
      variant,
      scale: variant.name === 'waybill' ? plan.scale : plan.peerScale,
      run: async (job) => await runAssignment(assign(job)),
      start: (job) => startAssignment(assign(job)),
      tell: (text) => this.#tell(`${label}: ${text}`),
    }
    try {
      const figures = await work.run(context)
      this.#measurements.push({ work: work.name, column: variant.name, round, figures })
      const shown = work.metrics.map((metric) => `${metric.key} ${(figures[metric.key] ?? Number.NaN).toPrecision(4)}`)
      this.#tell(`${label}: ${shown.join(', ')}`)
    } catch (error) {
      this.#failures.push({ work: work.name, column: variant.name, round, reason: reasonOf(error) })
      this.#tell(`${label}: ${reasonOf(error)}`)
    }
  }
}

/** The sink counts one queue's messages and nothing else: it has the works whose names say durable. NATS core stores nothing. */
const hasColumn = (work: Work, kind: BrokerKind, variant: Variant): boolean => {
  if (kind.name === 'ceiling') return work.name.startsWith('durable-')
  if (kind.name === 'nats-core') return work.name === 'transient'
  return work.columns === 'every variant' || variant.isMain
}
