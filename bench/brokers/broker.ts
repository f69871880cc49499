import type { FieldTable } from '../load/frame-writer.ts'
import type { Target } from '../load/connection.ts'

/** A broker that runs and can be measured. */
export interface RunningBroker {
  readonly version: string
  readonly target: Target
  /** The serving process, when it is on this machine: its memory, time and writes can then be read. */
  pid(): number | undefined
  /** Stops it (or kills it) with its data left; absent where the bench didn't start it. */
  readonly halt?: (options: { readonly kill: boolean }) => Promise<void>
  /** Starts it again on the same data and port. */
  readonly resume?: () => Promise<void>
  stop(): Promise<void>
}

/** A kind of queue of a broker that gets a column of its own. */
export interface Variant {
  readonly name: string
  readonly queueArguments: FieldTable
  /** What the works that ask for more than a plain durable queue are run on: one per broker. */
  readonly isMain: boolean
}

/** A broker the bench can start, with its columns. */
export interface BrokerKind {
  readonly name: string
  readonly variants: readonly Variant[]
  start(): Promise<RunningBroker>
}
