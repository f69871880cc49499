/**
 * Contents on their way out: basic.deliver, basic.get-ok, basic.return, basic.publish, with header and body frames, written at an
 * offset of an output buffer straight from where the message is kept. Hot: nothing is allocated per message.
 *
 *     deliver = consumer-tag delivery-tag:longlong redelivered:bit exchange routing-key                  [AMQP-0-9-1 1.8.3.9]
 *     get-ok  = delivery-tag:longlong redelivered:bit exchange routing-key message-count:long            [AMQP-0-9-1 1.8.3.11]
 *     return  = reply-code:short reply-text exchange routing-key                                         [AMQP-0-9-1 1.8.3.8]
 *     publish = reserved:short exchange routing-key mandatory:bit immediate:bit                          [AMQP-0-9-1 1.8.3.7]
 *
 * The address of a message (exchange and routing key as short strings) and its properties are on the wire as they are in the
 * message record: they are copied unopened.
 */
import { assert } from '../../base/assert.ts'
import { encodeText } from '../../base/text.ts'
import { copyViewed, viewOf } from '../../base/view-copy.ts'
import { FRAME, FRAME_END, FRAME_HEAD_SIZE_BYTES, FRAME_OVERHEAD_SIZE_BYTES, METHOD } from './grammar.ts'
import { CONTENT_HEADER_SIZE_BYTES } from './publishing.ts'

/** Where a message is kept: everything lies side by side in one buffer. */
export interface ContentSource {
  readonly buffer: Buffer
  /** Exchange and routing key, each with its length byte; they end where the properties start. */
  readonly addressStart: number
  /** Property flags and properties; they end where the body starts. */
  readonly propertiesStart: number
  readonly bodyStart: number
  readonly bodyEnd: number
}

/** The beginning of every delivery to one consumer: made once, copied per delivery. */
export class DeliverPrefix {
  /** Frame head (its size to be filled in), method ids, consumer tag. */
  readonly bytes: Buffer
  readonly view: DataView

  /** @param consumerTag at most 255 bytes of UTF-8 */
  constructor(channel: number, consumerTag: string) {
    const tag = encodeText(consumerTag)
    assert(tag.length <= 255, 'a consumer tag is a short string')
    const bytes = Buffer.allocUnsafeSlow(FRAME_HEAD_SIZE_BYTES + 4 + 1 + tag.length)
    bytes[0] = FRAME.method
    bytes.writeUInt16BE(channel, 1)
    bytes.writeUInt32BE(0, 3)
    bytes.writeInt32BE(METHOD.basicDeliver, 7)
    bytes[11] = tag.length
    bytes.set(tag, 12)
    this.bytes = bytes
    this.view = viewOf(bytes)
  }

  get channel(): number {
    return this.view.getUint16(1)
  }
}

const EMPTY = Buffer.alloc(0)
const EMPTY_VIEW = viewOf(EMPTY)

/** A larger output buffer was made for one message alone: it is not kept alive. */
const TARGET_KEPT_SIZE_BYTES_MAX = 256 * 1024

/**
 * The buffer that was read last, by any connection: they read from the same few buffers of the journal. Were it remembered per connection,
 * each idle one would keep a buffer of megabytes alive.
 */
let lastSource: Buffer = EMPTY
let lastSourceView: DataView = EMPTY_VIEW

/**
 * Writes contents. One instance per connection: it remembers the view on its output buffer, because a connection writes runs of
 * deliveries into the same one.
 */
export class ContentWriter {
  /** Largest frame the peer takes, as negotiated; every frame written keeps to it, except a header whose properties alone exceed it. */
  frameSizeBytesMax: number

  #target: Buffer = EMPTY
  #targetView: DataView = EMPTY_VIEW

  constructor(frameSizeBytesMax: number) {
    this.frameSizeBytesMax = frameSizeBytesMax
  }

  /** Drops the view on the output buffer, and with it the buffer that it keeps alive. */
  release(): void {
    this.#target = EMPTY
    this.#targetView = EMPTY_VIEW
  }

