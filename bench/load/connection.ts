import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { FRAME_BODY, FRAME_END, FRAME_HEADER, FRAME_METHOD, FRAME_OVERHEAD_BYTES, methodFrame } from './frame-writer.ts'
import type { FieldTable, FrameWriter } from './frame-writer.ts'

/** Where a broker is, and who knocks. */
export interface Target {
  /** What is spoken there. @default 'amqp' */
  readonly protocol?: 'amqp' | 'nats'
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string
  readonly virtualHost: string
}

/** What a job wants to hear of a connection. Called from inside the scan of a chunk: the bytes are borrowed until the call returns. */
export interface TrafficListener {
  /** A whole message came; `bodyOffset` is where the (first) body frame's payload starts in `view`. */
  onDelivery(channel: number, deliveryTag: number, view: DataView, bodyOffset: number, bodyBytes: number): void
  onConfirm(deliveryTag: number, multiple: boolean): void
  /** Everything in the chunk has been reported: the time to write once for all of it. */
  onChunkEnd(): void
}

const READ_BUFFER_BYTES = 512 * 1024
const BASIC_DELIVER = 0x003c003c
const BASIC_ACK = 0x003c0050
const BASIC_NACK = 0x003c0078
const BASIC_CANCEL = 0x003c001e
const CHANNEL_CLOSE = 0x00140028
const CONNECTION_CLOSE = 0x000a0032
const CONNECTION_BLOCKED = 0x000a003c
const CONNECTION_UNBLOCKED = 0x000a003d

const SILENT: TrafficListener = { onDelivery: () => undefined, onConfirm: () => undefined, onChunkEnd: () => undefined }

interface PendingReply {
  readonly method: number
  readonly resolve: (reply: Buffer) => void
  readonly reject: (error: Error) => void
}

/**
 * One AMQP connection that costs as little as it can: socket chunks are read into one buffer and scanned in place,
 * deliveries and confirms are reported as numbers, and what is written was encoded before.
 */
export class LoadConnection {
  /** Set when the broker said that it is short of memory or disk. */
  blocked = false
  listener: TrafficListener = SILENT
  readonly #socket: Socket
  readonly #bytes: Buffer
  readonly #view: DataView
  #filled = 0
  #pending: PendingReply | undefined
  #failure: Error | undefined
  #onFailure: ((error: Error) => void) | undefined
  #closing = false
  #deliveryTag = 0
  #bodyBytes = 0
  #bodyLeftBytes = 0

