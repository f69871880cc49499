/**
 * The one table of what can be set on a queue, by arguments (`x-` before the key) and by policies.
 *
 * Rows without a property are accepted because they ask for what every queue here is anyway (durable storage that needs no memory for waiting
 * messages, one copy on one server, at-least-once dead-lettering) or for nothing that can be observed.
 */
import { LIMITS } from '../base/limits.ts'
import type { ArgumentCheck } from './argument-checks.ts'
import {
  anyInteger,
  anything,
  bool,
  duration,
  groupSize,
  naturalNumber,
  nonEmptyText,
  numberFrom,
  oneNumberOf,
  oneOf,
} from './argument-checks.ts'
import { positiveDuration, priority, shortText } from './argument-checks.ts'
import type { SettingValues } from './setting-values.ts'

/** What a queue is declared as; both are the same durable queue here. */
export type QueueType = 'classic' | 'quorum'

/** One thing that can be set. */
export interface QueueSettingRow {
  /** The key in a policy; the argument has `x-` before it. */
  readonly key: string
  readonly check: ArgumentCheck
  /** Where the value goes; absent: it has no effect. */
  readonly property?: keyof SettingValues
  /** Who may set it; arguments may set everything but what says otherwise. */
  readonly by: 'argument' | 'policy' | 'argument-policy' | 'argument-policy-operator'
  /** The type of queue that alone takes the argument; absent: any. */
  readonly onlyType?: QueueType
  /** An argument that must stand beside it, and what is wrong if it doesn't. */
  readonly needs?: { readonly key: string; readonly problem: string }
  /** What a policy's error text calls the value. */
  readonly noun: string
}

const overflow = oneOf(['drop-head', 'reject-publish', 'reject-publish-dlx'], () => 'invalid_overflow')
const deadLetterStrategy = oneOf(['at-most-once', 'at-least-once'], () => 'invalid_dlx_strategy')
const leaderLocator = oneOf(['client-local', 'balanced', 'random', 'least-leaders'], () => 'invalid_queue_locator_arg')
const queueMode = oneOf(['default', 'lazy'], (word) => `"unsupported queue mode '${word}'"`)
const queueVersion = oneNumberOf([1, 2], (number) => `"unsupported queue version '${number}'"`)

const NEEDS_EXCHANGE = { key: 'dead-letter-exchange', problem: 'routing_key_but_no_dlx_defined' }
const NEEDS_DELAY = { key: 'redelivery-delay', problem: 'no_redelivery_delay_defined' }
const ALL = 'argument-policy-operator'
const BOTH = 'argument-policy'

/** The rows in the order in which RabbitMQ checks them, its own before ours. */
export const QUEUE_SETTINGS: readonly QueueSettingRow[] = [
  { key: 'expires', check: positiveDuration, property: 'expiresMs', by: ALL, noun: 'queue expiry' },
  { key: 'message-ttl', check: duration, property: 'messageTtlMs', by: ALL, noun: 'message TTL' },
  { key: 'dead-letter-exchange', check: shortText, property: 'deadLetterExchange', by: BOTH, noun: 'dead letter exchange name' },
  {
    key: 'dead-letter-routing-key',
    check: shortText,
    property: 'deadLetterRoutingKey',
    by: BOTH,
    needs: NEEDS_EXCHANGE,
    noun: 'dead letter routing key',
  },
  { key: 'dead-letter-strategy', check: deadLetterStrategy, by: BOTH, noun: 'dead letter strategy' },
  { key: 'max-length', check: naturalNumber, property: 'lengthMax', by: ALL, noun: 'maximum length' },
  { key: 'max-length-bytes', check: naturalNumber, property: 'lengthBytesMax', by: ALL, noun: 'maximum length in bytes' },
  { key: 'max-in-memory-length', check: naturalNumber, by: ALL, onlyType: 'quorum', noun: 'maximum memory in bytes' },
  { key: 'max-in-memory-bytes', check: naturalNumber, by: ALL, onlyType: 'quorum', noun: 'maximum memory in bytes' },
  { key: 'max-priority', check: priority, property: 'priorityMax', by: 'argument', onlyType: 'classic', noun: 'maximum priority' },
  { key: 'overflow', check: overflow, property: 'overflow', by: ALL, noun: 'overflow value' },
  { key: 'queue-mode', check: queueMode, by: BOTH, onlyType: 'classic', noun: 'queue-mode value' },
  { key: 'queue-version', check: queueVersion, by: ALL, onlyType: 'classic', noun: 'queue-version value' },
  { key: 'single-active-consumer', check: bool, property: 'singleActiveConsumer', by: 'argument', noun: 'single active consumer' },
  { key: 'quorum-initial-group-size', check: groupSize, by: 'argument', onlyType: 'quorum', noun: 'group size' },
  { key: 'queue-leader-locator', check: leaderLocator, by: BOTH, noun: 'queue leader locator value' },
  { key: 'queue-master-locator', check: anything, by: 'argument', onlyType: 'classic', noun: 'queue master locator' },
  { key: 'target-group-size', check: groupSize, by: 'policy', noun: 'target group size' },
  { key: 'delivery-limit', check: anyInteger, property: 'deliveryLimit', by: ALL, noun: 'delivery limit' },
  { key: 'consumer-timeout', check: naturalNumber, property: 'consumerTimeoutMs', by: BOTH, noun: 'consumer timeout' },
  { key: 'redelivery-delay', check: duration, property: 'redeliveryDelayMs', by: BOTH, noun: 'redelivery delay' },
  {
    key: 'redelivery-delay-max',
    check: duration,
    property: 'redeliveryDelayMaxMs',
    by: BOTH,
    needs: NEEDS_DELAY,
    noun: 'longest redelivery delay',
  },
  {
    key: 'redelivery-delay-multiplier',
    check: numberFrom(1),
    property: 'redeliveryDelayMultiplier',
    by: BOTH,
    needs: NEEDS_DELAY,
    noun: 'multiplier of the redelivery delay',
  },
  { key: 'message-deduplication', check: bool, by: 'argument', noun: 'message deduplication' },
  { key: 'deduplication-window', check: positiveDuration, property: 'deduplicationWindowMs', by: BOTH, noun: 'deduplication window' },
  { key: 'ordering-key', check: nonEmptyText, property: 'orderingKey', by: BOTH, noun: 'ordering key' },
]

/** Arguments that only a stream takes: there are no streams yet. */
export const STREAM_ARGUMENTS: readonly string[] = ['x-max-age', 'x-stream-max-segment-size-bytes', 'x-initial-cluster-size']

/** The setting that a checked value stands for. */
export function settingOf(row: QueueSettingRow, value: number | string | boolean): SettingValues {
  if (row.key === 'message-deduplication') return value === true ? { deduplicationWindowMs: LIMITS.deduplicationWindowMsDefault } : {}
  if (row.property === undefined) return {}
  if (row.property === 'overflow' && value === 'reject-publish-dlx') return { overflow: 'reject-publish-dead-letter' }
  return { [row.property]: value }
}
