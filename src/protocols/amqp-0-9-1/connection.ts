/**
 * One AMQP connection: reads frames, hands them to its channels, and ends with its errors.
 *
 *     handshake -> running -> closing -> closed
 *         |           |          ^
 *         +-----------+----------+      closing: the client was told why; only its close-ok is waited for
 *
 * It owns its exclusive queues: they go with it.
 */
import { assert } from '../../base/assert.ts'
import type { Timer } from '../../base/clock.ts'
import { WaybillError } from '../../base/errors.ts'
import type { Identity, Permissions } from '../../base/identity.ts'
import { LIMITS } from '../../base/limits.ts'
import type { Namespace } from '../../broker/namespace.ts'
import { type Connection, type ConnectionHandler, PAUSE } from '../../net/connection.ts'
import type { AmqpContext } from './amqp-context.ts'
import { Channel } from './channel.ts'
import type { ChannelHost, ClientCapabilities, HeldFrame } from './channel-context.ts'
import { ContentWriter } from './deliveries.ts'
import { type ErrorReply, replyTo } from './error-mapping.ts'
import { type FrameHandler, FrameReader } from './frame-reader.ts'
import { FRAME, type MethodId } from './grammar.ts'
import { Handshake, type HandshakeHost, type OpenedConnection, type TunedLimits } from './handshake.ts'
import { Heartbeat, type HeartbeatListener } from './heartbeat.ts'
import { decodeMethod, encodeMethodFrame, type Method, methodIdAt } from './methods.ts'
import { shownBytes } from './shown-bytes.ts'

type ConnectionState = 'handshake' | 'running' | 'closing' | 'closed'

const NEXT: Readonly<Record<ConnectionState, readonly ConnectionState[]>> = {
  handshake: ['running', 'closing', 'closed'],
  running: ['closing', 'closed'],
  closing: ['closed'],
  closed: [],
}

/** No channel has this number. */
const NO_CHANNEL = -1

/** Told when a connection is gone. */
export type ConnectionGone = (connection: AmqpConnection) => void

/** See the head of this file. */
export class AmqpConnection implements ConnectionHandler, FrameHandler, ChannelHost, HandshakeHost, HeartbeatListener {
  readonly net: Connection
  readonly context: AmqpContext
  readonly content: ContentWriter = new ContentWriter(LIMITS.frameSizeBytesMin)

  #state: ConnectionState = 'handshake'
  readonly #gone: ConnectionGone
  readonly #reader: FrameReader = new FrameReader(this, LIMITS.frameSizeBytesBeforeLogin)
  readonly #handshake: Handshake = new Handshake(this)
  readonly #channels = new Map<number, Channel>()
  #channelsMax = 0
  #heartbeat: Heartbeat | undefined
  #closeTimer: Timer | undefined
  #opened: OpenedConnection | undefined
  /** The channel of the frame before: most frames come in runs. */
  #lastNumber = NO_CHANNEL
  #lastChannel: Channel | undefined
  #heldSizeBytes = 0
  #hasPublished = false
  /** The client was told that it is blocked. */
  #blockedTold = false

  constructor(net: Connection, context: AmqpContext, gone: ConnectionGone) {
    this.net = net
    this.context = context
    this.#gone = gone
  }

  get namespace(): Namespace {
    return this.#open.namespace
  }

  get identity(): Identity {
    return this.#open.identity
  }

  get permissions(): Permissions {
    return this.#open.permissions
  }

  get capabilities(): ClientCapabilities {
    return this.#open.capabilities
  }

  get #open(): OpenedConnection {
    assert(this.#opened !== undefined, 'channels exist only on an open connection')
    return this.#opened
  }

