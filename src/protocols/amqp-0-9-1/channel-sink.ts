/**
 * What the broker says on one channel, written into the connection's output: deliveries, confirms, answers to basic.get, returns. Hot: a delivery
 * is copied straight from the log to the output, with the consumer's prepared beginning before it.
 */
import type { WaybillError } from '../../base/errors.ts'
import type { Consumer } from '../../broker/consumer.ts'
import type { MessageView } from '../../broker/message-record.ts'
import type { Publication } from '../../broker/publication.ts'
import type { Queue } from '../../broker/queue.ts'
import type { SessionSink } from '../../broker/session.ts'
import { AMQP_FORM } from '../../message/amqp-form.ts'
import type { ChannelHost } from './channel-context.ts'
import type { ContentSource, DeliverPrefix } from './deliveries.ts'
import { REPLY } from './grammar.ts'
import { encodeMethodFrame } from './methods.ts'
import { ACK_FRAME_SIZE_BYTES, writeAck, writeNack } from './settlements.ts'

const NO_ROUTE = Buffer.from('NO_ROUTE', 'latin1')

/** A message outside of the log, side by side in one buffer of its own. */
class GatheredContent implements ContentSource {
  readonly buffer: Buffer
  readonly addressStart = 0
  readonly propertiesStart: number
  readonly bodyStart: number
  readonly bodyEnd: number

  constructor(publication: Publication) {
    const { address, addressStart, addressEnd, properties, propertiesStart, propertiesEnd, body, bodyStart, bodyEnd } = publication
    this.propertiesStart = addressEnd - addressStart
    this.bodyStart = this.propertiesStart + propertiesEnd - propertiesStart
    this.bodyEnd = this.bodyStart + bodyEnd - bodyStart
    this.buffer = Buffer.allocUnsafe(this.bodyEnd)
    address.copy(this.buffer, 0, addressStart, addressEnd)
    properties.copy(this.buffer, this.propertiesStart, propertiesStart, propertiesEnd)
    body.copy(this.buffer, this.bodyStart, bodyStart, bodyEnd)
  }
}

/** The channel, as its sink needs it. */
export interface SinkOwner {
  /** Sends a frame that the client did not ask for, behind the answer to what it did. */
  notify(frame: Uint8Array): void
  /** Closes the channel with an error that no method of the client is to blame for. */
  endedByBroker(error: WaybillError): void
}

/** See the head of this file. */
export class ChannelSink implements SessionSink {
  readonly #host: ChannelHost
  readonly #number: number
  readonly #owner: SinkOwner

  constructor(host: ChannelHost, number: number, owner: SinkOwner) {
    this.#host = host
    this.#number = number
    this.#owner = owner
  }

  /** Hot. */
  get writable(): boolean {
    return this.#host.net.writable && !this.#host.context.draining
  }

  /** Hot. */
  deliver(consumer: Consumer, tag: number, redelivered: boolean, message: MessageView): void {
    const { net, content } = this.#host
    const prefix = consumer.attachment as DeliverPrefix
    const properties = message.form !== AMQP_FORM.tag || message.deliveryCount > 0 ? this.#properties(consumer.queue, message) : undefined
    const at = net.reserveOutput(content.deliverSizeBytes(prefix, message, properties))
    net.advanceOutput(content.writeDeliver(net.output, at, prefix, tag, redelivered, message, properties) - at)
  }

  fetched(queue: Queue, tag: number, redelivered: boolean, message: MessageView, waiting: number): void {
    const { net, content } = this.#host
    const properties = this.#properties(queue, message)
    const at = net.reserveOutput(content.getOkSizeBytes(message, properties))
    net.advanceOutput(content.writeGetOk(net.output, at, this.#number, tag, redelivered, waiting, message, properties) - at)
  }

  /** Hot. */
  confirmed(tag: number, multiple: boolean): void {
    const { net } = this.#host
    const at = net.reserveOutput(ACK_FRAME_SIZE_BYTES)
    net.advanceOutput(writeAck(net.output, at, this.#number, tag, multiple) - at)
  }

  refused(tag: number): void {
    const { net } = this.#host
    const at = net.reserveOutput(ACK_FRAME_SIZE_BYTES)
    net.advanceOutput(writeNack(net.output, at, this.#number, tag, false) - at)
  }

  returned(publication: Publication): void {
    const { net, content } = this.#host
    const source = new GatheredContent(publication)
    const at = net.reserveOutput(content.returnSizeBytes(NO_ROUTE, source, undefined))
    net.advanceOutput(content.writeReturn(net.output, at, this.#number, REPLY.noRoute, NO_ROUTE, source, undefined) - at)
  }

  /** Delivers a direct reply. */
  deliverReply(prefix: DeliverPrefix, tag: number, publication: Publication): void {
    const { net, content } = this.#host
    const source = new GatheredContent(publication)
    const at = net.reserveOutput(content.deliverSizeBytes(prefix, source, undefined))
    net.advanceOutput(content.writeDeliver(net.output, at, prefix, tag, false, source, undefined) - at)
  }

  consumerCancelled(consumer: Consumer): void {
    if (!this.#host.capabilities.consumerCancelNotify) return
    this.#owner.notify(encodeMethodFrame(this.#number, 'basic.cancel', { consumerTag: consumer.tag, noWait: true }))
  }

  failed(error: WaybillError): void {
    this.#owner.endedByBroker(error)
  }

  /** What replaces the stored properties: translated from another protocol, or with the count of deliveries where the queue counts for its clients. */
  #properties(queue: Queue, message: MessageView): Buffer | undefined {
    let properties: Buffer | undefined
    if (message.form !== AMQP_FORM.tag) {
      const { forms } = this.#host.context.broker.services
      properties = AMQP_FORM.encode(forms.of(message.form).decode(message.buffer, message.propertiesStart, message.propertiesEnd))
    }
    if (message.deliveryCount === 0 || (queue.type !== 'quorum' && queue.settings.deliveryLimit === undefined)) return properties
    const headers = new Map([['x-delivery-count', BigInt(message.deliveryCount)]])
    if (properties !== undefined) return AMQP_FORM.patch(properties, 0, properties.length, { headers })
    return AMQP_FORM.patch(message.buffer, message.propertiesStart, message.propertiesEnd, { headers })
  }
}
