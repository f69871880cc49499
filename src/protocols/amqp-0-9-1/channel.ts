/**
 * One channel: takes its frames, keeps the order of its answers, and ends with its errors.
 *
 *     open <-> waiting          an answer must come first: what follows is held back
 *     open, waiting -> closing  an error: the client is told; what comes before its close-ok is ignored
 *     any -> closed
 *
 * Publications and settlements take the short way (`receive`, channel-publish.ts); every other method is decoded and dispatched here.
 */
import { assert } from '../../base/assert.ts'
import { WaybillError } from '../../base/errors.ts'
import { LIMITS } from '../../base/limits.ts'
import { Publication } from '../../broker/publication.ts'
import { OUTCOME, Session } from '../../broker/session.ts'
import type { ChannelContext, ChannelHost, HeldFrame } from './channel-context.ts'
import { Publisher, type ReplyPublisher } from './channel-publish.ts'
import { ChannelSink, type SinkOwner } from './channel-sink.ts'
import { cancelConsumer, consume, getMessage, recover, setQuality } from './consumer-methods.ts'
import { DeliverPrefix } from './deliveries.ts'
import type { ErrorReply } from './error-mapping.ts'
import { bindExchange, declareExchange, deleteExchange, unbindExchange } from './exchange-methods.ts'
import { FRAME, METHOD, type MethodId } from './grammar.ts'
import type { MethodName } from './method-table.ts'
import { decodeMethod, type Method, methodIdAt, type MethodInput, writeMethodFrame } from './methods.ts'
import { bindQueue, declareQueue, deleteQueue, purgeQueue, unbindQueue } from './queue-methods.ts'
import type { ReplyConsumer, ReplyReceiver } from './reply-addresses.ts'
import { readSettlement, Settlement } from './settlements.ts'
import { commitTransaction, rollbackTransaction, selectConfirms, selectTransaction } from './transaction-methods.ts'

type ChannelState = 'open' | 'waiting' | 'closing' | 'closed'

const NEXT: Readonly<Record<ChannelState, readonly ChannelState[]>> = {
  open: ['waiting', 'closing', 'closed'],
  waiting: ['open', 'closing', 'closed'],
  closing: ['closed'],
  closed: [],
}

/** What keeping a reply takes besides its body, about. */
const REPLY_EXTRA_BYTES = 1000

/** Every settlement is read into this one: a call uses it up before another begins. */
const settlement = new Settlement()

/** See the head of this file. */
export class Channel implements ChannelContext, ReplyReceiver, ReplyPublisher, SinkOwner {
  readonly number: number
  readonly host: ChannelHost
  readonly session: Session
  lastQueueName = ''
  consumerPrefetch = 0
  replyConsumer: ReplyConsumer | undefined
  /** The method that came last: what an error is blamed on; 0: none. */
  methodId: MethodId = 0

  #state: ChannelState = 'open'
  readonly #sink: ChannelSink
  readonly #publisher: Publisher
  #held: HeldFrame[] = []
  #heldSizeBytes = 0
  /** A method is being carried out and was not answered yet. */
  #dispatching = false
  /** What else the client is to be told because of it: after its answer, as clients expect. */
  #notices: Uint8Array[] = []
  /** Direct replies that wait for their transaction. */
  #transactionReplies: Publication[] = []
  #transactionReplySizeBytes = 0

