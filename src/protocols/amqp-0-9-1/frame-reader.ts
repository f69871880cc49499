/**
 * Cuts the stream of a connection into frames [AMQP-0-9-1 4.2.2, 4.2.3], in place: a frame that lies whole inside a chunk is handed
 * over where it is. Only a frame that a chunk ends in the middle of is gathered in a buffer of its own.
 *
 * That buffer grows with the bytes that really came, never with a declared size, and a frame over the limit is refused when its
 * head is read, before anything of it is kept.
 *
 *     greeting -> frames -> failed
 *        |          ^  |
 *        |          |  v
 *        +-> failed stopped
 */
import { assert } from '../../base/assert.ts'
import { WaybillError } from '../../base/errors.ts'
import { shownBytes } from './shown-bytes.ts'
import { FRAME, FRAME_END, FRAME_HEAD_SIZE_BYTES, FRAME_OVERHEAD_SIZE_BYTES, PROTOCOL_HEADER_SIZE_BYTES } from './grammar.ts'

/** Who gets the frames. It may call `stop` and set the reader's limit at any time; what it throws comes out of `push`, and ends the reader. */
export interface FrameHandler {
  /**
   * The first eight bytes, or fewer when they cannot be the beginning of a protocol header. Borrowed until return.
   * @returns whether frames of this protocol follow; if not, everything that follows is ignored
   */
  greeting(bytes: Buffer): boolean
  /** A frame with the payload `buffer[start, end)`. Borrowed until return. Hot. */
  frame(type: number, channel: number, buffer: Buffer, start: number, end: number): void
}

type ReaderState = 'greeting' | 'frames' | 'stopped' | 'failed'

/** Room in the gathering buffer at first; it doubles from there. */
const GATHERED_SIZE_BYTES_MIN = 1024

const EMPTY = Buffer.alloc(0)

/** The bytes that every version of the protocol starts with. */
const AMQP = Buffer.from('AMQP', 'latin1')

/** Reads the frames of one connection. */
export class FrameReader {
  /** Largest payload that is taken. The session sets it to what was negotiated. */
  payloadSizeBytesMax: number

  readonly #handler: FrameHandler
  #state: ReaderState = 'greeting'
  /** Bytes of a frame whose end has not come yet (or, stopped, everything that came since). */
  #gathered: Buffer = EMPTY
  #gatheredLength = 0

  constructor(handler: FrameHandler, payloadSizeBytesMax: number) {
    this.#handler = handler
    this.payloadSizeBytesMax = payloadSizeBytesMax
  }

  /** True after an error or a refused greeting: what comes is ignored. */
  get failed(): boolean {
    return this.#state === 'failed'
  }

  /** Bytes kept from earlier chunks. */
  get gatheredSizeBytes(): number {
    return this.#gatheredLength
  }

  /**
   * Takes the next bytes of the stream; they are borrowed until return.
   * @throws FRAME_ERROR when they are not frames; everything that follows is ignored then
   */
  push(chunk: Buffer): void {
    switch (this.#state) {
      case 'failed':
        return
      case 'stopped':
        return this.#gather(chunk, 0, chunk.length)
      default:
        return this.#take(chunk)
    }
  }

