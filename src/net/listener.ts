/**
 * Listeners and the connections they accept: limits before a login, counts, and the end of all of them. Knows no protocol:
 * what a connection speaks is decided by the function given to `listen`.
 *
 *     const network = new Network({ turn, clock, sockets: new NodeSockets() })
 *     const listener = await network.listen({ name: 'amqp', host: '127.0.0.1', port: 5672 }, (connection) => new AmqpSession(connection))
 */
import type { Clock } from '../base/clock.ts'
import { LIMITS } from '../base/limits.ts'
import type { Turn } from '../base/turn.ts'
import { Connection, type ConnectionContext, type ConnectionHandler } from './connection.ts'
import { OutputPool } from './output-pool.ts'
import type { ListeningSocket, SocketAcceptor, Sockets, StreamSocket } from './socket.ts'
import type { TlsSettings } from './tls.ts'

/** Makes the protocol's side of a new connection. */
export type AcceptConnection = (connection: Connection) => ConnectionHandler

/** Where to listen, and how. */
export interface ListenerSettings {
  /** For messages to people: "amqp", "amqps". */
  readonly name: string
  readonly host: string
  readonly port: number
  readonly tls?: TlsSettings | undefined
}

/** What a network is made of. */
export interface NetworkOptions {
  readonly turn: Turn
  readonly clock: Clock
  readonly sockets: Sockets
  /** @default LIMITS.connectionsMaxDefault */
  readonly connectionsMax?: number
  /** @default LIMITS.handshakeTimeoutMs */
  readonly handshakeTimeoutMs?: number
  /** Told what happened to connections that never got as far as a protocol. */
  readonly observer?: NetworkObserver
}

/** For the log. Never throws. */
export interface NetworkObserver {
  /** A connection was turned away because of a limit. */
  connectionRefused(listener: string, reason: 'connections' | 'handshakes'): void
  /** A connection failed before it was accepted (TLS handshake), or accepting failed for a while. */
  acceptFailed(listener: string, error: Error, remoteAddress: string | undefined): void
}

/** A place where connections are accepted. */
export class Listener {
  readonly name: string
  readonly secure: boolean
  readonly #socket: ListeningSocket

  constructor(settings: ListenerSettings, socket: ListeningSocket) {
    this.name = settings.name
    this.secure = settings.tls !== undefined
    this.#socket = socket
  }

  get host(): string {
    return this.#socket.host
  }

  /** The port it listens on: the one that the machine chose when 0 was asked for. */
  get port(): number {
    return this.#socket.port
  }

  /** New connections use these certificates; those that are open keep theirs. */
  useTls(settings: TlsSettings): void {
    this.#socket.useTls(settings)
  }

  /** Accepts nothing more. */
  close(): Promise<void> {
    return this.#socket.close()
  }
}

/** All listeners and connections of a server. */
export class Network implements ConnectionContext {
  readonly turn: Turn
  readonly clock: Clock
  readonly pool: OutputPool = new OutputPool()
  readonly handshakeTimeoutMs: number
  readonly connectionsMax: number
  readonly #sockets: Sockets
  readonly #observer: NetworkObserver | undefined
  readonly #listeners: Listener[] = []
  readonly #connections = new Set<Connection>()
  /** Connections that have not logged in, the oldest first. */
  readonly #handshakes = new Set<Connection>()
  readonly #emptyWaiters: (() => void)[] = []
  #nextId = 1

  constructor(options: NetworkOptions) {
    this.turn = options.turn
    this.clock = options.clock
    this.#sockets = options.sockets
    this.#observer = options.observer
    this.connectionsMax = options.connectionsMax ?? LIMITS.connectionsMaxDefault
    this.handshakeTimeoutMs = options.handshakeTimeoutMs ?? LIMITS.handshakeTimeoutMs
  }

  /**
   * Starts accepting connections.
   * @throws ADDRESS_IN_USE, ADDRESS_REFUSED
   */
  async listen(settings: ListenerSettings, accept: AcceptConnection): Promise<Listener> {
    const acceptor: SocketAcceptor = {
      accepted: (socket) => this.#accept(settings.name, socket, accept),
      mayAccept: () => this.#mayAccept(settings.name),
      acceptFailed: (error, remoteAddress) => this.#observer?.acceptFailed(settings.name, error, remoteAddress),
    }
    const listener = new Listener(settings, await this.#sockets.listen(settings, settings.tls, acceptor))
    this.#listeners.push(listener)
    return listener
  }

  get listeners(): readonly Listener[] {
    return this.#listeners
  }

  get connectionCount(): number {
    return this.#connections.size
  }

  /** Connections that have not logged in. */
  get handshakeCount(): number {
    return this.#handshakes.size
  }

  /** Every connection that is not gone yet. */
  connections(): Iterable<Connection> {
    return this.#connections
  }

  /** Stops accepting on all listeners; connections live on. */
  async stopListening(): Promise<void> {
    await Promise.all(this.#listeners.map((listener) => listener.close()))
  }

  /** Resolves when the last connection is gone. */
  async empty(): Promise<void> {
    if (this.#connections.size === 0) return
    await new Promise<void>((resolve) => this.#emptyWaiters.push(resolve))
  }

  /** Ends every connection at once. */
  destroyConnections(): void {
    for (const connection of this.#connections) connection.destroy()
  }

  #mayAccept(listener: string): boolean {
    if (this.#connections.size < this.connectionsMax) return true
    this.#observer?.connectionRefused(listener, 'connections')
    return false
  }

  #accept(listener: string, socket: StreamSocket, accept: AcceptConnection): void {
    const connection = new Connection(this.#nextId++, socket, this)
    this.#connections.add(connection)
    this.#handshakes.add(connection)
    if (this.#handshakes.size > LIMITS.handshakesMax) this.#endOldestHandshake(listener)
    connection.start(accept(connection))
  }

  #endOldestHandshake(listener: string): void {
    for (const oldest of this.#handshakes) {
      this.#handshakes.delete(oldest)
      this.#observer?.connectionRefused(listener, 'handshakes')
      oldest.destroy()
      return
    }
  }

  /** Called by a connection whose login is done. */
  connectionEstablished(connection: Connection): void {
    this.#handshakes.delete(connection)
  }

  /** Called by a connection that is gone. */
  connectionClosed(connection: Connection): void {
    this.#handshakes.delete(connection)
    this.#connections.delete(connection)
    if (this.#connections.size > 0) return
    for (const resolve of this.#emptyWaiters.splice(0)) resolve()
  }
}