  constructor(number: number, host: ChannelHost) {
    this.number = number
    this.host = host
    this.#sink = new ChannelSink(host, number, this)
    this.session = new Session(host.namespace, host, this.#sink)
    this.#publisher = new Publisher(this, this.session, this)
  }

  get usable(): boolean {
    return this.#state === 'open' || this.#state === 'waiting'
  }

  /** Takes a frame with the payload `buffer[start, end)`. Hot. @throws WaybillError what closes the channel or the connection */
  receive(type: number, buffer: Buffer, start: number, end: number): void {
    if (this.#state !== 'open') return this.#receiveElse(type, buffer, start, end)
    switch (this.#publisher.stage) {
      case 'method':
        if (type === FRAME.method) return this.#method(buffer, start, end)
        this.methodId = 0
        if (type === FRAME.heartbeat) throw new WaybillError('UNEXPECTED_FRAME', `type ${type}, all octets = <<>>`)
        throw new WaybillError('UNEXPECTED_FRAME', 'expected method frame, got non method frame instead')
      case 'header':
        if (type === FRAME.header) return this.#publisher.header(buffer, start, end)
        throw new WaybillError('UNEXPECTED_FRAME', 'expected content header for class 60, got non content header frame instead')
      case 'body':
        if (type === FRAME.body) return this.#publisher.body(buffer, start, end)
        throw new WaybillError('UNEXPECTED_FRAME', 'expected content body, got non content body frame instead')
    }
  }

  reply<Name extends MethodName>(name: Name, input: MethodInput<Name>): void {
    const { writer } = this.host.context
    writer.clear()
    writeMethodFrame(writer, this.number, name, input)
    this.host.net.send(writer.bytes())
  }

  notify(frame: Uint8Array): void {
    if (this.#dispatching) this.#notices.push(frame)
    else this.host.net.send(frame)
  }

  wait(): void {
    this.#become('waiting')
  }

  resume(): void {
    if (this.#state !== 'waiting') return
    this.#become('open')
    const frames = this.#held
    if (frames.length === 0) return
    const sizeBytes = this.#heldSizeBytes
    this.#held = []
    this.#heldSizeBytes = 0
    this.host.replay(this.number, frames)
    this.host.held(-sizeBytes)
  }

  fault(error: WaybillError): void {
    if (this.usable) this.host.fault(error, this.number)
  }

  endedByBroker(error: WaybillError): void {
    this.methodId = 0
    this.fault(error)
  }

  /** Tells the client of an error and ends the session: nothing more is taken until the client agrees. */
  close(reply: ErrorReply): void {
    const { replyCode, replyText } = reply
    const [classId, methodId] = [this.methodId >>> 16, this.methodId & 0xffff]
    this.#dispatching = false
    this.#become('closing')
    this.#endSession()
    this.reply('channel.close', { replyCode, replyText, classId, methodId })
  }

  /** Nothing came for a while: gives back memory that is kept for speed. */
  trim(): void {
    this.#publisher.trim()
  }

  /** The connection is gone, or ends: nobody is told. */
  abandon(): void {
    if (this.#state === 'closed') return
    this.#become('closed')
    this.#endSession()
  }

  // ---- Direct replies ----

  receiveReply(publication: Publication): void {
    const replies = this.replyConsumer
    // A requester that does not read loses its replies, rather than the server its memory.
    if (replies === undefined || !this.#sink.writable) return
    this.#sink.deliverReply(new DeliverPrefix(this.number, replies.tag), this.session.takeTag(), publication)
  }

  publishReply(publication: Publication): void {
    if (this.session.transactional) return this.#keepReply(ownedCopyOf(publication))
    this.#sendReply(publication)
    this.session.countPublication()
  }

  #keepReply(publication: Publication): void {
    this.#transactionReplySizeBytes += publication.bodySizeBytes + REPLY_EXTRA_BYTES
    if (this.#transactionReplySizeBytes > LIMITS.transactionSizeBytesMax)
      throw new WaybillError('RESOURCE_ERROR', 'the transaction is too large')
    this.#transactionReplies.push(publication)
  }

  #sendReply(publication: Publication): void {
    const receiver = this.host.context.replyAddresses.find(publication.routingKey)
    if (receiver !== undefined) receiver.receiveReply(publication)
    else if (publication.mandatory) this.#sink.returned(publication)
  }

  // ---- Methods ----

  /** Hot. */
  #method(buffer: Buffer, start: number, end: number): void {
    const id = methodIdAt(buffer, start, end)
    this.methodId = id
    switch (id) {
      case METHOD.basicPublish:
        return this.#publisher.begin(buffer, start, end)
      case METHOD.basicAck:
      case METHOD.basicNack:
      case METHOD.basicReject:
        return this.#settle(id, buffer, start, end)
      case METHOD.basicDeliver:
      case METHOD.basicGetOk:
      case METHOD.basicReturn:
        return this.#publisher.beginForeign(id)
    }
    this.#dispatching = true
    this.#dispatch(decodeMethod(buffer, start, end))
    this.#dispatching = false
    if (this.#notices.length > 0) for (const frame of this.#notices.splice(0)) this.host.net.send(frame)
  }

  /** Hot. */
  #settle(id: MethodId, buffer: Buffer, start: number, end: number): void {
    readSettlement(buffer, start, end, settlement)
    const { deliveryTag, multiple, requeue } = settlement
    const outcome = id === METHOD.basicAck ? OUTCOME.accept : requeue ? OUTCOME.release : OUTCOME.reject
    if (!this.session.settle(deliveryTag, multiple, outcome)) {
      throw new WaybillError('PRECONDITION_FAILED', `unknown delivery tag ${deliveryTag}`)
    }
  }

  #dispatch(method: Method): void {
    switch (method.method) {
      case 'queue.declare':
        return declareQueue(this, method)
      case 'queue.bind':
        return bindQueue(this, method)
      case 'queue.unbind':
        return unbindQueue(this, method)
      case 'queue.purge':
        return purgeQueue(this, method)
      case 'queue.delete':
        return deleteQueue(this, method)
      case 'exchange.declare':
        return declareExchange(this, method)
      case 'exchange.delete':
        return deleteExchange(this, method)
      case 'exchange.bind':
        return bindExchange(this, method)
      case 'exchange.unbind':
        return unbindExchange(this, method)
      case 'basic.consume':
        return consume(this, method)
      case 'basic.cancel':
        return cancelConsumer(this, method)
      case 'basic.get':
        return getMessage(this, method)
      case 'basic.qos':
        return setQuality(this, method)
      case 'basic.recover':
      case 'basic.recover-async':
        return recover(this, method)
      case 'confirm.select':
        return selectConfirms(this, method)
      case 'tx.select':
        return selectTransaction(this)
      case 'tx.commit':
        return commitTransaction(this, () => this.#sendTransactionReplies())
      case 'tx.rollback':
        this.#takeTransactionReplies()
        return rollbackTransaction(this)
      default:
        return this.#dispatchChannel(method)
    }
  }

  #dispatchChannel(method: Method): void {
    switch (method.method) {
      case 'channel.open':
        throw new WaybillError('CHANNEL_ERROR', "second 'channel.open' seen")
      case 'channel.flow':
        // The client's input is what it controls itself: RabbitMQ refuses to stop too.
        if (!method.active) throw new WaybillError('NOT_IMPLEMENTED', 'active=false')
        return this.reply('channel.flow-ok', { active: true })
      case 'channel.close':
        return this.#closedByClient()
      case 'access.request':
        return this.reply('access.request-ok', { ticket: 1 })
      default:
        throw new WaybillError('COMMAND_INVALID', 'unimplemented method')
    }
  }

  #closedByClient(): void {
    this.#become('closed')
    this.#endSession()
    this.reply('channel.close-ok', {})
    this.host.channelClosed(this.number)
  }

  #sendTransactionReplies(): void {
    for (const reply of this.#takeTransactionReplies()) this.#sendReply(reply)
  }

  #takeTransactionReplies(): readonly Publication[] {
    const replies = this.#transactionReplies
    this.#transactionReplies = []
    this.#transactionReplySizeBytes = 0
    return replies
  }

  // ---- Order ----

  /** A frame that comes while the channel waits, or ends. */
  #receiveElse(type: number, buffer: Buffer, start: number, end: number): void {
    if (this.#state === 'waiting') return this.#hold(type, buffer, start, end)
    assert(this.#state === 'closing', 'a closed channel gets no frames')
    if (type !== FRAME.method || end - start < 4) return
    const id = methodIdAt(buffer, start, end)
    // Both sides closed at once: the client is answered and still has to agree [AMQP-0-9-1 1.5.2.5].
    if (id === METHOD.channelClose) return this.reply('channel.close-ok', {})
    if (id !== METHOD.channelCloseOk) return
    this.#become('closed')
    this.host.channelClosed(this.number)
  }

  #hold(type: number, buffer: Buffer, start: number, end: number): void {
    this.#held.push({ type, payload: Buffer.from(buffer.subarray(start, end)) })
    this.#heldSizeBytes += end - start
    this.host.held(end - start)
  }

  #endSession(): void {
    this.session.close()
    this.#publisher.end()
    this.#notices = []
    this.#takeTransactionReplies()
    if (this.replyConsumer !== undefined) this.host.context.replyAddresses.remove(this.replyConsumer.address)
    this.replyConsumer = undefined
    const sizeBytes = this.#heldSizeBytes
    this.#held = []
    this.#heldSizeBytes = 0
    if (sizeBytes > 0) this.host.held(-sizeBytes)
  }

  #become(next: ChannelState): void {
    assert(NEXT[this.#state].includes(next), 'the channel may change to this state')
    this.#state = next
  }
}

/** A publication whose bytes are its own. */
function ownedCopyOf(from: Publication): Publication {
  const to = new Publication()
  to.exchange = from.exchange
  to.routingKey = from.routingKey
  to.mandatory = from.mandatory
  to.address = Buffer.from(from.address.subarray(from.addressStart, from.addressEnd))
  to.addressEnd = to.address.length
  to.properties = Buffer.from(from.properties.subarray(from.propertiesStart, from.propertiesEnd))
  to.propertiesEnd = to.properties.length
  to.body = Buffer.from(from.body.subarray(from.bodyStart, from.bodyEnd))
  to.bodyEnd = to.body.length
  return to
}
