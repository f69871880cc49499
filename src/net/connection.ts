/**
 * One accepted connection: bytes in, bytes out, and its end. Knows no protocol.
 *
 * Output is written in place: `reserveOutput` gives an offset in `connection.output`, the protocol writes there and says with
 * `advanceOutput` how much. Everything that a turn of the event loop produced leaves in one write at its end (PHASE.flush).
 * Buffers come from a pool shared by all connections and go back when written: an idle connection holds none.
 *
 *     const at = connection.reserveOutput(8)
 *     connection.output.writeUInt32BE(1, at)
 *     connection.advanceOutput(4)
 *
 * Nothing here throws into the protocol: writing to a connection that is closed is allowed and does nothing.
 */
import { assert } from '../base/assert.ts'
import type { Clock, Timer } from '../base/clock.ts'
import { LIMITS } from '../base/limits.ts'
import { PHASE, type Turn, type TurnTask } from '../base/turn.ts'
import { OUTPUT_BUFFER_SIZES_BYTES, type OutputPool } from './output-pool.ts'
import type { SocketEncryption, SocketHandler, StreamSocket } from './socket.ts'

/** What a protocol does with a connection. Every call comes from the event loop, never from within a call into the connection. */
export interface ConnectionHandler {
  /** Bytes came. The chunk is borrowed until return. Never called once `close` or `destroy` was called. */
  input(chunk: Buffer): void
  /** `writable` was false and is true again. */
  drained(): void
  /** The connection is gone: exactly once, last. */
  closed(cause: CloseCause): void
}

/** Why a connection ended. */
export type CloseCause =
  /** This side called `close` or `destroy`. */
  | 'closed-here'
  /** The peer ended it. */
  | 'peer-ended'
  /** The network failed: reset, time-out. */
  | 'failed'
  /** `established` was not called in time. */
  | 'handshake-timeout'

/**
 * Where a connection is in its life:
 * handshake -> open (established) -> closing (flushes, waits for the peer's end) -> closed; closing and closed from anywhere.
 */
export type ConnectionState = 'handshake' | 'open' | 'closing' | 'closed'

/** Why input is not read. A connection reads when no reason is left. */
export const PAUSE = {
  /** Publishers wait, because memory or disk is short (see pressure.ts) or because the server ends. */
  publisher: 1,
  /** The protocol waits for something (a login being checked) before it goes on. */
  protocol: 2,
  /** The peer does not read what it asked for. Set and cleared by the connection itself. */
  output: 4,
} as const
export type PauseReason = (typeof PAUSE)[keyof typeof PAUSE]

/** What all connections of a server share. */
export interface ConnectionContext {
  readonly turn: Turn
  readonly clock: Clock
  readonly pool: OutputPool
  readonly handshakeTimeoutMs: number
  /** Told when a connection is established or gone, for counting. */
  connectionEstablished(connection: Connection): void
  connectionClosed(connection: Connection): void
}

const NO_BUFFER = Buffer.alloc(0)

/** See the head of this file. */
export class Connection implements TurnTask, SocketHandler {
  /** Owned by Turn. */
  scheduled = false
  /** The buffer being written; valid from `reserveOutput` to `advanceOutput`. It changes with every `reserveOutput`. */
  output: Buffer = NO_BUFFER

  readonly socket: StreamSocket
  /** A number that no other connection of this server has. */
  readonly id: number
  /** Bytes read since the start: a heartbeat check compares it with what it was. */
  receivedSizeBytes = 0
  /** Bytes handed to the operating system since the start. */
  sentSizeBytes = 0
  /** Writes handed to the operating system since the start. */
  writeCount = 0

  readonly #context: ConnectionContext
  #handler: ConnectionHandler | undefined
  #state: ConnectionState = 'handshake'
  #cause: CloseCause | undefined
  #closedTold = false
  #timer: Timer | undefined
  #pausedFor = 0
  #wasFull = false

  /** Bytes used in `output`. */
  #used = 0
  /** Filled buffers before `output`, with the bytes to send of each. */
  #full: Buffer[] = []
  #fullSizeBytes = 0
  /** Buffers of the write under way: as written (views), and as they came from the pool. */
  #writingSizeBytes = 0
  #writingOwners: Buffer[] = []
  #fullOwners: Buffer[] = []
  #writing = false
  #endSent = false
  /** Size of the first buffer taken next: follows what the last turns needed. */
  #firstSizeBytes: number = OUTPUT_BUFFER_SIZES_BYTES[0]

  constructor(id: number, socket: StreamSocket, context: ConnectionContext) {
    this.id = id
    this.socket = socket
    this.#context = context
  }

