/**
 * The arguments of a queue's declaration, checked as RabbitMQ checks them and with its texts. More is accepted than there: both types of
 * queue take every setting that a queue here can have. What only a stream, or only the other type, can mean is refused; unknown
 * arguments mean nothing and are let through.
 */
import { WaybillError } from '../base/errors.ts'
import type { Field, FieldTable } from '../message/field.ts'
import { field, textOf } from '../message/field.ts'
import { checkSameArgument, checkSameProperty } from './argument-equivalence.ts'
import { oneOf, valueOf } from './argument-checks.ts'
import type { ArgumentCheck } from './argument-checks.ts'
import { typeName } from './field-description.ts'
import { QUEUE_SETTINGS, settingOf, STREAM_ARGUMENTS } from './queue-setting-table.ts'
import type { QueueSettingRow, QueueType } from './queue-setting-table.ts'
import { resourceName } from './resource-name.ts'
import type { SettingValues } from './setting-values.ts'

/** What a client declares. */
export interface QueueDeclaration {
  readonly name: string
  readonly namespace: string
  readonly durable: boolean
  readonly exclusive: boolean
  readonly autoDelete: boolean
  readonly arguments: FieldTable
}

/** What its arguments say. */
export interface QueueArguments {
  readonly type: QueueType
  readonly settings: SettingValues
}

const queueType = oneOf(['classic', 'quorum'], (word) => `"unsupported queue type '${word}'"`)

/** @throws PRECONDITION_FAILED when an argument is not valid, or a quorum queue is declared exclusive, automatically deleted or not durable */
export function parseQueueArguments(declaration: QueueDeclaration): QueueArguments {
  const { arguments: args } = declaration
  const resource = resourceName('queue', declaration.name, declaration.namespace)
  const exchange = args.get('x-dead-letter-exchange')
  if (exchange !== undefined && exchange.tag !== 'S') {
    throw new WaybillError('PRECONDITION_FAILED', `invalid type '${typeName(exchange)}' for arg 'x-dead-letter-exchange' in ${resource}`)
  }
  const type = declaredType(args, resource)
  let settings: SettingValues = {}
  for (const row of QUEUE_SETTINGS) {
    const value = row.by === 'policy' || !suits(row, type) ? undefined : args.get(`x-${row.key}`)
    if (value === undefined) continue
    checkArgument(`x-${row.key}`, value, args, resource, row.check)
    if (row.needs !== undefined && !args.has(`x-${row.needs.key}`)) fail(`x-${row.key}`, resource, row.needs.problem)
    settings = { ...settings, ...settingOf(row, valueOf(value)) }
  }
  refuseForeign(args, type, resource)
  if (type === 'quorum') checkQuorum(declaration, resource)
  return { type, settings }
}

/** What is compared when a queue is declared again. */
export type ExistingQueue = Pick<QueueDeclaration, 'name' | 'namespace' | 'durable' | 'autoDelete' | 'arguments'>

/** @throws PRECONDITION_FAILED when the queue was declared differently; whether it is exclusive is for the namespace to compare */
export function checkSameQueue(requested: ExistingQueue, current: ExistingQueue): void {
  const resource = resourceName('queue', current.name, current.namespace)
  checkSameProperty(resource, 'durable', requested.durable, current.durable)
  checkSameProperty(resource, 'auto_delete', requested.autoDelete, current.autoDelete)
  for (const row of QUEUE_SETTINGS) {
    if (row.by === 'policy') continue
    const name = `x-${row.key}`
    checkSameArgument(resource, name, requested.arguments.get(name), current.arguments.get(name))
  }
  checkSameArgument(resource, 'x-queue-type', typeField(requested.arguments), typeField(current.arguments))
}

/** @throws PRECONDITION_FAILED when the value is not valid */
export function checkArgument(name: string, value: Field, all: FieldTable, resource: string, check: ArgumentCheck): void {
  const problem = check(value, all)
  if (problem !== undefined) fail(name, resource, problem)
}

/** @throws PRECONDITION_FAILED for the first argument of `args` that is among `foreign` */
export function refuseArguments(args: FieldTable, foreign: readonly string[], type: QueueType, resource: string): void {
  for (const { name } of args) {
    if (!foreign.includes(name)) continue
    throw new WaybillError('PRECONDITION_FAILED', `invalid arg '${name}' for ${resource} of queue type rabbit_${type}_queue`)
  }
}

function declaredType(args: FieldTable, resource: string): QueueType {
  const value = typeField(args)
  checkArgument('x-queue-type', value, args, resource, queueType)
  return textOf(value) === 'quorum' ? 'quorum' : 'classic'
}

/** The type as declared or by default. */
function typeField(args: FieldTable): Field {
  return args.get('x-queue-type') ?? field('S', 'classic')
}

function suits(row: QueueSettingRow, type: QueueType): boolean {
  return row.onlyType === undefined || row.onlyType === type
}

function refuseForeign(args: FieldTable, type: QueueType, resource: string): void {
  if (args.size === 0) return
  const foreign = QUEUE_SETTINGS.filter((row) => row.by !== 'policy' && !suits(row, type)).map((row) => `x-${row.key}`)
  refuseArguments(args, [...foreign, ...STREAM_ARGUMENTS], type, resource)
}

function checkQuorum(declaration: QueueDeclaration, resource: string): void {
  const property = declaration.autoDelete
    ? 'auto-delete'
    : declaration.exclusive
      ? 'exclusive-owner'
      : declaration.durable
        ? undefined
        : 'non-durable'
  if (property !== undefined) throw new WaybillError('PRECONDITION_FAILED', `invalid property '${property}' for ${resource}`)
}

function fail(name: string, resource: string, problem: string): never {
  throw new WaybillError('PRECONDITION_FAILED', `invalid arg '${name}' for ${resource}: ${problem}`)
}
