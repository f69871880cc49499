/**
 * exchange.declare, delete, bind and unbind [AMQP-0-9-1 1.6; the last two are RabbitMQ's]. Each refusal in RabbitMQ's order and words.
 */
import { WaybillError } from '../../base/errors.ts'
import { checkSameExchange, parseExchangeDeclaration, parseExchangeKind } from '../../broker/exchange-arguments.ts'
import { resourceName } from '../../broker/resource-name.ts'
import { checkConfigure, checkNotDefaultExchange, checkNotReserved, checkRead, checkSeen, checkWrite, cleanName } from './access.ts'
import type { ChannelContext } from './channel-context.ts'
import type { MethodOf } from './methods.ts'

/** @throws WaybillError what closes the channel */
export function declareExchange(channel: ChannelContext, method: MethodOf<'exchange.declare'>): void {
  const name = cleanName(method.exchange)
  if (method.passive) {
    checkNotDefaultExchange(name)
    checkSeen(channel.host, 'exchange', name)
    channel.host.namespace.exchangeNamed(name)
  } else {
    declareActively(channel, method, name)
  }
  if (!method.noWait) channel.reply('exchange.declare-ok', {})
}

function declareActively(channel: ChannelContext, method: MethodOf<'exchange.declare'>, name: string): void {
  const { host } = channel
  const { namespace } = host
  parseExchangeKind(method.type)
  checkNotDefaultExchange(name)
  checkConfigure(host, 'exchange', name)
  const { type: kind, durable, autoDelete, internal, arguments: args } = method
  const declaration = { name, namespace: namespace.name, kind, durable, autoDelete, internal, arguments: args }
  const known = namespace.exchanges.get(name)
  if (known !== undefined) return checkSameExchange(declaration, known)
  checkNotReserved('exchange', name)
  const definition = parseExchangeDeclaration(declaration)
  if (definition.alternate !== undefined) {
    checkRead(host, 'exchange', name)
    checkWrite(host, 'exchange', definition.alternate)
  }
  namespace.createExchange(definition)
}

/** Deleting what does not exist succeeds. @throws WaybillError what closes the channel */
export function deleteExchange(channel: ChannelContext, method: MethodOf<'exchange.delete'>): void {
  const { host } = channel
  const { namespace } = host
  const name = cleanName(method.exchange)
  checkNotDefaultExchange(name)
  const resource = resourceName('exchange', name, namespace.name)
  if (name.startsWith('amq.')) throw new WaybillError('ACCESS_REFUSED', `deletion of system ${resource} not allowed`)
  checkConfigure(host, 'exchange', name)
  const exchange = namespace.exchanges.get(name)
  if (exchange !== undefined) {
    if (method.ifUnused && !exchange.isUnused) throw new WaybillError('PRECONDITION_FAILED', `${resource} in use`)
    namespace.deleteExchange(exchange)
  }
  if (!method.noWait) channel.reply('exchange.delete-ok', {})
}

/** @throws WaybillError what closes the channel */
export function bindExchange(channel: ChannelContext, method: MethodOf<'exchange.bind'>): void {
  const { namespace } = channel.host
  const { source, destination } = bindingEnds(channel, method)
  namespace.bind(namespace.exchangeNamed(source), namespace.exchangeNamed(destination), method.routingKey, method.arguments)
  if (!method.noWait) channel.reply('exchange.bind-ok', {})
}

/** Unbinding what is not bound, or does not exist, succeeds. @throws WaybillError what closes the channel */
export function unbindExchange(channel: ChannelContext, method: MethodOf<'exchange.unbind'>): void {
  const { namespace } = channel.host
  const ends = bindingEnds(channel, method)
  const source = namespace.exchanges.get(ends.source)
  const destination = namespace.exchanges.get(ends.destination)
  if (source !== undefined && destination !== undefined) namespace.unbind(source, destination, method.routingKey, method.arguments)
  if (!method.noWait) channel.reply('exchange.unbind-ok', {})
}

function bindingEnds(
  channel: ChannelContext,
  method: MethodOf<'exchange.bind'> | MethodOf<'exchange.unbind'>,
): { source: string; destination: string } {
  const source = cleanName(method.source)
  const destination = cleanName(method.destination)
  checkNotDefaultExchange(destination)
  checkNotDefaultExchange(source)
  checkWrite(channel.host, 'exchange', destination)
  checkRead(channel.host, 'exchange', source)
  return { source, destination }
}