  private constructor(target: Target, readBufferBytes: number) {
    this.#bytes = Buffer.alloc(readBufferBytes)
    this.#view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset, this.#bytes.length)
    this.#socket = connect({
      host: target.host,
      port: target.port,
      noDelay: true,
      onread: {
        buffer: () => (this.#filled === 0 ? this.#bytes : this.#bytes.subarray(this.#filled)),
        callback: (count) => {
          this.#receive(count)
          return true
        },
      },
    })
    this.#socket.on('error', (error) => this.#fail(error))
    this.#socket.on('close', () => this.#fail(new Error('the broker closed the connection')))
  }

  /** Connects, logs in and opens the virtual host. */
  static async open(target: Target, readBufferBytes = READ_BUFFER_BYTES): Promise<LoadConnection> {
    const connection = new LoadConnection(target, readBufferBytes)
    connection.#socket.write(Buffer.from('AMQP\x00\x00\x09\x01', 'latin1'))
    await connection.#reply(0x000a000a)
    const capabilities = { publisher_confirms: true, consumer_cancel_notify: true, 'basic.nack': true, 'connection.blocked': true }
    connection.send(0, 10, 11, (writer) =>
      writer
        .table({ product: 'waybill-bench', capabilities })
        .shortString('PLAIN')
        .longString(`\0${target.user}\0${target.password}`)
        .shortString('en_US'),
    )
    const tune = await connection.#reply(0x000a001e)
    const channelMax = tune.readUInt16BE(4)
    const frameBytesMax = tune.readUInt32BE(6)
    connection.send(0, 10, 31, (writer) =>
      writer
        .uint16(channelMax === 0 ? 2047 : channelMax)
        .uint32(frameBytesMax === 0 ? 131072 : frameBytesMax)
        .uint16(0),
    )
    await connection.call(0, 10, 40, 0x000a0029, (writer) => writer.shortString(target.virtualHost).shortString('').uint8(0))
    return connection
  }

  /** Bytes the broker has sent so far. */
  get receivedBytes(): number {
    return this.#socket.bytesRead
  }

  /** Called once when the connection breaks or the broker closes it or a channel. */
  onFailure(report: (error: Error) => void): void {
    if (this.#failure === undefined) this.#onFailure = report
    else report(this.#failure)
  }

  /** Writes bytes that stay as they are until the socket has taken them. */
  write(bytes: Uint8Array): void {
    this.#socket.write(bytes)
  }

  send(channel: number, classId: number, methodId: number, fill: (writer: FrameWriter) => void): void {
    this.#socket.write(methodFrame(channel, classId, methodId, fill))
  }

  /** Sends a method and waits for its reply; resolves to the reply's payload. */
  async call(channel: number, classId: number, methodId: number, reply: number, fill: (writer: FrameWriter) => void): Promise<Buffer> {
    this.send(channel, classId, methodId, fill)
    return await this.#reply(reply)
  }

  async openChannel(channel: number): Promise<void> {
    await this.call(channel, 20, 10, 0x0014000b, (writer) => writer.shortString(''))
  }

  async selectConfirms(channel: number): Promise<void> {
    await this.call(channel, 85, 10, 0x0055000b, (writer) => writer.uint8(0))
  }

  async declareExchange(channel: number, name: string, kind: string, fields: FieldTable = {}): Promise<void> {
    await this.call(channel, 40, 10, 0x0028000b, (writer) =>
      writer.uint16(0).shortString(name).shortString(kind).uint8(0b00010).table(fields),
    )
  }

  async deleteExchange(channel: number, name: string): Promise<void> {
    await this.call(channel, 40, 20, 0x00280015, (writer) => writer.uint16(0).shortString(name).uint8(0))
  }

  /** Declares a durable queue. */
  async declareQueue(channel: number, name: string, fields: FieldTable = {}): Promise<void> {
    await this.call(channel, 50, 10, 0x0032000b, (writer) => writer.uint16(0).shortString(name).uint8(0b00010).table(fields))
  }

  /** Declares a durable queue without waiting for the answer. */
  declareQueueNoWait(channel: number, name: string, fields: FieldTable = {}): void {
    this.send(channel, 50, 10, (writer) => writer.uint16(0).shortString(name).uint8(0b10010).table(fields))
  }

  /** How many messages wait in a queue, ready to be delivered. */
  async countReady(channel: number, name: string): Promise<number> {
    const reply = await this.call(channel, 50, 10, 0x0032000b, (writer) => writer.uint16(0).shortString(name).uint8(0b00001).table({}))
    return reply.readUInt32BE(4 + 1 + reply.readUInt8(4))
  }

  async deleteQueue(channel: number, name: string): Promise<void> {
    await this.call(channel, 50, 40, 0x00320029, (writer) => writer.uint16(0).shortString(name).uint8(0))
  }

  bindQueueNoWait(channel: number, queue: string, exchange: string, routingKey: string): void {
    this.send(channel, 50, 20, (writer) =>
      writer.uint16(0).shortString(queue).shortString(exchange).shortString(routingKey).uint8(1).table({}),
    )
  }

  async setPrefetch(channel: number, count: number): Promise<void> {
    await this.call(channel, 60, 10, 0x003c000b, (writer) => writer.uint32(0).uint16(count).uint8(0))
  }

  async consume(channel: number, queue: string, automaticAck: boolean): Promise<void> {
    await this.call(channel, 60, 20, 0x003c0015, (writer) =>
      writer
        .uint16(0)
        .shortString(queue)
        .shortString('')
        .uint8(automaticAck ? 0b0010 : 0)
        .table({}),
    )
  }

  /** Says goodbye and closes the socket. */
  async close(): Promise<void> {
    if (this.#failure !== undefined) return
    this.#closing = true
    const closed = new Promise<void>((resolve) => this.#socket.once('close', () => resolve()))
    await this.call(0, 10, 50, 0x000a0033, (writer) => writer.uint16(200).shortString('done').uint16(0).uint16(0)).catch(() => undefined)
    this.#socket.destroy()
    await closed
  }

  /** Drops the socket without a word. */
  destroy(): void {
    this.#closing = true
    this.#socket.destroy()
  }

  #reply(method: number): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) reject(this.#failure)
      else this.#pending = { method, resolve, reject }
    })
  }

  #fail(error: Error): void {
    if (this.#failure !== undefined) return
    this.#failure = error
    this.#socket.destroy()
    const pending = this.#pending
    this.#pending = undefined
    pending?.reject(error)
    if (!this.#closing) this.#onFailure?.(error)
  }

  #receive(count: number): void {
    const end = this.#filled + count
    const consumed = this.#scan(end)
    if (consumed === 0 && end === this.#bytes.length) this.#fail(new Error('a frame is larger than the read buffer'))
    if (consumed > 0 && consumed < end) this.#bytes.copyWithin(0, consumed, end)
    this.#filled = end - consumed
    this.listener.onChunkEnd()
  }

  /** Handles every whole frame in the first `end` bytes and returns how many bytes those took. Hot: no allocation for deliveries and confirms. */
  #scan(end: number): number {
    const view = this.#view
    let position = 0
    while (position + FRAME_OVERHEAD_BYTES <= end) {
      const size = view.getUint32(position + 3)
      const next = position + FRAME_OVERHEAD_BYTES + size
      if (next > end) break
      if (view.getUint8(next - 1) !== FRAME_END) {
        this.#fail(new Error(`a frame does not end with 0xCE at byte ${next - 1} of the chunk`))
        return end
      }
      const type = view.getUint8(position)
      const payload = position + 7
      if (type === FRAME_METHOD) {
        const method = view.getUint32(payload)
        if (method === BASIC_DELIVER) {
          const tag = payload + 5 + view.getUint8(payload + 4)
          this.#deliveryTag = view.getUint32(tag) * 4294967296 + view.getUint32(tag + 4)
        } else if (method === BASIC_ACK) {
          const tag = view.getUint32(payload + 4) * 4294967296 + view.getUint32(payload + 8)
          this.listener.onConfirm(tag, (view.getUint8(payload + 12) & 1) === 1)
        } else this.#method(method, payload, next - 1)
      } else if (type === FRAME_HEADER) {
        this.#bodyBytes = view.getUint32(payload + 8)
        this.#bodyLeftBytes = this.#bodyBytes
        if (this.#bodyBytes === 0) this.listener.onDelivery(view.getUint16(position + 1), this.#deliveryTag, view, payload, 0)
      } else if (type === FRAME_BODY) {
        this.#bodyLeftBytes -= size
        if (this.#bodyLeftBytes === 0) {
          this.listener.onDelivery(view.getUint16(position + 1), this.#deliveryTag, view, payload, this.#bodyBytes)
        }
      }
      position = next
    }
    return position
  }

  #method(method: number, start: number, end: number): void {
    const payload = Buffer.from(this.#bytes.subarray(start, end))
    if (this.#pending?.method === method) {
      const { resolve } = this.#pending
      this.#pending = undefined
      resolve(payload)
    } else if (method === CONNECTION_BLOCKED) this.blocked = true
    else if (method === CONNECTION_UNBLOCKED) this.blocked = false
    else if (method === CHANNEL_CLOSE || method === CONNECTION_CLOSE) {
      const text = payload.subarray(7, 7 + payload.readUInt8(6)).toString('utf8')
      this.#fail(new Error(`the broker closed the ${method === CHANNEL_CLOSE ? 'channel' : 'connection'}: ${text}`))
    } else if (method === BASIC_NACK) this.#fail(new Error('the broker refused a message (basic.nack)'))
    else if (method === BASIC_CANCEL) this.#fail(new Error('the broker cancelled the consumer'))
    else this.#fail(new Error(`unexpected method 0x${method.toString(16)}`))
  }
}
