/**
 * AMQP 0-9-1 frames, written by hand so that no client library is measured.
 *
 * frame   = type:u8 channel:u16 size:u32 payload[size] 0xCE
 * method  = class:u16 method:u16 arguments
 * header  = class:u16 weight:u16 body-size:u64 flags:u16 properties
 * publish = method frame, header frame, body frame (bodies here always fit in one frame)
 */

/** A field value the bench needs in tables. */
export type FieldValue = string | boolean | number | FieldTable

/** A table of fields, for arguments and headers. */
export interface FieldTable {
  readonly [name: string]: FieldValue
}

/** A frame's three types. */
export const FRAME_METHOD = 1
export const FRAME_HEADER = 2
export const FRAME_BODY = 3

/** What ends every frame. */
export const FRAME_END = 0xce

/** Bytes around a payload: type, channel, size, end. */
export const FRAME_OVERHEAD_BYTES = 8

/** Collects the bytes of one or more frames; it grows as needed. Not for the hot path: batches are encoded once, before the clock runs. */
export class FrameWriter {
  #bytes: Buffer = Buffer.alloc(1024)
  #length = 0

  #reserve(count: number): number {
    const offset = this.#length
    const needed = offset + count
    if (needed > this.#bytes.length) {
      const larger = Buffer.alloc(Math.max(needed, this.#bytes.length * 2))
      this.#bytes.copy(larger, 0, 0, offset)
      this.#bytes = larger
    }
    this.#length = needed
    return offset
  }

  /** The position the next byte is written to. */
  get length(): number {
    return this.#length
  }

  uint8(value: number): this {
    const offset = this.#reserve(1)
    this.#bytes.writeUInt8(value, offset)
    return this
  }

  uint16(value: number): this {
    const offset = this.#reserve(2)
    this.#bytes.writeUInt16BE(value, offset)
    return this
  }

  uint32(value: number): this {
    const offset = this.#reserve(4)
    this.#bytes.writeUInt32BE(value, offset)
    return this
  }

  int32(value: number): this {
    const offset = this.#reserve(4)
    this.#bytes.writeInt32BE(value, offset)
    return this
  }

  uint64(value: number): this {
    const offset = this.#reserve(8)
    this.#bytes.writeBigUInt64BE(BigInt(value), offset)
    return this
  }

  raw(value: Uint8Array): this {
    const offset = this.#reserve(value.length)
    this.#bytes.set(value, offset)
    return this
  }

  shortString(text: string): this {
    const encoded = Buffer.from(text, 'utf8')
    return this.uint8(encoded.length).raw(encoded)
  }

  longString(text: string): this {
    const encoded = Buffer.from(text, 'utf8')
    return this.uint32(encoded.length).raw(encoded)
  }

  table(fields: FieldTable): this {
    const sizeOffset = this.#reserve(4)
    for (const [name, value] of Object.entries(fields)) {
      this.shortString(name)
      this.#field(value)
    }
    this.#bytes.writeUInt32BE(this.#length - sizeOffset - 4, sizeOffset)
    return this
  }

  #field(value: FieldValue): void {
    if (typeof value === 'string') this.uint8(0x53).longString(value)
    else if (typeof value === 'boolean') this.uint8(0x74).uint8(value ? 1 : 0)
    else if (typeof value === 'number') this.uint8(0x49).int32(value)
    else this.uint8(0x46).table(value)
  }

  /** Opens a frame; give what it returns to `endFrame`. */
  beginFrame(type: number, channel: number): number {
    this.uint8(type).uint16(channel)
    return this.#reserve(4)
  }

  endFrame(sizeOffset: number): this {
    this.#bytes.writeUInt32BE(this.#length - sizeOffset - 4, sizeOffset)
    return this.uint8(FRAME_END)
  }

  /** A copy of what was written. */
  finish(): Buffer {
    return Buffer.from(this.#bytes.subarray(0, this.#length))
  }
}

/** One method frame; `fill` writes its arguments. */
export const methodFrame = (channel: number, classId: number, methodId: number, fill: (writer: FrameWriter) => void): Buffer => {
  const writer = new FrameWriter()
  const sizeOffset = writer.beginFrame(FRAME_METHOD, channel)
  writer.uint16(classId).uint16(methodId)
  fill(writer)
  return writer.endFrame(sizeOffset).finish()
}

/** What one published message says beside its body. */
export interface PublishedMessage {
  readonly channel: number
  readonly exchange: string
  readonly routingKey: string
  readonly durable: boolean
  readonly headers?: FieldTable
  readonly body: Uint8Array
}

/** One message's bytes, and where the body starts in them. */
export interface EncodedMessage {
  readonly bytes: Buffer
  readonly bodyOffset: number
  /** Where the value of the last header field starts: a delay is patched in there. */
  readonly headersEndOffset: number
}

/** The three frames of one publish. */
export const encodePublish = (message: PublishedMessage): EncodedMessage => {
  const writer = new FrameWriter()
  const method = writer.beginFrame(FRAME_METHOD, message.channel)
  writer.uint16(60).uint16(40).uint16(0).shortString(message.exchange).shortString(message.routingKey).uint8(0)
  writer.endFrame(method)
  const header = writer.beginFrame(FRAME_HEADER, message.channel)
  const hasHeaders = message.headers !== undefined
  writer
    .uint16(60)
    .uint16(0)
    .uint64(message.body.length)
    .uint16(0x1000 | (hasHeaders ? 0x2000 : 0))
  if (message.headers !== undefined) writer.table(message.headers)
  const headersEndOffset = writer.length
  writer.uint8(message.durable ? 2 : 1)
  writer.endFrame(header)
  const body = writer.beginFrame(FRAME_BODY, message.channel)
  const bodyOffset = writer.length
  writer.raw(message.body)
  writer.endFrame(body)
  return { bytes: writer.finish(), bodyOffset, headersEndOffset }
}

/** A body that doesn't compress, the same in every run. */
export const bodyOf = (sizeBytes: number): Buffer => {
  const body = Buffer.allocUnsafe(sizeBytes)
  let state = 0x2545f491
  for (let index = 0; index < sizeBytes; index += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    body[index] = state >>> 24
  }
  return body
}
