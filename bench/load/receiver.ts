import type { LoadConnection, TrafficListener } from './connection.ts'
import { FRAME_END, FRAME_METHOD } from './frame-writer.ts'
import type { Traffic } from './job.ts'

const ACK_BYTES = 21
const ACK_SPACE_BYTES = ACK_BYTES * 64
/** The whole body is compared for one message of so many; the size for each. */
const COMPARE_EVERY = 1024

const writeAck = (bytes: Buffer, offset: number, channel: number, deliveryTag: number): void => {
  bytes.writeUInt8(FRAME_METHOD, offset)
  bytes.writeUInt16BE(channel, offset + 1)
  bytes.writeUInt32BE(13, offset + 3)
  bytes.writeUInt32BE(0x003c0050, offset + 7)
  bytes.writeUInt32BE(Math.floor(deliveryTag / 4294967296), offset + 11)
  bytes.writeUInt32BE(deliveryTag >>> 0, offset + 15)
  bytes.writeUInt8(1, offset + 19)
  bytes.writeUInt8(FRAME_END, offset + 20)
}

/** Counts what one connection is delivered, checks it, and acknowledges it in groups; the groups of one chunk go out in one write. */
export class Receiver implements TrafficListener {
  /** Messages delivered so far. */
  deliveredCount = 0
  readonly #connection: LoadConnection
  readonly #traffic: Traffic
  readonly #body: Buffer | undefined
  readonly #onChunk: () => void
  #acks = Buffer.allocUnsafe(ACK_SPACE_BYTES)
  #ackBytes = 0
  #unackedCount = 0
  #channel = 0
  #deliveryTag = 0

  /** `body` is what every message must hold (undefined: only the size is checked); `onChunk` runs when a chunk's acks were written. */
  constructor(connection: LoadConnection, traffic: Traffic, body: Buffer | undefined, onChunk: () => void) {
    this.#connection = connection
    this.#traffic = traffic
    this.#body = body
    this.#onChunk = onChunk
    connection.listener = this
  }

  /** Hot: once per message. */
  onDelivery(channel: number, deliveryTag: number, view: DataView, bodyOffset: number, bodyBytes: number): void {
    if (bodyBytes !== this.#traffic.bodyBytes) throw new Error(`a message came with ${bodyBytes} bytes`)
    if (this.deliveredCount % COMPARE_EVERY === 0) this.#compare(view, bodyOffset)
    this.deliveredCount += 1
    if (this.#traffic.automaticAck) return
    this.#channel = channel
    this.#deliveryTag = deliveryTag
    this.#unackedCount += 1
    if (this.#unackedCount === this.#traffic.ackEvery) this.#acknowledge()
  }

  onConfirm(): void {
    throw new Error('a confirm came on the consuming connection')
  }

  onChunkEnd(): void {
    this.#flush()
    this.#onChunk()
  }

  /** Acknowledges the rest of an unfinished group. */
  finish(): void {
    if (this.#unackedCount > 0) this.#acknowledge()
    this.#flush()
  }

  #acknowledge(): void {
    if (this.#ackBytes === ACK_SPACE_BYTES) this.#flush()
    writeAck(this.#acks, this.#ackBytes, this.#channel, this.#deliveryTag)
    this.#ackBytes += ACK_BYTES
    this.#unackedCount = 0
  }

  #flush(): void {
    if (this.#ackBytes === 0) return
    this.#connection.write(this.#acks.subarray(0, this.#ackBytes))
    // The socket keeps the bytes until they are sent, so the next acks need a buffer of their own.
    this.#acks = Buffer.allocUnsafe(ACK_SPACE_BYTES)
    this.#ackBytes = 0
  }

  #compare(view: DataView, bodyOffset: number): void {
    const body = this.#body
    if (body === undefined) return
    const came = Buffer.from(view.buffer, view.byteOffset + bodyOffset, body.length)
    if (!body.equals(came)) throw new Error(`message ${this.deliveredCount} came with other bytes than were sent`)
  }
}
