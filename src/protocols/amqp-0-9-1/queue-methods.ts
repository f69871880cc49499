/**
 * queue.declare, delete, purge, bind and unbind [AMQP-0-9-1 1.7]. Each refusal in RabbitMQ's order and words.
 */
import { WaybillError } from '../../base/errors.ts'
import { textOf } from '../../message/field.ts'
import type { Queue } from '../../broker/queue.ts'
import { checkSameQueue } from '../../broker/queue-arguments.ts'
import { resourceName } from '../../broker/resource-name.ts'
import {
  checkConfigure,
  checkNotDefaultExchange,
  checkNotReserved,
  checkOwner,
  checkRead,
  checkSeen,
  checkWrite,
  cleanName,
  lockedQueue,
} from './access.ts'
import type { ChannelContext } from './channel-context.ts'
import { generatedName } from './generated-name.ts'
import type { MethodOf } from './methods.ts'

/** The queue that a method names; the empty name means the one declared last on the channel. @throws NOT_FOUND, RESOURCE_LOCKED */
export function usableQueue(channel: ChannelContext, named: string): Queue {
  const queue = channel.host.namespace.queueNamed(queueNameOf(channel, named))
  checkOwner(channel.host, queue)
  return queue
}

/** The name that a method means. @throws NOT_FOUND when it is empty and no queue was declared on the channel */
export function queueNameOf(channel: ChannelContext, named: string): string {
  const name = cleanName(named)
  if (name !== '') return name
  if (channel.lastQueueName === '') throw new WaybillError('NOT_FOUND', 'no previously declared queue')
  return channel.lastQueueName
}

/** @throws WaybillError what closes the channel */
export function declareQueue(channel: ChannelContext, method: MethodOf<'queue.declare'>): void {
  const { host } = channel
  const name = cleanName(method.queue)
  if (host.context.replyAddresses.has(name)) {
    // The pseudo-queue, and every address that is alive, look like an empty queue with its consumer.
    if (!method.noWait) channel.reply('queue.declare-ok', { queue: name, messageCount: 0, consumerCount: 1 })
    return
  }
  if (method.passive) checkSeen(host, 'queue', name)
  const queue = method.passive ? host.namespace.queueNamed(name) : declareActively(channel, method, name)
  checkOwner(host, queue)
  channel.lastQueueName = queue.name
  queue.touch()
  if (method.noWait) return
  channel.reply('queue.declare-ok', { queue: queue.name, messageCount: queue.readyCount, consumerCount: queue.consumers.size })
}

function declareActively(channel: ChannelContext, method: MethodOf<'queue.declare'>, requestedName: string): Queue {
  const { host } = channel
  const { namespace, context } = host
  const name = requestedName === '' ? generatedName('amq.gen', context.random) : requestedName
  if (requestedName !== '') checkNotReserved('queue', name)
  checkConfigure(host, 'queue', name)
  const { exclusive, autoDelete, arguments: args } = method
  const known = namespace.queues.get(name)
  if (known !== undefined) {
    if (known.exclusiveOwner !== (exclusive ? host : undefined)) throw lockedQueue(known)
    // As in RabbitMQ, an exclusive queue is never durable, whatever the client asks for.
    const durable = method.durable && !exclusive
    checkSameQueue({ name, namespace: namespace.name, durable, autoDelete, arguments: args }, known)
    return known
  }
  const deadLetterExchange = textOf(args.get('x-dead-letter-exchange'))
  if (deadLetterExchange !== undefined) {
    checkRead(host, 'queue', name)
    checkWrite(host, 'exchange', deadLetterExchange)
  }
  const exclusiveOwner = exclusive ? host : undefined
  return context.broker.createQueue(namespace, { name, durable: method.durable, autoDelete, exclusiveOwner, arguments: args })
}

/** Deleting what does not exist succeeds. @throws WaybillError what closes the channel */
export function deleteQueue(channel: ChannelContext, method: MethodOf<'queue.delete'>): void {
  const { host } = channel
  const name = queueNameOf(channel, method.queue)
  checkConfigure(host, 'queue', name)
  const queue = host.namespace.queues.get(name)
  let messageCount = 0
  if (queue !== undefined) {
    checkOwner(host, queue)
    const resource = resourceName('queue', name, host.namespace.name)
    if (method.ifUnused && queue.consumers.size > 0) throw new WaybillError('PRECONDITION_FAILED', `${resource} in use`)
    if (method.ifEmpty && queue.readyCount > 0) throw new WaybillError('PRECONDITION_FAILED', `${resource} not empty`)
    messageCount = host.context.broker.deleteQueue(queue)
  }
  if (!method.noWait) channel.reply('queue.delete-ok', { messageCount })
}

/** @throws WaybillError what closes the channel */
export function purgeQueue(channel: ChannelContext, method: MethodOf<'queue.purge'>): void {
  const name = queueNameOf(channel, method.queue)
  checkRead(channel.host, 'queue', name)
  const messageCount = usableQueue(channel, name).purge()
  if (!method.noWait) channel.reply('queue.purge-ok', { messageCount })
}

/** @throws WaybillError what closes the channel */
export function bindQueue(channel: ChannelContext, method: MethodOf<'queue.bind'>): void {
  const { namespace } = channel.host
  const { queueName, exchangeName, routingKey } = bindingEnds(channel, method)
  const exchange = namespace.exchangeNamed(exchangeName)
  const queue = namespace.queueNamed(queueName)
  checkOwner(channel.host, queue)
  namespace.bind(exchange, queue, routingKey, method.arguments)
  if (!method.noWait) channel.reply('queue.bind-ok', {})
}

/** Unbinding what is not bound, or does not exist, succeeds. @throws WaybillError what closes the channel */
export function unbindQueue(channel: ChannelContext, method: MethodOf<'queue.unbind'>): void {
  const { namespace } = channel.host
  const { queueName, exchangeName, routingKey } = bindingEnds(channel, method)
  const exchange = namespace.exchanges.get(exchangeName)
  const queue = namespace.queues.get(queueName)
  if (exchange !== undefined && queue !== undefined) {
    // Only a binding that is there is somebody's.
    if (exchange.isBoundTo(queue, routingKey, method.arguments)) checkOwner(channel.host, queue)
    namespace.unbind(exchange, queue, routingKey, method.arguments)
  }
  channel.reply('queue.unbind-ok', {})
}

interface BindingEnds {
  readonly queueName: string
  readonly exchangeName: string
  readonly routingKey: string
}

function bindingEnds(channel: ChannelContext, method: MethodOf<'queue.bind'> | MethodOf<'queue.unbind'>): BindingEnds {
  const queueName = queueNameOf(channel, method.queue)
  // With neither a queue nor a key, both are those of the queue declared last [AMQP-0-9-1 1.7.2.3.5].
  const routingKey = method.queue === '' && method.routingKey === '' ? channel.lastQueueName : method.routingKey
  const exchangeName = cleanName(method.exchange)
  checkWrite(channel.host, 'queue', queueName)
  checkNotDefaultExchange(exchangeName)
  checkRead(channel.host, 'exchange', exchangeName)
  return { queueName, exchangeName, routingKey }
}
