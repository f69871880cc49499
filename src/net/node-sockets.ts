/**
 * The network of the machine: Node's TCP and TLS sockets behind the interface of socket.ts.
 *
 * Every error event is handled here. TCP_NODELAY is always set (output is gathered per turn already), and keep-alive finds
 * peers that vanished without a word.
 */
import { createServer, Socket, type OnReadOpts, type Server, type SocketConstructorOpts } from 'node:net'
import type { Server as TlsServer, TLSSocket } from 'node:tls'
import { WaybillError } from '../base/errors.ts'
import { LIMITS } from '../base/limits.ts'
import { formatAddress, plainAddress } from './address.ts'
import type { ListeningSocket, SocketAcceptor, SocketAddress, SocketEncryption, SocketHandler, Sockets, StreamSocket } from './socket.ts'
import { peerCertificateOf, type TlsSettings } from './tls.ts'

/**
 * What every plain socket reads into: a chunk is only borrowed by its receiver, so one buffer serves all. Node's default is a
 * new buffer of 64 KiB for every read, which were an eighth of the server's time in garbage collection.
 */
const INPUT_SIZE_BYTES = 64 * 1024

/** Connections that the operating system holds until they are accepted. */
const BACKLOG = 4096

/** See the head of this file. */
export class NodeSockets implements Sockets {
  async listen(address: SocketAddress, tls: TlsSettings | undefined, acceptor: SocketAcceptor): Promise<ListeningSocket> {
    const server = createServer({
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: LIMITS.keepAliveMs,
      pauseOnConnect: tls === undefined,
    })
    const secure = tls === undefined ? undefined : await createTls(tls, acceptor)
    const listening = new NodeListeningSocket(server, secure, acceptor)
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error) => reject(listenError(address, error)))
      server.listen({ host: address.host, port: address.port, backlog: BACKLOG }, () => resolve())
    })
    server.removeAllListeners('error')
    server.on('error', (error) => acceptor.acceptFailed(error, undefined))
    return listening
  }
}

function listenError(address: SocketAddress, error: NodeJS.ErrnoException): WaybillError {
  const place = formatAddress(address.host, address.port)
  const options = { cause: error }
  if (error.code === 'EADDRINUSE') return new WaybillError('ADDRESS_IN_USE', `the address ${place} is in use by another program`, options)
  if (error.code === 'EACCES')
    return new WaybillError('ADDRESS_REFUSED', `this user may not listen on ${place} (ports below 1024 need a privilege)`, options)
  if (error.code === 'EADDRNOTAVAIL') return new WaybillError('ADDRESS_REFUSED', `${place} is not an address of this machine`, options)
  if (error.code === 'ENOTFOUND' || error.code === 'EAI_AGAIN') {
    return new WaybillError('ADDRESS_REFUSED', `the host name ${address.host} cannot be resolved`, options)
  }
  return new WaybillError('ADDRESS_REFUSED', `cannot listen on ${place}: ${error.message}`, options)
}

/** A TLS server that does not listen itself: accepted sockets are handed to it, so that limits hold before a handshake costs anything. */
async function createTls(settings: TlsSettings, acceptor: SocketAcceptor): Promise<TlsServer> {
  const { createServer: createTlsServer } = await import('node:tls')
  const server = createTlsServer({
    ...contextOptions(settings),
    requestCert: settings.verify !== 'none',
    // A certificate that was asked for and is not valid ends the connection; without one it goes on unless one is required.
    rejectUnauthorized: settings.verify === 'require',
    handshakeTimeout: LIMITS.handshakeTimeoutMs,
  })
  server.on('secureConnection', (socket: TLSSocket) => {
    const shown = settings.verify !== 'none' && Object.keys(socket.getPeerCertificate()).length > 0
    if (shown && !socket.authorized) {
      acceptor.acceptFailed(new Error(`the client's certificate is not valid: ${String(socket.authorizationError)}`), socket.remoteAddress)
      socket.destroy()
      return
    }
    accept(socket, encryptionOf(socket, shown), acceptor)
  })
  server.on('tlsClientError', (error, socket) => {
    acceptor.acceptFailed(error, socket.remoteAddress)
    socket.destroy()
  })
  return server
}

