/**
 * Merges what a queue's arguments, its policy and its operator policy say, by RabbitMQ's rules:
 *
 *   expiry, time to live, lengths    the smallest of all three
 *   delivery limit                   the smallest; "no limit" (negative) stands back behind any limit
 *   overflow                         the argument, else the operator policy, else the policy
 *   everything else                  the argument, else the policy
 */
import { LIMITS } from '../base/limits.ts'
import type { Backoff, QueueSettings } from './queue-settings.ts'
import type { SettingValues } from './setting-values.ts'

const NOTHING: SettingValues = {}

/** The settings in force. */
export function effectiveSettings(
  args: SettingValues,
  policy: SettingValues = NOTHING,
  operatorPolicy: SettingValues = NOTHING,
): QueueSettings {
  const policies: SettingValues = {
    ...policy,
    ...operatorPolicy,
    ...smallest(policy, operatorPolicy),
  }
  const merged: SettingValues = { ...policies, ...args, ...smallest(policies, args) }
  return {
    messageTtlMs: merged.messageTtlMs,
    expiresMs: merged.expiresMs,
    lengthMax: merged.lengthMax,
    lengthBytesMax: merged.lengthBytesMax,
    overflow: merged.overflow ?? 'drop-head',
    deadLetterExchange: merged.deadLetterExchange,
    deadLetterRoutingKey: merged.deadLetterRoutingKey,
    priorityMax: merged.priorityMax === 0 ? undefined : merged.priorityMax,
    deliveryLimit: merged.deliveryLimit !== undefined && merged.deliveryLimit < 0 ? undefined : merged.deliveryLimit,
    singleActiveConsumer: merged.singleActiveConsumer ?? false,
    redeliveryBackoff: backoffOf(merged),
    deduplicationWindowMs: merged.deduplicationWindowMs,
    orderingKey: merged.orderingKey,
    consumerTimeoutMs: merged.consumerTimeoutMs,
  }
}

const SMALLEST = ['messageTtlMs', 'expiresMs', 'lengthMax', 'lengthBytesMax', 'deliveryLimit', 'consumerTimeoutMs'] as const

/** The settings of which the smaller counts, where both say something. */
function smallest(a: SettingValues, b: SettingValues): SettingValues {
  const merged: Partial<Record<(typeof SMALLEST)[number], number>> = {}
  for (const property of SMALLEST) {
    const [left, right] = [a[property], b[property]]
    if (left === undefined || right === undefined) continue
    merged[property] = left < 0 || right < 0 ? Math.max(left, right) : Math.min(left, right)
  }
  return merged
}

/** A delay of 0 is no delay. */
function backoffOf(values: SettingValues): Backoff | undefined {
  const fromMs = values.redeliveryDelayMs
  if (fromMs === undefined || fromMs === 0) return undefined
  const maxMs = Math.max(fromMs, values.redeliveryDelayMaxMs ?? LIMITS.redeliveryDelayMaxMsDefault)
  return { fromMs, maxMs, multiplier: values.redeliveryDelayMultiplier ?? LIMITS.redeliveryDelayMultiplierDefault }
}
