/**
 * The arguments of a consumer: `x-priority` (any integer, higher first), `x-consumer-timeout` (milliseconds), and `x-cancel-on-ha-failover`,
 * which has nothing to act on with one server. What only the consumer of a stream can mean is refused.
 */
import type { FieldTable } from '../message/field.ts'
import { anyInteger, bool, naturalNumber, valueOf } from './argument-checks.ts'
import { checkArgument, refuseArguments } from './queue-arguments.ts'
import type { QueueType } from './queue-setting-table.ts'
import { resourceName } from './resource-name.ts'

/** What a consumer asks for. */
export interface ConsumerArguments {
  /** 0 unless it says otherwise. */
  readonly priority: number
  /** Overrides the timeout of the queue; undefined: says nothing. */
  readonly timeoutMs: number | undefined
}

const CHECKS = [
  ['x-priority', anyInteger],
  ['x-consumer-timeout', naturalNumber],
  ['x-cancel-on-ha-failover', bool],
] as const
const STREAM_CONSUMER_ARGUMENTS = ['x-stream-offset', 'x-stream-filter', 'x-stream-match-unfiltered']
const NOTHING: ConsumerArguments = { priority: 0, timeoutMs: undefined }

/** @throws PRECONDITION_FAILED when an argument is not valid for a consumer of the queue */
export function parseConsumerArguments(
  args: FieldTable,
  queue: { readonly name: string; readonly namespace: string; readonly type: QueueType },
): ConsumerArguments {
  if (args.size === 0) return NOTHING
  const resource = resourceName('queue', queue.name, queue.namespace)
  for (const [name, check] of CHECKS) {
    const value = args.get(name)
    if (value !== undefined) checkArgument(name, value, args, resource, check)
  }
  refuseArguments(args, STREAM_CONSUMER_ARGUMENTS, queue.type, resource)
  return { priority: numberOf(args, 'x-priority') ?? 0, timeoutMs: numberOf(args, 'x-consumer-timeout') }
}

function numberOf(args: FieldTable, name: string): number | undefined {
  const value = args.get(name)
  return value === undefined ? undefined : (valueOf(value) as number)
}
