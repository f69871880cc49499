/**
 * What an operator or a client may set on a queue: the merged outcome of its arguments and its policy.
 * Protocol-neutral: every protocol's arguments are parsed into this.
 */

/** What happens when a queue is over its length or byte limit. */
export type Overflow = 'drop-head' | 'reject-publish' | 'reject-publish-dead-letter'

/** Exponential back-off before a returned message is delivered again. */
export interface Backoff {
  readonly fromMs: number
  readonly maxMs: number
  readonly multiplier: number
}

/** The effective settings of a queue. `undefined` means: not set, and costs nothing. */
export interface QueueSettings {
  readonly messageTtlMs: number | undefined
  readonly expiresMs: number | undefined
  readonly lengthMax: number | undefined
  readonly lengthBytesMax: number | undefined
  readonly overflow: Overflow
  readonly deadLetterExchange: string | undefined
  readonly deadLetterRoutingKey: string | undefined
  /** Highest priority (1 to 255); undefined: priorities are ignored. */
  readonly priorityMax: number | undefined
  readonly deliveryLimit: number | undefined
  readonly singleActiveConsumer: boolean
  readonly redeliveryBackoff: Backoff | undefined
  /** Window in which a second message with the same message id is dropped. */
  readonly deduplicationWindowMs: number | undefined
  /** Where the ordering key of a message is: a header's name, or the property `group-id`/`correlation-id`/`routing-key`. Undefined: plain order. */
  readonly orderingKey: string | undefined
  /** A consumer that leaves a delivery unsettled for longer loses its channel; undefined: never. */
  readonly consumerTimeoutMs: number | undefined
}