  /**
   * Bytes that {@link writeDeliver} will write.
   * @param properties what replaces the properties in `source`, or undefined
   */
  deliverSizeBytes(prefix: DeliverPrefix, source: ContentSource, properties: Buffer | undefined): number {
    return prefix.bytes.length + 9 + source.propertiesStart - source.addressStart + 1 + this.#contentSizeBytes(source, properties)
  }

  /** Writes a delivery at `offset`. @returns the offset after it */
  writeDeliver(
    target: Buffer,
    offset: number,
    prefix: DeliverPrefix,
    deliveryTag: number,
    redelivered: boolean,
    source: ContentSource,
    properties: Buffer | undefined,
  ): number {
    this.#open(target, source.buffer)
    const view = this.#targetView
    const prefixLength = prefix.bytes.length
    copyViewed(target, view, offset, prefix.bytes, prefix.view, 0, prefixLength)
    let at = this.#writeTag(offset + prefixLength, deliveryTag, redelivered)
    at = this.#copy(at, source.addressStart, source.propertiesStart)
    view.setUint32(offset + 3, at - offset - FRAME_HEAD_SIZE_BYTES)
    target[at] = FRAME_END
    return this.#writeContent(at + 1, prefix.view.getUint16(1), source, properties)
  }

  /** Bytes that {@link writeGetOk} will write. */
  getOkSizeBytes(source: ContentSource, properties: Buffer | undefined): number {
    return FRAME_OVERHEAD_SIZE_BYTES + 17 + source.propertiesStart - source.addressStart + this.#contentSizeBytes(source, properties)
  }

  /** Writes the answer to basic.get at `offset`; `messageCount` others wait. @returns the offset after it */
  writeGetOk(
    target: Buffer,
    offset: number,
    channel: number,
    deliveryTag: number,
    redelivered: boolean,
    messageCount: number,
    source: ContentSource,
    properties: Buffer | undefined,
  ): number {
    this.#open(target, source.buffer)
    let at = this.#writeMethodHead(offset, channel, METHOD.basicGetOk)
    at = this.#writeTag(at, deliveryTag, redelivered)
    at = this.#copy(at, source.addressStart, source.propertiesStart)
    this.#targetView.setUint32(at, Math.min(messageCount, 0xffffffff))
    at = this.#endMethod(offset, at + 4)
    return this.#writeContent(at, channel, source, properties)
  }

  /** Bytes that {@link writeReturn} will write. */
  returnSizeBytes(replyText: Uint8Array, source: ContentSource, properties: Buffer | undefined): number {
    const addressSizeBytes = source.propertiesStart - source.addressStart
    return FRAME_OVERHEAD_SIZE_BYTES + 7 + replyText.length + addressSizeBytes + this.#contentSizeBytes(source, properties)
  }

  /** Writes basic.return at `offset`; the text has at most 255 bytes. @returns the offset after it */
  writeReturn(
    target: Buffer,
    offset: number,
    channel: number,
    replyCode: number,
    replyText: Uint8Array,
    source: ContentSource,
    properties: Buffer | undefined,
  ): number {
    assert(replyText.length <= 255, 'a reply text is a short string')
    this.#open(target, source.buffer)
    let at = this.#writeMethodHead(offset, channel, METHOD.basicReturn)
    this.#targetView.setUint16(at, replyCode)
    target[at + 2] = replyText.length
    target.set(replyText, at + 3)
    at = this.#copy(at + 3 + replyText.length, source.addressStart, source.propertiesStart)
    at = this.#endMethod(offset, at)
    return this.#writeContent(at, channel, source, properties)
  }

  /** Bytes that {@link writePublish} will write. */
  publishSizeBytes(source: ContentSource): number {
    return FRAME_OVERHEAD_SIZE_BYTES + 7 + source.propertiesStart - source.addressStart + this.#contentSizeBytes(source, undefined)
  }

  /** Writes basic.publish at `offset`: for clients. @returns the offset after it */
  writePublish(target: Buffer, offset: number, channel: number, mandatory: boolean, source: ContentSource): number {
    this.#open(target, source.buffer)
    let at = this.#writeMethodHead(offset, channel, METHOD.basicPublish)
    this.#targetView.setUint16(at, 0)
    at = this.#copy(at + 2, source.addressStart, source.propertiesStart)
    target[at] = mandatory ? 1 : 0
    at = this.#endMethod(offset, at + 1)
    return this.#writeContent(at, channel, source, undefined)
  }