  /** Gives the connection its protocol and starts reading. Called once, by the listener. */
  start(handler: ConnectionHandler): void {
    assert(this.#handler === undefined, 'a connection is started once')
    this.#handler = handler
    if (this.#context.handshakeTimeoutMs > 0) {
      this.#timer = this.#context.clock.setTimer(this.#context.handshakeTimeoutMs, () => this.#finish('handshake-timeout'))
    }
    this.socket.start(this)
  }

  get state(): ConnectionState {
    return this.#state
  }

  get remoteAddress(): string {
    return this.socket.remoteAddress
  }

  get remotePort(): number {
    return this.socket.remotePort
  }

  /** Undefined on a plain connection. */
  get encryption(): SocketEncryption | undefined {
    return this.socket.encryption
  }

  /** The login is done: the handshake timeout no longer applies. */
  established(): void {
    if (this.#state !== 'handshake') return
    this.#state = 'open'
    this.#timer?.cancel()
    this.#timer = undefined
    this.#context.connectionEstablished(this)
  }

  // Output.

  /** Bytes that have not been handed over to the operating system: written in this turn, or waiting because the peer reads slowly. */
  get outputSizeBytes(): number {
    return this.#fullSizeBytes + this.#used + this.#writingSizeBytes
  }

  /** False while more than LIMITS.outputSizeBytesMax wait to be sent: deliver nothing more until `drained`. Replies may still be written. */
  get writable(): boolean {
    if (this.#state !== 'handshake' && this.#state !== 'open') return false
    if (this.outputSizeBytes <= LIMITS.outputSizeBytesMax) return true
    this.#wasFull = true
    return false
  }

  /**
   * Makes room for `sizeBytes` in `output`. Hot: no allocation while the buffer has room.
   * @returns the offset in `output` to write at
   */
  reserveOutput(sizeBytes: number): number {
    const used = this.#used
    if (used + sizeBytes <= this.output.length) return used
    return this.#takeBuffer(sizeBytes)
  }

  /** Says that `sizeBytes` (at most what was reserved) were written at the reserved offset. They leave at the end of the turn. */
  advanceOutput(sizeBytes: number): void {
    this.#used += sizeBytes
    if (!this.scheduled) this.#context.turn.schedule(this, PHASE.flush)
  }

  /** Sends a copy of `bytes`. For what is prepared elsewhere (greetings, rare replies); borrowed until return. */
  send(bytes: Uint8Array): void {
    const at = this.reserveOutput(bytes.length)
    this.output.set(bytes, at)
    this.advanceOutput(bytes.length)
  }

  #takeBuffer(sizeBytes: number): number {
    const pool = this.#context.pool
    if (this.#used > 0) {
      this.#full.push(this.output.subarray(0, this.#used))
      this.#fullOwners.push(this.output)
      this.#fullSizeBytes += this.#used
      this.#firstSizeBytes = nextSizeBytes(this.output.length)
    } else if (this.output.length > 0) {
      pool.give(this.output)
    }
    this.output = pool.take(Math.max(sizeBytes, this.#firstSizeBytes))
    this.#used = 0
    return 0
  }

  /** Called by Turn: everything written in this turn leaves in one write, unless one is under way (then it follows by itself). */
  runAtTurnEnd(): void {
    if (this.#state === 'closed') return this.#dropOutput()
    if (this.#writing) return this.#checkMarks()
    const sizeBytes = this.#fullSizeBytes + this.#used
    if (sizeBytes > 0) this.#write(sizeBytes)
    else this.#dropOutput()
    if (this.#state === 'closing' && !this.#writing && !this.#endSent) {
      this.#endSent = true
      this.socket.end()
    }
    this.#checkMarks()
  }

  #write(sizeBytes: number): void {
    const buffers = this.#full
    const owners = this.#fullOwners
    if (buffers.length === 0) this.#adaptFirstSize(sizeBytes)
    if (this.#used > 0) {
      buffers.push(this.output.subarray(0, this.#used))
      owners.push(this.output)
    } else if (this.output.length > 0) {
      this.#context.pool.give(this.output)
    }
    this.output = NO_BUFFER
    this.#used = 0
    this.#fullSizeBytes = 0
    this.sentSizeBytes += sizeBytes
    this.writeCount++
    if (this.socket.write(buffers)) {
      this.#giveBack(owners)
      buffers.length = 0
      return
    }
    this.#writing = true
    this.#writingSizeBytes = sizeBytes
    this.#fullOwners = this.#writingOwners
    this.#writingOwners = owners
    // The array was handed to the socket; the next turn needs its own.
    this.#full = []
  }

  /** A buffer that was used to less than a sixteenth is larger than needed: the next one is a size smaller. */
  #adaptFirstSize(sizeBytes: number): void {
    if (this.#firstSizeBytes > OUTPUT_BUFFER_SIZES_BYTES[0] && sizeBytes * 16 < this.#firstSizeBytes)
      this.#firstSizeBytes = this.#firstSizeBytes >> 2
  }

  #giveBack(owners: Buffer[]): void {
    for (let i = 0; i < owners.length; i++) this.#context.pool.give(owners[i] as Buffer)
    owners.length = 0
  }

  #dropOutput(): void {
    this.#giveBack(this.#fullOwners)
    this.#full.length = 0
    this.#fullSizeBytes = 0
    if (this.output.length > 0) this.#context.pool.give(this.output)
    this.output = NO_BUFFER
    this.#used = 0
  }

  /** Compares what waits with the marks: pauses a peer that asks without reading, tells the protocol when there is room again. */
  #checkMarks(): void {
    const sizeBytes = this.outputSizeBytes
    if (sizeBytes > LIMITS.outputSizeBytesPauseInput) this.pauseInput(PAUSE.output)
    else if ((this.#pausedFor & PAUSE.output) !== 0 && sizeBytes <= LIMITS.outputSizeBytesMax) this.resumeInput(PAUSE.output)
    if (this.#wasFull && sizeBytes <= LIMITS.outputSizeBytesMax / 2) {
      this.#wasFull = false
      if (this.#state === 'handshake' || this.#state === 'open') this.#handler?.drained()
    }
  }

  // Input.

  /** Stops reading for a reason; the peer's writes stall once the buffers of the machine are full. */
  pauseInput(reason: PauseReason): void {
    const before = this.#pausedFor
    this.#pausedFor = before | reason
    if (before === 0 && (this.#state === 'handshake' || this.#state === 'open')) this.socket.pause()
  }

  /** Takes a reason away; reading goes on when none is left. */
  resumeInput(reason: PauseReason): void {
    const before = this.#pausedFor
    this.#pausedFor = before & ~reason
    if (before !== 0 && this.#pausedFor === 0 && (this.#state === 'handshake' || this.#state === 'open')) this.socket.resume()
  }

  /** The reasons input is paused for, as bits of PAUSE. */
  get pausedFor(): number {
    return this.#pausedFor
  }

  // The end.

  /**
   * Ends in order: what was written is sent, then the end of the stream; the peer has LIMITS.closeTimeoutMs to end too, then the
   * socket is destroyed. Input is read and dropped meanwhile, because closing with unread input would reset the connection
   * and lose the last frames on their way.
   */
  close(): void {
    this.#beginClose('closed-here')
  }

  /** Ends at once; what was not sent is lost. */
  destroy(): void {
    this.#finish('closed-here')
  }

  #beginClose(cause: CloseCause): void {
    if (this.#state === 'closing' || this.#state === 'closed') return
    this.#state = 'closing'
    this.#cause ??= cause
    this.#timer?.cancel()
    this.#timer = this.#context.clock.setTimer(LIMITS.closeTimeoutMs, () => this.#finish(cause))
    if (this.#pausedFor !== 0) this.socket.resume()
    this.#context.turn.schedule(this, PHASE.flush)
  }

  #finish(cause: CloseCause): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#cause ??= cause
    this.#timer?.cancel()
    this.#timer = undefined
    this.socket.destroy()
  }

  #tellClosed(cause: CloseCause): void {
    if (this.#closedTold) return
    this.#closedTold = true
    this.#handler?.closed(this.#cause ?? cause)
  }

  // Called by the socket.

  received(chunk: Buffer): void {
    this.receivedSizeBytes += chunk.length
    if (this.#state === 'closing' || this.#state === 'closed') return
    this.#context.turn.begin()
    this.#handler?.input(chunk)
  }

  written(): void {
    this.#writing = false
    this.#writingSizeBytes = 0
    this.#giveBack(this.#writingOwners)
    if (this.#fullSizeBytes + this.#used > 0 || this.#state === 'closing') this.#context.turn.schedule(this, PHASE.flush)
    this.#checkMarks()
  }

  /** The peer is gone: tell the protocol now, send what it has written already, and end. */
  ended(): void {
    this.#context.turn.begin()
    this.#beginClose('peer-ended')
    this.#tellClosed('peer-ended')
  }

  closed(error: Error | undefined): void {
    this.#context.turn.begin()
    this.#state = 'closed'
    this.#timer?.cancel()
    this.#timer = undefined
    this.#writing = false
    this.#writingSizeBytes = 0
    // The operating system may still read the buffers of a write that was cut off: they are not used again.
    this.#writingOwners.length = 0
    this.#dropOutput()
    this.#context.connectionClosed(this)
    this.#tellClosed(error === undefined ? 'peer-ended' : 'failed')
  }
}

function nextSizeBytes(sizeBytes: number): number {
  for (const size of OUTPUT_BUFFER_SIZES_BYTES) if (size > sizeBytes) return size
  return OUTPUT_BUFFER_SIZES_BYTES[OUTPUT_BUFFER_SIZES_BYTES.length - 1] as number
}
