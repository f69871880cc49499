/**
 * A network on real sockets for the tests of this folder: listens on a spare loopback port and keeps what happened.
 */
import { connect, type Socket } from 'node:net'
import { SystemClock } from '../../src/base/clock.ts'
import { Turn } from '../../src/base/turn.ts'
import type { CloseCause, Connection, ConnectionHandler } from '../../src/net/connection.ts'
import { Network, type Listener, type NetworkOptions } from '../../src/net/listener.ts'
import { NodeSockets } from '../../src/net/node-sockets.ts'
import type { TlsSettings } from '../../src/net/tls.ts'

/** What one connection saw. `answer` decides what it does with input. */
export class Peer implements ConnectionHandler {
  readonly connection: Connection
  readonly #answer: (peer: Peer, chunk: Buffer) => void
  cause: CloseCause | undefined
  drainedCount = 0
  receivedSizeBytes = 0

  constructor(connection: Connection, answer: (peer: Peer, chunk: Buffer) => void) {
    this.connection = connection
    this.#answer = answer
  }

  input(chunk: Buffer): void {
    this.receivedSizeBytes += chunk.length
    this.#answer(this, chunk)
  }

  drained(): void {
    this.drainedCount++
  }

  closed(cause: CloseCause): void {
    this.cause = cause
  }
}

/** A listening network and everything that connected to it. */
export interface World extends AsyncDisposable {
  readonly network: Network
  readonly listener: Listener
  readonly peers: Peer[]
  readonly refused: string[]
  readonly failures: Error[]
  connect(): Promise<Socket>
}

/** Starts listening on a spare port. */
export async function listen(
  answer: (peer: Peer, chunk: Buffer) => void,
  options: Partial<NetworkOptions> = {},
  tls?: TlsSettings,
): Promise<World> {
  const clock = new SystemClock()
  const refused: string[] = []
  const failures: Error[] = []
  const network = new Network({
    clock,
    turn: new Turn(clock),
    sockets: new NodeSockets(),
    observer: {
      connectionRefused: (_listener, reason) => refused.push(reason),
      acceptFailed: (_listener, error) => failures.push(error),
    },
    ...options,
  })
  const peers: Peer[] = []
  const listener = await network.listen({ name: 'test', host: '127.0.0.1', port: 0, tls }, (connection) => {
    const peer = new Peer(connection, answer)
    peers.push(peer)
    return peer
  })
  const sockets: Socket[] = []
  return {
    network,
    listener,
    peers,
    refused,
    failures,
    connect: async () => {
      const socket = connect({ host: '127.0.0.1', port: listener.port, allowHalfOpen: true })
      sockets.push(socket)
      socket.on('error', () => {})
      await new Promise<void>((resolve) => socket.once('connect', resolve))
      return socket
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      await network.stopListening()
      network.destroyConnections()
      await network.empty()
    },
  }
}

/** Resolves once `condition` holds; looks again whenever the event loop comes round, for at most ten seconds. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const start = performance.now()
  while (!condition()) {
    if (performance.now() - start > 10_000) throw new Error(`not within ten seconds: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}