  /** Remembers the views of both buffers. */
  #open(target: Buffer, source: Buffer): void {
    if (this.#target !== target) {
      this.#target = target
      this.#targetView = viewOf(target)
    }
    if (lastSource !== source) {
      lastSource = source
      lastSourceView = viewOf(source)
    }
  }

  #copy(at: number, start: number, end: number): number {
    copyViewed(this.#target, this.#targetView, at, lastSource, lastSourceView, start, end - start)
    return at + end - start
  }

  #writeTag(at: number, deliveryTag: number, redelivered: boolean): number {
    assert(deliveryTag > 0 && deliveryTag <= Number.MAX_SAFE_INTEGER, 'a delivery tag is exact')
    const view = this.#targetView
    view.setUint32(at, deliveryTag <= 0xffffffff ? 0 : Math.floor(deliveryTag / 2 ** 32))
    view.setUint32(at + 4, deliveryTag >>> 0)
    view.setUint8(at + 8, redelivered ? 1 : 0)
    return at + 9
  }

  #writeMethodHead(at: number, channel: number, method: number): number {
    const view = this.#targetView
    view.setUint8(at, FRAME.method)
    view.setUint16(at + 1, channel)
    view.setInt32(at + 7, method)
    return at + 11
  }

  #endMethod(start: number, at: number): number {
    this.#targetView.setUint32(start + 3, at - start - FRAME_HEAD_SIZE_BYTES)
    this.#targetView.setUint8(at, FRAME_END)
    return at + 1
  }

  #contentSizeBytes(source: ContentSource, properties: Buffer | undefined): number {
    const propertiesSizeBytes = properties === undefined ? source.bodyStart - source.propertiesStart : properties.length
    const bodySizeBytes = source.bodyEnd - source.bodyStart
    const payloadSizeBytesMax = this.frameSizeBytesMax - FRAME_OVERHEAD_SIZE_BYTES
    const frames = bodySizeBytes <= payloadSizeBytesMax ? (bodySizeBytes === 0 ? 0 : 1) : Math.ceil(bodySizeBytes / payloadSizeBytesMax)
    return FRAME_OVERHEAD_SIZE_BYTES + CONTENT_HEADER_SIZE_BYTES + propertiesSizeBytes + bodySizeBytes + frames * FRAME_OVERHEAD_SIZE_BYTES
  }

  /** Writes the header frame and the body frames. */
  #writeContent(start: number, channel: number, source: ContentSource, properties: Buffer | undefined): number {
    const target = this.#target
    const view = this.#targetView
    const bodySizeBytes = source.bodyEnd - source.bodyStart
    view.setUint8(start, FRAME.header)
    view.setUint16(start + 1, channel)
    // Class 60 and weight 0.
    view.setUint32(start + 7, 60 << 16)
    view.setUint32(start + 11, 0)
    view.setUint32(start + 15, bodySizeBytes)
    let at = start + FRAME_HEAD_SIZE_BYTES + CONTENT_HEADER_SIZE_BYTES
    if (properties === undefined) {
      at = this.#copy(at, source.propertiesStart, source.bodyStart)
    } else {
      target.set(properties, at)
      at += properties.length
    }
    view.setUint32(start + 3, at - start - FRAME_HEAD_SIZE_BYTES)
    target[at++] = FRAME_END
    const payloadSizeBytesMax = this.frameSizeBytesMax - FRAME_OVERHEAD_SIZE_BYTES
    for (let from = source.bodyStart; from < source.bodyEnd;) {
      const to = Math.min(from + payloadSizeBytesMax, source.bodyEnd)
      view.setUint8(at, FRAME.body)
      view.setUint16(at + 1, channel)
      view.setUint32(at + 3, to - from)
      at = this.#copy(at + FRAME_HEAD_SIZE_BYTES, from, to)
      target[at++] = FRAME_END
      from = to
    }
    // A copy that does not fit would be cut short without a word.
    assert(at <= target.length, 'the content fits the buffer')
    if (target.length > TARGET_KEPT_SIZE_BYTES_MAX) this.release()
    return at
  }
}
