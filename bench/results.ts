import type { Figures } from './load/job.ts'
import type { Machine } from './machine.ts'
import type { Scale } from './works/work.ts'

/** One run of one work on one column. */
export interface Measurement {
  readonly work: string
  readonly column: string
  readonly round: number
  readonly figures: Figures
}

/** A work that could not be carried out, and why. */
export interface Failure {
  readonly work: string
  readonly column: string
  readonly round: number
  readonly reason: string
}

/** Everything one run of the bench found; this is what `--json` writes. */
export interface Results {
  readonly machine: Machine
  readonly scale: Scale
  readonly rounds: number
  readonly columns: readonly string[]
  /** The version each broker said it is. */
  readonly versions: Record<string, string>
  readonly measurements: readonly Measurement[]
  readonly failures: readonly Failure[]
}

/** The middle of several rounds, and how far they were apart. */
export interface Spread {
  readonly median: number
  readonly lowest: number
  readonly highest: number
  readonly count: number
}

/** Sums up one figure of one work on one column; undefined when there is none. */
export const spreadOf = (results: Results, work: string, column: string, key: string): Spread | undefined => {
  const values = results.measurements
    .filter((measurement) => measurement.work === work && measurement.column === column)
    .map((measurement) => measurement.figures[key])
    .filter((value) => value !== undefined)
    .filter(Number.isFinite)
    .toSorted((left, right) => left - right)
  const [lowest] = values
  const highest = values.at(-1)
  if (lowest === undefined || highest === undefined) return undefined
  const middle = Math.floor(values.length / 2)
  const upper = values[middle] ?? lowest
  const median = values.length % 2 === 1 ? upper : ((values[middle - 1] ?? upper) + upper) / 2
  return { median, lowest, highest, count: values.length }
}
