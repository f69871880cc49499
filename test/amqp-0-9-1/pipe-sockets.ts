/**
 * Sockets in memory for tests of a protocol: what the client writes reaches the server in the pieces that the test wants, and each piece is
 * overwritten once the server has returned, so that nothing can be kept of it unnoticed.
 */
import { Duplex } from 'node:stream'
import type { Clock } from '../../src/base/clock.ts'
import type { ListeningSocket, SocketAcceptor, SocketAddress, SocketHandler, Sockets, StreamSocket } from '../../src/net/socket.ts'

/** Cuts what the client wrote into the pieces that the server gets. */
export type Cut = (bytes: Buffer) => Buffer[]

const GARBAGE = 0xee

/** The network in memory: one listener. */
export class PipeSockets implements Sockets {
  readonly #clock: Clock
  #acceptor: SocketAcceptor | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  listen(address: SocketAddress, _tls: undefined, acceptor: SocketAcceptor): Promise<ListeningSocket> {
    this.#acceptor = acceptor
    return Promise.resolve({ ...address, useTls: () => {}, close: () => Promise.resolve() })
  }

  /** Connects a client. */
  connect(cut: Cut = (bytes) => [bytes]): PipeClient {
    const socket = new PipeSocket(this.#clock, cut)
    this.#clock.setTimer(0, () => this.#acceptor?.accepted(socket))
    return socket.client
  }
}

/** The client's end. */
export class PipeClient extends Duplex {
  readonly #send: (bytes: Buffer) => void
  readonly #gone: () => void
  /** The client reads nothing for now. */
  stalled = false
  #unread: Buffer | undefined
  #taken: (() => void) | undefined

  constructor(send: (bytes: Buffer) => void, gone: () => void) {
    super({ allowHalfOpen: true })
    this.#send = send
    this.#gone = gone
  }

  /** Takes what the server writes. @returns false when `taken` will tell that it was read */
  receive(bytes: Buffer, taken: () => void): boolean {
    if (!this.stalled) {
      this.push(bytes)
      return true
    }
    this.#unread = bytes
    this.#taken = taken
    return false
  }

  /** Reads again. */
  goOn(): void {
    this.stalled = false
    if (this.#unread === undefined) return
    this.push(this.#unread)
    this.#unread = undefined
    this.#taken?.()
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.#send(chunk)
    done()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#gone()
    done(error)
  }
}

/** The server's end. Everything that the client does reaches it in a later turn. */
class PipeSocket implements StreamSocket {
  readonly remoteAddress = '127.0.0.1'
  readonly remotePort = 1
  readonly localAddress = '127.0.0.1'
  readonly localPort = 2
  readonly encryption = undefined
  readonly client: PipeClient
  readonly #clock: Clock
  readonly #pieces: Buffer[] = []
  #handler: SocketHandler | undefined
  #paused = false
  #scheduled = false
  #clientGone = false
  #closed = false

  constructor(clock: Clock, cut: Cut) {
    this.#clock = clock
    const send = (bytes: Buffer): void => {
      this.#pieces.push(...cut(bytes))
      this.#schedule()
    }
    const gone = (): void => {
      this.#clientGone = true
      this.#schedule()
    }
    this.client = new PipeClient(send, gone)
  }

  start(handler: SocketHandler): void {
    this.#handler = handler
    this.#schedule()
  }

  write(buffers: readonly Uint8Array[]): boolean {
    if (this.#clientGone) return true
    return this.client.receive(Buffer.concat(buffers), () => this.#clock.setTimer(0, () => this.#handler?.written()))
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    this.#schedule()
  }

  end(): void {
    this.client.push(null)
    this.#clock.setTimer(0, () => this.#handler?.ended())
  }

  destroy(): void {
    if (this.#closed) return
    this.#closed = true
    this.client.push(null)
    this.#clock.setTimer(0, () => this.#handler?.closed(undefined))
  }

  #schedule(): void {
    if (this.#scheduled || this.#handler === undefined) return
    this.#scheduled = true
    this.#clock.setTimer(0, () => this.#deliver())
  }

  #deliver(): void {
    this.#scheduled = false
    if (this.#closed) return
    if (this.#pieces.length === 0) {
      if (this.#clientGone) {
        this.#closed = true
        this.#handler?.closed(undefined)
      }
      return
    }
    if (this.#paused) return
    const piece = Buffer.from(this.#pieces.shift() as Buffer)
    this.#handler?.received(piece)
    piece.fill(GARBAGE)
    this.#schedule()
  }
}
