import type { RunningAssignment } from '../assignment.ts'
import type { RunningBroker, Variant } from '../brokers/broker.ts'
import type { Figures, Job, Traffic } from '../load/job.ts'

/** How much of everything; `--quick` has less. */
export interface Scale {
  readonly warmUpMs: number
  readonly measureMs: number
  readonly latencyMs: number
  readonly settleMs: number
  readonly backlogCount: number
  readonly bindingCount: number
  readonly queueCount: number
  readonly connectionCount: number
  readonly delayedCount: number
  readonly delayedLeadMs: number
  readonly delayedSpanMs: number
  readonly ackEvery: number
}

/** What the figures are for. */
export const FULL_SCALE: Scale = {
  warmUpMs: 1500,
  measureMs: 5000,
  latencyMs: 10_000,
  settleMs: 5000,
  backlogCount: 10_000_000,
  bindingCount: 100_000,
  queueCount: 10_000,
  connectionCount: 1000,
  delayedCount: 1_000_000,
  delayedLeadMs: 30_000,
  delayedSpanMs: 90_000,
  ackEvery: 100,
}

/** A look, in a few minutes: the figures of the large works don't compare with those of the full scale. */
export const QUICK_SCALE: Scale = {
  ...FULL_SCALE,
  warmUpMs: 700,
  measureMs: 2000,
  latencyMs: 3000,
  settleMs: 2000,
  backlogCount: 200_000,
  bindingCount: 10_000,
  queueCount: 1000,
  connectionCount: 200,
  delayedCount: 50_000,
  delayedLeadMs: 6000,
  delayedSpanMs: 12_000,
}

/** How a figure is written. */
export type Unit = 'per second' | 'ms' | 's' | 'MiB' | 'bytes' | 'share' | 'times' | 'cores'

/** What this broker must reach: so many times the peer's figure (or at most that share of it), or a bound of its own. */
export type Goal =
  | { readonly kind: 'times peer'; readonly must: number; readonly aim?: number }
  | { readonly kind: 'share of peer'; readonly must: number; readonly aim?: number }
  | { readonly kind: 'at most'; readonly must: number; readonly aim?: number }
  | { readonly kind: 'at least'; readonly must: number; readonly aim?: number }

/** One figure of a work that gets a row of the table. */
export interface Metric {
  readonly key: string
  readonly title: string
  readonly unit: Unit
  readonly better: 'higher' | 'lower'
  readonly goal?: Goal
}

/** What a work has at hand. */
export interface WorkContext {
  readonly broker: RunningBroker
  readonly variant: Variant
  readonly scale: Scale
  /** Carries out a job in a load process of its own. */
  readonly run: (job: Job) => Promise<Figures>
  readonly start: (job: Job) => RunningAssignment
  /** Tells the one who waits what is being done. */
  readonly tell: (text: string) => void
}

/** One row of the table, or several that come of the same run. */
export interface Work {
  readonly name: string
  readonly title: string
  /** Which columns have it. */
  readonly columns: 'every variant' | 'main variants'
  /** Runs once, on a broker that was just started with no data, instead of in every round. */
  readonly isLarge: boolean
  readonly metrics: readonly Metric[]
  run(context: WorkContext): Promise<Figures>
}

/** Durable, confirmed, acknowledged: what a message that matters asks for. */
export const durableTraffic = (bodyBytes: number, window: number, ackEvery: number): Traffic => ({
  bodyBytes,
  window,
  confirms: true,
  durable: true,
  automaticAck: false,
  prefetchCount: 5000,
  ackEvery,
})

/** A figure that a job must have given. */
export const figureOf = (figures: Figures, key: string): number => {
  const value = figures[key]
  if (value === undefined) throw new Error(`the job gave no ${key}`)
  return value
}

/** Bytes as the table shows them. */
export const toMebibytes = (bytes: number): number => bytes / 1024 / 1024
