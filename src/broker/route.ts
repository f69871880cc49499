/**
 * The outcome of routing one (exchange, routing key): the queues, and what the publisher's fast path must know about them.
 * A route is kept and used again until the topology changes.
 */
import type { Queue } from './queue.ts'

/** Where messages of one address go. */
export interface Route {
  readonly queues: readonly Queue[]
  /** A durable queue is among them: a persistent message goes to the journal. */
  readonly durable: boolean
  /** Some queue has to look at each message before it is stored (limits, deduplication, priority, time to live, keys). */
  readonly special: boolean
  /** `Namespace.topologyVersion` it was made at; another value makes it stale. */
  readonly version: number
  /** The messages are delayed by their `x-delay` only here, or on any exchange: see Namespace.publish. */
  readonly cacheable: boolean
}
