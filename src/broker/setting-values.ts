/**
 * What one source says about a queue: its arguments, a policy or an operator policy. Merged by effective-settings.ts.
 */
import type { Overflow } from './queue-settings.ts'

/** Values by setting; an absent one says nothing. */
export interface SettingValues {
  readonly messageTtlMs?: number
  readonly expiresMs?: number
  readonly lengthMax?: number
  readonly lengthBytesMax?: number
  readonly overflow?: Overflow
  readonly deadLetterExchange?: string
  readonly deadLetterRoutingKey?: string
  /** 0: priorities are ignored. */
  readonly priorityMax?: number
  /** Negative: no limit. */
  readonly deliveryLimit?: number
  readonly singleActiveConsumer?: boolean
  readonly redeliveryDelayMs?: number
  readonly redeliveryDelayMaxMs?: number
  readonly redeliveryDelayMultiplier?: number
  readonly deduplicationWindowMs?: number
  readonly orderingKey?: string
  readonly consumerTimeoutMs?: number
}
