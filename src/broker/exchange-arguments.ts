/**
 * The kind and the arguments of an exchange's declaration, with RabbitMQ's texts: `alternate-exchange`, and for the kind
 * `x-delayed-message` its `x-delayed-type`, as the plugin of that name has it.
 */
import { WaybillError } from '../base/errors.ts'
import type { FieldTable } from '../message/field.ts'
import { checkSameArgument, checkSameProperty } from './argument-equivalence.ts'
import type { ExchangeDefinition, ExchangeKind, RoutingKind } from './exchange.ts'
import { typeName } from './field-description.ts'
import { resourceName } from './resource-name.ts'

/** What a client declares; `kind` as it stands on the wire. */
export interface ExchangeDeclaration {
  readonly name: string
  readonly namespace: string
  readonly kind: string
  readonly durable: boolean
  readonly autoDelete: boolean
  readonly internal: boolean
  readonly arguments: FieldTable
}

const ROUTING_KINDS: ReadonlyMap<string, RoutingKind> = new Map<string, RoutingKind>([
  ['direct', 'direct'],
  ['topic', 'topic'],
  ['fanout', 'fanout'],
  ['headers', 'headers'],
])
const DELAYED = 'x-delayed-message'

/** @throws PRECONDITION_FAILED when there is no such kind or an argument is not valid */
export function parseExchangeDeclaration(declaration: ExchangeDeclaration): ExchangeDefinition {
  const { name, durable, autoDelete, internal, arguments: args } = declaration
  const kind = parseExchangeKind(declaration.kind)
  const alternate = args.get('alternate-exchange')
  if (alternate !== undefined && alternate.tag !== 'S') {
    const resource = resourceName('exchange', name, declaration.namespace)
    throw new WaybillError('PRECONDITION_FAILED', `invalid type '${typeName(alternate)}' for arg 'alternate-exchange' in ${resource}`)
  }
  const routing = kind === 'delayed' ? innerKind(args) : kind
  return { name, kind, routing, durable, autoDelete, internal, arguments: args, alternate: alternate?.value }
}

/** @throws PRECONDITION_FAILED when there is no such kind */
export function parseExchangeKind(kind: string): ExchangeKind {
  if (kind === '') throw new WaybillError('PRECONDITION_FAILED', "invalid exchange type ''")
  const known = kind === DELAYED ? 'delayed' : ROUTING_KINDS.get(kind)
  if (known === undefined) throw new WaybillError('PRECONDITION_FAILED', `unknown exchange type '${kind}'`)
  return known
}

/** The kind as it stands on the wire. */
export function exchangeKindName(kind: ExchangeKind): string {
  return kind === 'delayed' ? DELAYED : kind
}

/** What is compared when an exchange is declared again. */
export interface ExistingExchange {
  readonly name: string
  readonly kind: ExchangeKind
  readonly durable: boolean
  readonly autoDelete: boolean
  readonly internal: boolean
  readonly arguments: FieldTable
}

/** @throws PRECONDITION_FAILED when the exchange was declared differently, or there is no kind as requested */
export function checkSameExchange(requested: ExchangeDeclaration, current: ExistingExchange): void {
  const resource = resourceName('exchange', current.name, requested.namespace)
  checkSameProperty(resource, 'type', atom(exchangeKindName(parseExchangeKind(requested.kind))), atom(exchangeKindName(current.kind)))
  checkSameProperty(resource, 'durable', requested.durable, current.durable)
  checkSameProperty(resource, 'auto_delete', requested.autoDelete, current.autoDelete)
  checkSameProperty(resource, 'internal', requested.internal, current.internal)
  for (const name of current.kind === 'delayed' ? ['alternate-exchange', 'x-delayed-type'] : ['alternate-exchange']) {
    checkSameArgument(resource, name, requested.arguments.get(name), current.arguments.get(name))
  }
}

function innerKind(args: FieldTable): RoutingKind {
  const value = args.get('x-delayed-type')
  if (value?.tag !== 'S') {
    throw new WaybillError('PRECONDITION_FAILED', "Invalid argument, 'x-delayed-type' must be an existing exchange type")
  }
  const kind = parseExchangeKind(value.value)
  if (kind === 'delayed') {
    throw new WaybillError('PRECONDITION_FAILED', `Invalid argument, '${DELAYED}' can't be used for 'x-delayed-type'`)
  }
  return kind
}

/** A word in Erlang's notation: quoted unless it is made of letters alone. */
function atom(word: string): string {
  return word.includes('-') ? `'${word}'` : word
}