  /** Deliveries that are out on its channels. */
  get unsettledCount(): number {
    let count = 0
    for (const channel of this.#channels.values()) count += channel.session.unsettledCount
    return count
  }

  // ---- Bytes in ----

  /** Hot. */
  input(chunk: Buffer): void {
    try {
      this.#reader.push(chunk)
    } catch (error) {
      this.#unreadable(error)
    }
  }

  drained(): void {
    for (const channel of this.#channels.values()) channel.session.writableChanged()
  }

  closed(): void {
    if (this.#state === 'closed') return
    this.#become('closed')
    this.#end()
    this.#gone(this)
  }

  greeting(bytes: Buffer): boolean {
    return this.#handshake.greeting(bytes)
  }

  /** Hot. */
  frame(type: number, number: number, buffer: Buffer, start: number, end: number): void {
    try {
      if (number === this.#lastNumber) (this.#lastChannel as Channel).receive(type, buffer, start, end)
      else this.#route(type, number, buffer, start, end)
    } catch (error) {
      if (!(error instanceof WaybillError)) throw error
      this.#faultOfFrame(error, type, number, buffer, start, end)
    }
  }

  #route(type: number, number: number, buffer: Buffer, start: number, end: number): void {
    if (this.#state === 'closing') return this.#receiveClosing(type, number, buffer, start, end)
    if (this.#state === 'closed') return
    if (type === FRAME.heartbeat && number === 0) return
    if (type === FRAME.heartbeat || (number === 0 && type !== FRAME.method)) {
      throw new WaybillError('UNEXPECTED_FRAME', `type ${type}, all octets = ${shownBytes(buffer, start, end)}`)
    }
    if (number === 0) return this.#receive(decodeMethod(buffer, start, end))
    if (this.#state === 'handshake') return this.refuse()
    const channel = this.#channels.get(number)
    if (channel === undefined) return this.#openChannel(type, number, buffer, start, end)
    this.#lastNumber = number
    this.#lastChannel = channel
    channel.receive(type, buffer, start, end)
  }

  #openChannel(type: number, number: number, buffer: Buffer, start: number, end: number): void {
    if (type !== FRAME.method) throw new WaybillError('UNEXPECTED_FRAME', 'expected method frame, got non method frame instead')
    const { method } = decodeMethod(buffer, start, end)
    if (method !== 'channel.open') throw new WaybillError('CHANNEL_ERROR', "expected 'channel.open'")
    const count = this.#channels.size
    if (count >= this.#channelsMax) {
      const limit = `the negotiated channel_max (${this.#channelsMax})`
      // It names no method in RabbitMQ.
      return this.closeWith(new WaybillError('NOT_ALLOWED', `number of channels opened (${count}) has reached ${limit}`))
    }
    const channel = new Channel(number, this)
    this.#channels.set(number, channel)
    channel.reply('channel.open-ok', {})
  }

  // ---- Methods of the connection ----

  #receive(method: Method): void {
    if (this.#state === 'handshake') return this.#handshake.receive(method)
    switch (method.method) {
      case 'connection.close':
        return this.#closedByClient()
      case 'connection.update-secret':
        // A password counts at the login alone: with nothing that expires, any new secret is as good as the old, as in RabbitMQ.
        return this.net.send(encodeMethodFrame(0, 'connection.update-secret-ok', {}))
      default:
        throw new WaybillError('CHANNEL_ERROR', 'unexpected method in connection state running')
    }
  }

  #closedByClient(): void {
    this.#become('closing')
    this.#end()
    this.net.send(encodeMethodFrame(0, 'connection.close-ok', {}))
    // The client ends the socket, as with RabbitMQ: an end that comes along with the answer looks to some clients like a broken connection.
    this.#closeTimer = this.context.clock.setTimer(LIMITS.closeTimeoutMs, () => this.net.close())
  }

  // ---- Handshake ----

  refuse(): void {
    this.#reader.end()
    this.net.close()
  }

  tuned(limits: TunedLimits): void {
    this.#channelsMax = limits.channelsMax
    this.#reader.payloadSizeBytesMax = limits.frameSizeBytesMax
    this.content.frameSizeBytesMax = limits.frameSizeBytesMax
    if (limits.heartbeatSeconds === 0) return
    this.#heartbeat = new Heartbeat(this.net, this.context.clock, limits.heartbeatSeconds, this)
  }

  peerGone(): void {
    this.net.destroy()
  }

  idle(): void {
    this.#reader.trim()
    this.content.release()
    for (const channel of this.#channels.values()) channel.trim()
  }

  opened(opened: OpenedConnection): void {
    this.#opened = opened
    this.#become('running')
    this.net.established()
  }

  pauseReading(): void {
    this.#reader.stop()
    this.net.pauseInput(PAUSE.protocol)
  }

  resumeReading(): void {
    this.net.resumeInput(PAUSE.protocol)
    try {
      this.#reader.resume()
    } catch (error) {
      this.#unreadable(error)
    }
  }

  // ---- Channels ----

  published(): void {
    this.#hasPublished = true
    if (this.context.pressed) this.#holdBack()
  }

  #holdBack(): void {
    this.net.pauseInput(PAUSE.publisher)
    this.pressureChanged()
  }

  replay(number: number, frames: readonly HeldFrame[]): void {
    for (const { type, payload } of frames) this.frame(type, number, payload, 0, payload.length)
  }

  held(sizeBytes: number): void {
    const before = this.#heldSizeBytes
    this.#heldSizeBytes += sizeBytes
    const limit = LIMITS.heldFramesSizeBytesMax
    if (before <= limit && this.#heldSizeBytes > limit) this.pauseReading()
    else if (before > limit && this.#heldSizeBytes <= limit) this.resumeReading()
  }

  channelClosed(number: number): void {
    this.#channels.delete(number)
    if (this.#lastNumber === number) this.#forgetLast()
  }

  #forgetLast(): void {
    this.#lastNumber = NO_CHANNEL
    this.#lastChannel = undefined
  }

  // ---- Pressure ----

  /** Publishers should pause, or may go on. Told to clients that publish and want to know; a publisher is paused by its next message. */
  pressureChanged(): void {
    const { pressed, pressureText } = this.context
    if (!pressed) this.net.resumeInput(PAUSE.publisher)
    if (this.#state !== 'running' || !this.capabilities.connectionBlocked) return
    if (pressureText !== undefined && this.#hasPublished && !this.#blockedTold) {
      this.#blockedTold = true
      this.net.send(encodeMethodFrame(0, 'connection.blocked', { reason: pressureText }))
    } else if (pressureText === undefined && this.#blockedTold) {
      this.#blockedTold = false
      this.net.send(encodeMethodFrame(0, 'connection.unblocked', {}))
    }
  }

  // ---- Errors and the end ----

  fault(error: WaybillError, number: number): void {
    const channel = this.#channels.get(number)
    this.#answer(replyTo(error), channel, channel?.methodId ?? 0)
  }

  closeWith(error: WaybillError): void {
    this.#closeWith(replyTo(error), 0)
  }

  /** The server ends the connection: who is not that far that it could be told why, is not. */
  force(error: WaybillError): void {
    if (this.#state === 'handshake' && !this.#handshake.answersErrors) this.refuse()
    else this.closeWith(error)
  }

  /** An error that a frame caused. */
  #faultOfFrame(error: WaybillError, type: number, number: number, buffer: Buffer, start: number, end: number): void {
    if (this.#state === 'handshake' && !this.#handshake.answersErrors) return this.refuse()
    const channel = this.#channels.get(number)
    const methodId = channel?.methodId ?? (type === FRAME.method && end - start >= 4 ? methodIdAt(buffer, start, end) : 0)
    // What is wrong with a frame itself is blamed on no method; what is wrong with the arguments of a method has a cause.
    this.#answer(replyTo(error), channel, error.code === 'FRAME_ERROR' && error.cause === undefined ? 0 : methodId)
  }

  /** The stream of frames is broken: nothing more can be read. */
  #unreadable(error: unknown): void {
    if (!(error instanceof WaybillError)) throw error
    if (this.#state === 'handshake' && !this.#handshake.answersErrors) return this.refuse()
    if (this.#state === 'handshake' || this.#state === 'running') this.closeWith(error)
    this.net.close()
  }

  #answer(reply: ErrorReply, channel: Channel | undefined, methodId: MethodId): void {
    if (reply.closes === 'channel' && channel !== undefined) return channel.close(reply)
    this.#closeWith(reply, methodId)
  }

  /** Tells the client why, and waits for its agreement for a bounded time. */
  #closeWith(reply: ErrorReply, method: MethodId): void {
    if (this.#state === 'closing' || this.#state === 'closed') return
    const [classId, methodId] = [method >>> 16, method & 0xffff]
    this.#become('closing')
    this.#end()
    this.net.send(encodeMethodFrame(0, 'connection.close', { replyCode: reply.replyCode, replyText: reply.replyText, classId, methodId }))
    this.net.resumeInput(PAUSE.publisher)
    this.#closeTimer = this.context.clock.setTimer(LIMITS.closeTimeoutMs, () => this.net.close())
  }

  #receiveClosing(type: number, number: number, buffer: Buffer, start: number, end: number): void {
    if (type !== FRAME.method || number !== 0) return
    const { method } = decodeMethod(buffer, start, end)
    if (method === 'connection.close') this.net.send(encodeMethodFrame(0, 'connection.close-ok', {}))
    else if (method === 'connection.close-ok') this.net.close()
  }

  /** Everything that belongs to the connection goes. */
  #end(): void {
    this.#heartbeat?.stop()
    this.#closeTimer?.cancel()
    this.#forgetLast()
    for (const channel of this.#channels.values()) channel.abandon()
    this.#channels.clear()
    this.content.release()
    this.context.broker.ownerGone(this)
  }

  #become(next: ConnectionState): void {
    assert(NEXT[this.#state].includes(next), 'the connection may change to this state')
    this.#state = next
  }
}
