/**
 * A small AMQP 0-9-1 client for tests: it can send any method and any bytes, right or wrong, and shows what comes back.
 * It checks nothing that it sends, and it shares no code with the server under test.
 */

import { connect } from 'node:net'
import type { Duplex } from 'node:stream'
import { BASIC_PROPERTIES, METHODS_WITH_CONTENT, methodNamed, methodWithId } from './method-table.ts'
import { ByteSink, ByteSource, type ArgumentValue, type Table } from './wire-value.ts'

/** The arguments of a method by their names in the specification; what is absent is zero, empty or false. */
export type Arguments = Readonly<Record<string, ArgumentValue>>

/** Something that came from the server on one channel. */
export interface Arrival {
  readonly channel: number
  /** The method's name; `unknown 30.99` for one nobody knows. */
  readonly name: string
  readonly arguments: Arguments
  /** Present for a method that carries a message. */
  readonly properties?: Arguments
  readonly body?: Buffer
}

/** How the server ended a connection. */
export type SocketEnd = 'open' | 'closed' | 'reset'

/** Frame types. */
export const FRAME = { method: 1, header: 2, body: 3, heartbeat: 8 } as const

const FRAME_END = 0xce

/** The eight bytes that begin a connection. */
export const PROTOCOL_HEADER: Buffer = Buffer.from('AMQP\0\0\x09\x01', 'latin1')

interface PartialContent {
  readonly name: string
  readonly arguments: Arguments
  properties: Arguments
  sizeBytes: number
  parts: Buffer[]
  receivedBytes: number
}

/** One TCP connection to a server. */
export class RawClient {
  readonly #socket: Duplex
  readonly #arrivals: Arrival[] = []
  readonly #contents = new Map<number, PartialContent>()
  readonly #watchers = new Set<() => void>()
  #buffer: Buffer = Buffer.alloc(0)
  #end: SocketEnd = 'open'
  #heartbeats = 0
  #failure: Error | undefined
  /** The largest frame sent for a body, as negotiated. */
  frameMax = 131_072
  /** False: what comes is only told to `onArrival`, for clients that hear a lot. */
  keepsArrivals = true
  /** Called for every arrival at once, for answers that must be prompt. */
  onArrival: ((arrival: Arrival) => void) | undefined