function contextOptions(settings: TlsSettings): object {
  return {
    cert: settings.certificate,
    key: settings.key,
    ...(settings.passphrase === undefined ? {} : { passphrase: settings.passphrase }),
    ...(settings.authority === undefined ? {} : { ca: settings.authority }),
    minVersion: settings.versionMin,
    honorCipherOrder: true,
  }
}

function encryptionOf(socket: TLSSocket, shown: boolean): SocketEncryption {
  return {
    protocol: socket.getProtocol() ?? '',
    cipher: socket.getCipher().name,
    peerCertificate: shown ? peerCertificateOf(socket.getPeerCertificate()) : undefined,
  }
}

function accept(socket: Socket, encryption: SocketEncryption | undefined, acceptor: SocketAcceptor): void {
  // The peer may be gone already: then the addresses are unknown, and there is nobody to serve.
  if (socket.destroyed || socket.remoteAddress === undefined) {
    socket.on('error', ignore)
    socket.destroy()
    return
  }
  acceptor.accepted(new NodeSocket(socket, encryption, undefined))
}

/** Accepts a plain socket, made anew around its handle so that it reads into the shared buffer. */
function acceptPlain(socket: Socket, input: Buffer, acceptor: SocketAcceptor): void {
  const own = socket as Socket & { _handle?: object | null }
  const handle = own._handle
  if (handle === null || handle === undefined || socket.destroyed || socket.remoteAddress === undefined) {
    accept(socket, undefined, acceptor)
    return
  }
  const reader = new InputReader(input)
  // The handle is not part of Node's documented interface, though the option that reads into one's own buffer is; Node offers it for the
  // sockets that connect, and for those that are accepted only in this way.
  own._handle = null
  const onread: OnReadOpts = { buffer: input, callback: reader.read }
  const options = { handle, allowHalfOpen: true, manualStart: true, onread } as unknown as SocketConstructorOpts
  acceptor.accepted(new NodeSocket(new Socket(options), undefined, reader))
}

/**
 * Hands what was read to whoever the socket belongs to. A socket that fills the buffer has more to say: it goes on in the next turn, after
 * the others. The system would read it up to 32 times in a row, and one publisher's two megabytes would come before every acknowledgement
 * and delivery of everybody else (measured: a fifth of the time per message, and most of the latency of the slowest percent).
 */
class InputReader {
  readonly #input: Buffer
  handler: SocketHandler | undefined
  /** Its socket: reading is paused and resumed through this class alone. */
  socket: Socket | undefined
  #paused = false
  #yielded = false

  constructor(input: Buffer) {
    this.#input = input
  }