  /** Hands over nothing more until `resume`. What comes meanwhile is kept: the caller stops reading from the connection too. */
  stop(): void {
    if (this.#state === 'frames') this.#state = 'stopped'
  }

  /** Goes on after `stop`, with what was kept. @throws FRAME_ERROR as `push` */
  resume(): void {
    if (this.#state !== 'stopped') return
    this.#state = 'frames'
    const kept = this.#gathered.subarray(0, this.#gatheredLength)
    this.#gathered = EMPTY
    this.#gatheredLength = 0
    if (kept.length > 0) this.#take(kept)
  }

  /** Ends the reader: what comes is ignored from now on. */
  end(): void {
    this.#state = 'failed'
    this.#gathered = EMPTY
    this.#gatheredLength = 0
  }

  /** Gives back memory that is not needed now: for connections that have been idle. */
  trim(): void {
    if (this.#gatheredLength === 0) this.#gathered = EMPTY
  }

  #take(chunk: Buffer): void {
    let finished = false
    try {
      let at = 0
      if (this.#state === 'greeting') at = this.#takeGreeting(chunk)
      if (this.#gatheredLength > 0 && this.#state === 'frames') at = this.#completeGathered(chunk, at)
      if (this.#state === 'frames') at = this.#takeFrames(chunk, at)
      if (at < chunk.length && this.#state !== 'failed') {
        this.#gather(chunk, at, chunk.length)
        // A head alone is enough to refuse a frame.
        if (this.#state === 'frames' && this.#gatheredLength === FRAME_HEAD_SIZE_BYTES) this.#payloadSize(this.#gathered, 0)
      }
      finished = true
    } finally {
      // After an error the boundaries of frames are lost: nothing more can be read.
      if (!finished) this.end()
    }
  }

  /** @returns the offset of the first byte after the greeting */
  #takeGreeting(chunk: Buffer): number {
    const take = Math.min(PROTOCOL_HEADER_SIZE_BYTES - this.#gatheredLength, chunk.length)
    this.#gather(chunk, 0, take)
    const bytes = this.#gathered.subarray(0, this.#gatheredLength)
    const possible = startsLikeProtocolHeader(bytes)
    if (possible && bytes.length < PROTOCOL_HEADER_SIZE_BYTES) return take
    this.#gathered = EMPTY
    this.#gatheredLength = 0
    const accepted = this.#handler.greeting(bytes)
    if (!accepted) {
      this.end()
      return chunk.length
    }
    assert(possible, 'a greeting that is no protocol header is refused')
    this.#state = 'frames'
    return take
  }

  /** Hands over the frames that lie whole in `chunk[from, ...)`. Hot. @returns the offset of the first byte that is left */
  #takeFrames(chunk: Buffer, from: number): number {
    const handler = this.#handler
    const length = chunk.length
    let at = from
    while (length - at >= FRAME_OVERHEAD_SIZE_BYTES) {
      const end = at + FRAME_HEAD_SIZE_BYTES + this.#payloadSize(chunk, at)
      if (end >= length) break
      if (chunk[end] !== FRAME_END)
        throw frameError(chunk, at, end - at - FRAME_HEAD_SIZE_BYTES, `{invalid_frame_end_marker,${chunk[end] as number}}`)
      const type = chunk[at] as number
      const channel = ((chunk[at + 1] as number) << 8) | (chunk[at + 2] as number)
      handler.frame(type, channel, chunk, at + FRAME_HEAD_SIZE_BYTES, end)
      at = end + 1
      if (this.#state !== 'frames') break
    }
    return at
  }

  /** Adds to the gathered frame what it needs of the chunk, and hands it over once it is whole. @returns the offset of the first byte that is left */
  #completeGathered(chunk: Buffer, from: number): number {
    let at = from
    if (this.#gatheredLength < FRAME_HEAD_SIZE_BYTES) {
      const take = Math.min(FRAME_HEAD_SIZE_BYTES - this.#gatheredLength, chunk.length - at)
      this.#gather(chunk, at, at + take)
      at += take
      if (this.#gatheredLength < FRAME_HEAD_SIZE_BYTES) return at
    }
    const frameSizeBytes = this.#payloadSize(this.#gathered, 0) + FRAME_OVERHEAD_SIZE_BYTES
    const take = Math.min(frameSizeBytes - this.#gatheredLength, chunk.length - at)
    this.#gather(chunk, at, at + take)
    at += take
    if (this.#gatheredLength < frameSizeBytes) return at
    // The handler may stop the reader, which then keeps the rest of the chunk: the frame's own buffer must not be in use for that.
    const frame = this.#gathered
    this.#gathered = EMPTY
    this.#gatheredLength = 0
    this.#takeFrames(frame.length === frameSizeBytes ? frame : frame.subarray(0, frameSizeBytes), 0)
    if (this.#gatheredLength === 0 && this.#gathered === EMPTY) this.#gathered = frame
    return at
  }

  /** Payload size of the frame whose head is at `at`, checked. @throws FRAME_ERROR when the frame is not one that may come */
  #payloadSize(bytes: Buffer, at: number): number {
    const size =
      (((bytes[at + 3] as number) << 24) |
        ((bytes[at + 4] as number) << 16) |
        ((bytes[at + 5] as number) << 8) |
        (bytes[at + 6] as number)) >>>
      0
    const type = bytes[at] as number
    if (type !== FRAME.method && type !== FRAME.header && type !== FRAME.body) {
      if (type !== FRAME.heartbeat || size !== 0) throw frameError(bytes, at, size, 'unknown_frame')
    }
    if (size > this.payloadSizeBytesMax)
      throw frameError(bytes, at, 0, `{frame_too_large,${size},${this.payloadSizeBytesMax - FRAME_OVERHEAD_SIZE_BYTES}}`)
    return size
  }

  #gather(chunk: Buffer, start: number, end: number): void {
    const needed = this.#gatheredLength + end - start
    if (needed > this.#gathered.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.#gathered.length * 2, GATHERED_SIZE_BYTES_MIN))
      larger.set(this.#gathered.subarray(0, this.#gatheredLength))
      this.#gathered = larger
    }
    chunk.copy(this.#gathered, this.#gatheredLength, start, end)
    this.#gatheredLength = needed
  }
}

/** The error in RabbitMQ's words, with as much of the payload (from the frame at `at`) as has come and may be shown. */
function frameError(bytes: Buffer, at: number, size: number, problem: string): WaybillError {
  const start = at + FRAME_HEAD_SIZE_BYTES
  return new WaybillError('FRAME_ERROR', `type ${bytes[at] as number}, all octets = ${shownBytes(bytes, start, start + size)}: ${problem}`)
}

/** Whether the bytes so far can become a protocol header of any version of AMQP. */
function startsLikeProtocolHeader(bytes: Buffer): boolean {
  const length = Math.min(AMQP.length, bytes.length)
  for (let i = 0; i < length; i++) if (bytes[i] !== AMQP[i]) return false
  return true
}