  private constructor(socket: Duplex) {
    this.#socket = socket
    socket.on('data', (chunk: Buffer) => {
      this.#buffer = this.#buffer.length === 0 ? chunk : Buffer.concat([this.#buffer, chunk])
      try {
        this.#parse()
      } catch (error) {
        this.#failure = error as Error
        socket.destroy()
      }
      this.#changed()
    })
    socket.on('error', () => {
      this.#end = 'reset'
      this.#changed()
    })
    socket.on('end', () => {
      if (this.#end === 'open') this.#end = 'closed'
      this.#changed()
    })
    socket.on('close', () => {
      if (this.#end === 'open') this.#end = 'closed'
      this.#changed()
    })
  }

  /** Connects the socket; nothing is sent. */
  static async open(host: string, port: number): Promise<RawClient> {
    return await new Promise((resolve, reject) => {
      const socket = connect({ host, port, noDelay: true })
      socket.once('error', reject)
      socket.once('connect', () => {
        socket.off('error', reject)
        resolve(new RawClient(socket))
      })
    })
  }

  /** The same over a stream that is connected already. */
  static over(stream: Duplex): RawClient {
    return new RawClient(stream)
  }

  /** Everything that has come so far, in order. */
  get arrivals(): readonly Arrival[] {
    return this.#arrivals
  }

  /** Whether the server has ended the connection. */
  get end(): SocketEnd {
    return this.#end
  }

  /** Heartbeat frames that have come so far. */
  get heartbeats(): number {
    return this.#heartbeats
  }

  /** Bytes that came and are not a whole frame (such as a protocol header in answer to a wrong one). */
  get rest(): Buffer {
    return this.#buffer
  }

  sendBytes(bytes: Uint8Array): void {
    if (!this.#socket.destroyed) this.#socket.write(bytes)
  }

  /** Waits until the operating system has taken what was sent, or the socket has ended. */
  async flushed(): Promise<void> {
    const socket = this.#socket
    if (socket.writableLength === 0 || socket.destroyed) return
    await new Promise<void>((resolve) => {
      socket.once('close', resolve)
      // An empty write is done when everything before it is.
      socket.write(Buffer.alloc(0), () => {
        socket.off('close', resolve)
        resolve()
      })
    })
  }

  sendFrame(type: number, channel: number, payload: Uint8Array): void {
    this.sendBytes(frame(type, channel, payload))
  }

  sendMethod(channel: number, name: string, values: Arguments = {}): void {
    this.sendFrame(FRAME.method, channel, encodeMethod(name, values))
  }

  /** A content header of any class, size and properties. */
  sendHeader(channel: number, sizeBytes: number | bigint, properties: Arguments = {}, classId = 60): void {
    this.sendFrame(FRAME.header, channel, encodeHeader(sizeBytes, properties, classId))
  }

  /** basic.publish with its header and its body in frames of the negotiated size, in one write. */
  sendPublish(channel: number, values: Arguments, properties: Arguments, body: Uint8Array): void {
    const parts = [
      frame(FRAME.method, channel, encodeMethod('basic.publish', values)),
      frame(FRAME.header, channel, encodeHeader(body.length, properties, 60)),
    ]
    const step = this.frameMax === 0 ? body.length : this.frameMax - 8
    for (let position = 0; position < body.length; position += step) {
      parts.push(frame(FRAME.body, channel, body.subarray(position, position + step)))
    }
    this.sendBytes(Buffer.concat(parts))
  }

  /** Waits until `condition` holds; false when it did not within the time, or cannot any more because the socket ended. */
  async until(condition: () => boolean, timeoutMs: number): Promise<boolean> {
    return await new Promise((resolve, reject) => {
      const check = (): void => {
        const failure = this.#failure
        if (failure !== undefined) finish(() => reject(failure))
        else if (condition()) finish(() => resolve(true))
        else if (this.#end !== 'open') finish(() => resolve(false))
      }
      const finish = (settle: () => void): void => {
        clearTimeout(timer)
        this.#watchers.delete(check)
        settle()
      }
      const timer = setTimeout(() => finish(() => resolve(condition())), timeoutMs)
      this.#watchers.add(check)
      check()
    })
  }

  /** Reads nothing more: what the server sends fills its buffers. */
  stopReading(): void {
    this.#socket.pause()
  }

  /** Sends the end of the stream and goes on reading: the connection is half open. */
  finish(): void {
    this.#socket.end()
  }

  /** Ends the socket without a word, as a crash of the client does. */
  destroy(): void {
    this.#socket.destroy()
  }

  #changed(): void {
    for (const watcher of this.#watchers) watcher()
  }

  #parse(): void {
    for (;;) {
      if (this.#buffer.length < 8 || this.#buffer[0] === 0x41 /* 'A' of a protocol header */) return
      const sizeBytes = this.#buffer.readUInt32BE(3)
      if (this.#buffer.length < sizeBytes + 8) return
      if (this.#buffer[sizeBytes + 7] !== FRAME_END) throw new Error('the server sent a frame without its end octet')
      const payload = Buffer.from(this.#buffer.subarray(7, 7 + sizeBytes))
      const type = this.#buffer.readUInt8(0)
      const channel = this.#buffer.readUInt16BE(1)
      this.#buffer = this.#buffer.subarray(sizeBytes + 8)
      this.#accept(type, channel, payload)
    }
  }

  #accept(type: number, channel: number, payload: Buffer): void {
    switch (type) {
      case FRAME.heartbeat:
        this.#heartbeats++
        return
      case FRAME.method: {
        const { name, values } = decodeMethod(payload)
        if (METHODS_WITH_CONTENT.has(name)) {
          this.#contents.set(channel, { name, arguments: values, properties: {}, sizeBytes: 0, parts: [], receivedBytes: 0 })
        } else this.#arrived({ channel, name, arguments: values })
        return
      }
      case FRAME.header: {
        const content = this.#contents.get(channel)
        if (content === undefined) throw new Error('the server sent a content header without a method')
        const source = new ByteSource(payload)
        if (source.unsigned(2) !== 60 || source.unsigned(2) !== 0) throw new Error('the server sent a content header of another class')
        content.sizeBytes = Number(source.argument('longlong'))
        content.properties = decodeProperties(source)
        this.#finishContent(channel, content)
        return
      }
      case FRAME.body: {
        const content = this.#contents.get(channel)
        if (content === undefined) throw new Error('the server sent a body without a header')
        if (this.frameMax !== 0 && payload.length + 8 > this.frameMax) throw new Error('the server sent a frame over frame-max')
        content.parts.push(payload)
        content.receivedBytes += payload.length
        this.#finishContent(channel, content)
        return
      }
      default:
        throw new Error(`the server sent a frame of type ${type}`)
    }
  }

  #finishContent(channel: number, content: PartialContent): void {
    if (content.receivedBytes > content.sizeBytes) throw new Error('the server sent more body than announced')
    if (content.receivedBytes < content.sizeBytes) return
    this.#contents.delete(channel)
    this.#arrived({
      channel,
      name: content.name,
      arguments: content.arguments,
      properties: content.properties,
      body: Buffer.concat(content.parts),
    })
  }

  #arrived(arrival: Arrival): void {
    if (this.keepsArrivals) this.#arrivals.push(arrival)
    this.onArrival?.(arrival)
  }
}

/** One frame with its end octet. */
export function frame(type: number, channel: number, payload: Uint8Array, end: number = FRAME_END): Buffer {
  return new ByteSink().unsigned(type, 1).unsigned(channel, 2).unsigned(payload.length, 4).bytes(payload).unsigned(end, 1).finish()
}

/** The payload of a method frame. */
export function encodeMethod(name: string, values: Arguments): Buffer {
  const method = methodNamed(name)
  for (const given of Object.keys(values)) {
    if (!method.fields.some(([field]) => field === given)) throw new Error(`${name} has no argument ${given}`)
  }
  const sink = new ByteSink().unsigned(method.classId, 2).unsigned(method.methodId, 2)
  let bits = 0
  let bitCount = 0
  for (const [field, kind] of method.fields) {
    if (kind === 'bit') {
      if (values[field] === true) bits |= 1 << bitCount
      bitCount++
      continue
    }
    if (bitCount > 0) sink.unsigned(bits, 1)
    bits = bitCount = 0
    sink.argument(kind, values[field] ?? defaultOf(kind))
  }
  if (bitCount > 0) sink.unsigned(bits, 1)
  return sink.finish()
}

function defaultOf(kind: string): ArgumentValue {
  if (kind === 'table') return {} satisfies Table
  return kind.endsWith('str') ? '' : 0
}

/** The payload of a content header. */
export function encodeHeader(sizeBytes: number | bigint, properties: Arguments, classId: number): Buffer {
  let flags = 0
  const values = new ByteSink()
  BASIC_PROPERTIES.forEach(([name, kind], index) => {
    const value = properties[name]
    if (value === undefined) return
    flags |= 1 << (15 - index)
    values.argument(kind, value)
  })
  return new ByteSink().unsigned(classId, 2).unsigned(0, 2).unsigned(sizeBytes, 8).unsigned(flags, 2).bytes(values.finish()).finish()
}

function decodeMethod(payload: Buffer): { name: string; values: Arguments } {
  const source = new ByteSource(payload)
  const classId = source.unsigned(2)
  const methodId = source.unsigned(2)
  const method = methodWithId(classId, methodId)
  if (method === undefined) return { name: `unknown ${classId}.${methodId}`, values: {} }
  const values: Record<string, ArgumentValue> = {}
  let bits = 0
  let bitCount = 0
  for (const [field, kind] of method.fields) {
    if (kind === 'bit') {
      if (bitCount % 8 === 0) bits = source.unsigned(1)
      values[field] = (bits & (1 << (bitCount % 8))) !== 0
      bitCount++
      continue
    }
    bitCount = 0
    values[field] = source.argument(kind)
  }
  if (source.left > 0) throw new Error(`the server sent ${source.left} bytes too many in ${method.name}`)
  return { name: method.name, values }
}

function decodeProperties(source: ByteSource): Arguments {
  const flags = source.unsigned(2)
  const properties: Record<string, ArgumentValue> = {}
  BASIC_PROPERTIES.forEach(([name, kind], index) => {
    if ((flags & (1 << (15 - index))) !== 0) properties[name] = source.argument(kind)
  })
  if (source.left > 0) throw new Error('the server sent a content header with bytes too many')
  return properties
}
