/**
 * basic.consume, cancel, get, qos and recover [AMQP-0-9-1 1.8]. Each refusal in RabbitMQ's order and words.
 */
import { WaybillError } from '../../base/errors.ts'
import { parseConsumerArguments } from '../../broker/consumer-arguments.ts'
import type { Queue } from '../../broker/queue.ts'
import { resourceName } from '../../broker/resource-name.ts'
import { checkOwner, checkRead } from './access.ts'
import type { ChannelContext } from './channel-context.ts'
import { DeliverPrefix } from './deliveries.ts'
import { generatedName } from './generated-name.ts'
import type { MethodOf } from './methods.ts'
import { queueNameOf, usableQueue } from './queue-methods.ts'
import { REPLY_QUEUE, type ReplyReceiver } from './reply-addresses.ts'

/** @throws WaybillError what closes the channel or the connection */
export function consume(channel: ChannelContext & ReplyReceiver, method: MethodOf<'basic.consume'>): void {
  const { host, session } = channel
  const given = method.consumerTag
  if (given !== '' && (session.consumers.has(given) || channel.replyConsumer?.tag === given)) {
    throw new WaybillError('NOT_ALLOWED', `attempt to reuse consumer tag '${given}'`)
  }
  const tag = given === '' ? generatedName('amq.ctag', host.context.random) : given
  if (method.queue === REPLY_QUEUE) return consumeReplies(channel, method, tag)
  const name = queueNameOf(channel, method.queue)
  checkRead(host, 'queue', name)
  const queue = usableQueue(channel, name)
  const { priority, timeoutMs } = parseConsumerArguments(method.arguments, queue)
  const { noAck, exclusive, arguments: args } = method
  checkExclusiveUse(queue, exclusive)
  const consumer = session.consume(queue, {
    tag,
    noAck,
    exclusive,
    priority,
    prefetch: noAck ? 0 : channel.consumerPrefetch,
    timeoutMs: timeoutMs ?? queue.settings.consumerTimeoutMs,
    arguments: args,
  })
  consumer.attachment = new DeliverPrefix(channel.number, tag)
  if (!method.noWait) channel.reply('basic.consume-ok', { consumerTag: tag })
  session.startConsumer(consumer)
}

function checkExclusiveUse(queue: Queue, exclusive: boolean): void {
  const taken = exclusive && (queue.consumers.size > 0 || queue.settings.singleActiveConsumer)
  if (!taken && queue.exclusiveConsumer === undefined) return
  throw new WaybillError('ACCESS_REFUSED', `${resourceName('queue', queue.name, queue.namespace)} in exclusive use`)
}

function consumeReplies(channel: ChannelContext & ReplyReceiver, method: MethodOf<'basic.consume'>, tag: string): void {
  if (!method.noAck) throw new WaybillError('PRECONDITION_FAILED', 'reply consumer cannot acknowledge')
  if (channel.replyConsumer !== undefined) throw new WaybillError('PRECONDITION_FAILED', 'reply consumer already set')
  channel.replyConsumer = { tag, address: channel.host.context.replyAddresses.add(channel) }
  if (!method.noWait) channel.reply('basic.consume-ok', { consumerTag: tag })
}

/** Cancelling a consumer that is not there succeeds. */
export function cancelConsumer(channel: ChannelContext, method: MethodOf<'basic.cancel'>): void {
  const { consumerTag } = method
  const replies = channel.replyConsumer
  if (replies?.tag === consumerTag) {
    channel.host.context.replyAddresses.remove(replies.address)
    channel.replyConsumer = undefined
  } else {
    channel.session.cancel(consumerTag)
  }
  if (!method.noWait) channel.reply('basic.cancel-ok', { consumerTag })
}

/** @throws WaybillError what closes the channel */
export function getMessage(channel: ChannelContext, method: MethodOf<'basic.get'>): void {
  const name = queueNameOf(channel, method.queue)
  checkRead(channel.host, 'queue', name)
  const queue = usableQueue(channel, name)
  queue.touch()
  if (!tryGet(channel, queue, method.noAck)) channel.wait()
}

/** @returns false when the message must be read from the disk first: the channel is told to go on once it was answered */
function tryGet(channel: ChannelContext, queue: Queue, noAck: boolean): boolean {
  if (queue.deleted) throw new WaybillError('NOT_FOUND', `no ${resourceName('queue', queue.name, queue.namespace)}`)
  checkOwner(channel.host, queue)
  const found = channel.session.fetch(queue, noAck, () => getLater(channel, queue, noAck))
  if (found === false) channel.reply('basic.get-empty', {})
  return found !== undefined
}

function getLater(channel: ChannelContext, queue: Queue, noAck: boolean): void {
  if (!channel.usable) return
  try {
    if (tryGet(channel, queue, noAck)) channel.resume()
  } catch (error) {
    if (!(error instanceof WaybillError)) throw error
    channel.fault(error)
  }
}

/**
 * Without `global` the window holds for each consumer made from now on, with it for the channel: RabbitMQ's reading of the flag.
 * @throws NOT_IMPLEMENTED for a window in bytes
 */
export function setQuality(channel: ChannelContext, method: MethodOf<'basic.qos'>): void {
  if (method.prefetchSize !== 0) throw new WaybillError('NOT_IMPLEMENTED', `prefetch_size!=0 (${method.prefetchSize})`)
  if (method.global) channel.session.setPrefetch(method.prefetchCount)
  else channel.consumerPrefetch = method.prefetchCount
  channel.reply('basic.qos-ok', {})
}

/** @throws NOT_IMPLEMENTED for a delivery to the same consumer again, which nobody offers */
export function recover(channel: ChannelContext, method: MethodOf<'basic.recover'> | MethodOf<'basic.recover-async'>): void {
  if (!method.requeue) throw new WaybillError('NOT_IMPLEMENTED', 'requeue=false')
  channel.session.recover()
  if (method.method === 'basic.recover') channel.reply('basic.recover-ok', {})
}