  readonly read = (sizeBytes: number): boolean => {
    this.handler?.received(this.#input.subarray(0, sizeBytes))
    if (sizeBytes < this.#input.length || this.#paused) return !this.#paused
    this.#yielded = true
    setImmediate(this.#goOn)
    return false
  }

  pause(): void {
    this.#paused = true
    this.socket?.pause()
  }

  resume(): void {
    this.#paused = false
    if (!this.#yielded) this.socket?.resume()
  }

  readonly #goOn = (): void => {
    this.#yielded = false
    if (!this.#paused && this.socket?.destroyed === false) this.socket.resume()
  }
}

function ignore(): void {
  // The error of a socket that nobody uses any more changes nothing.
}

function peerOf(socket: Socket): string {
  return `${String(socket.remoteAddress)} ${String(socket.remotePort)}`
}

class NodeListeningSocket implements ListeningSocket {
  readonly #server: Server
  readonly #tls: TlsServer | undefined
  /** Sockets in a TLS handshake by the address of their peer, the oldest first. */
  readonly #handshakes = new Map<string, Socket>()

  constructor(server: Server, tls: TlsServer | undefined, acceptor: SocketAcceptor) {
    this.#server = server
    this.#tls = tls
    // One buffer for the input of all plain sockets.
    const input = Buffer.allocUnsafeSlow(tls === undefined ? INPUT_SIZE_BYTES : 0)
    server.on('connection', (socket) => {
      if (!acceptor.mayAccept()) {
        socket.on('error', ignore)
        socket.destroy()
      } else if (tls === undefined) {
        acceptPlain(socket, input, acceptor)
      } else {
        this.#beginHandshake(socket)
        tls.emit('connection', socket)
      }
    })
    tls?.on('secureConnection', (socket) => this.#handshakes.delete(peerOf(socket)))
  }

  /** One handshake too many ends the oldest, so that strangers who dawdle cannot lock out users. */
  #beginHandshake(socket: Socket): void {
    socket.on('error', ignore)
    const peer = peerOf(socket)
    this.#handshakes.set(peer, socket)
    socket.once('close', () => {
      if (this.#handshakes.get(peer) === socket) this.#handshakes.delete(peer)
    })
    if (this.#handshakes.size <= LIMITS.tlsHandshakesMax) return
    for (const [oldestPeer, oldest] of this.#handshakes) {
      this.#handshakes.delete(oldestPeer)
      oldest.destroy()
      return
    }
  }

  get host(): string {
    const address = this.#server.address()
    return address !== null && typeof address === 'object' ? address.address : ''
  }

  get port(): number {
    const address = this.#server.address()
    return address !== null && typeof address === 'object' ? address.port : 0
  }

  useTls(settings: TlsSettings): void {
    this.#tls?.setSecureContext(contextOptions(settings))
  }

  async close(): Promise<void> {
    // Resolves when nothing is accepted any more; Node's own callback would wait for every accepted socket too.
    this.#server.close()
  }
}

/** One accepted socket. */
class NodeSocket implements StreamSocket {
  readonly remoteAddress: string
  readonly remotePort: number
  readonly localAddress: string
  readonly localPort: number
  readonly encryption: SocketEncryption | undefined
  readonly #socket: Socket
  #handler: SocketHandler | undefined
  /** Writes that completed at once: their callbacks still come, in order, before that of a write that waits. */
  #completedCount = 0
  #error: Error | undefined
  readonly #reader: InputReader | undefined

  /** @param reader of a socket that reads into the shared buffer */
  constructor(socket: Socket, encryption: SocketEncryption | undefined, reader: InputReader | undefined) {
    this.#socket = socket
    this.#reader = reader
    this.encryption = encryption
    this.remoteAddress = plainAddress(socket.remoteAddress ?? '')
    this.remotePort = socket.remotePort ?? 0
    this.localAddress = plainAddress(socket.localAddress ?? '')
    this.localPort = socket.localPort ?? 0
    socket.on('error', (error) => (this.#error ??= error))
  }

  start(handler: SocketHandler): void {
    this.#handler = handler
    const socket = this.#socket
    socket.on('end', () => handler.ended())
    socket.on('close', () => handler.closed(this.#error))
    if (this.#reader === undefined) {
      socket.on('data', (chunk: Buffer) => handler.received(chunk))
    } else {
      this.#reader.handler = handler
      this.#reader.socket = socket
      this.#reader.resume()
    }
  }

  write(buffers: readonly Uint8Array[]): boolean {
    const socket = this.#socket
    if (socket.destroyed || socket.writableEnded) return true
    const last = buffers.length - 1
    if (last > 0) {
      socket.cork()
      for (let i = 0; i < last; i++) socket.write(buffers[i] as Uint8Array)
      socket.write(buffers[last] as Uint8Array, this.#onWritten)
      socket.uncork()
    } else {
      socket.write(buffers[0] as Uint8Array, this.#onWritten)
    }
    // Node decreases the length at once when the operating system took everything in the call.
    if (socket.writableLength > 0) return false
    this.#completedCount++
    return true
  }

  readonly #onWritten = (error: Error | null | undefined): void => {
    if (this.#completedCount > 0) {
      this.#completedCount--
      return
    }
    // After an error `closed` comes, and ends the wait.
    if (error === null || error === undefined) this.#handler?.written()
  }

  pause(): void {
    if (this.#reader === undefined) this.#socket.pause()
    else this.#reader.pause()
  }

  resume(): void {
    if (this.#reader === undefined) this.#socket.resume()
    else this.#reader.resume()
  }

  end(): void {
    this.#socket.end()
  }

  destroy(): void {
    this.#socket.destroy()
  }
}
