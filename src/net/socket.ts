/**
 * Sockets as a parameter: what the server needs of a byte stream and of something that accepts byte streams.
 * `node-sockets.ts` is the machine's TCP and TLS; the simulator has its own. No call throws, and no call answers by calling back
 * before it has returned.
 */
import type { PeerCertificate } from './peer-certificate.ts'
import type { TlsSettings } from './tls.ts'

/** What is known of the encryption of a socket. */
export interface SocketEncryption {
  readonly protocol: string
  readonly cipher: string
  /** Present only when the peer sent a certificate that the configured authorities signed. */
  readonly peerCertificate: PeerCertificate | undefined
}

/** What a socket tells its owner. Everything comes from the event loop, never from within a call into the socket. */
export interface SocketHandler {
  /** Bytes came. The chunk is borrowed until return. */
  received(chunk: Buffer): void
  /** The write that answered false has left: its buffers belong to the writer again, and the next write is allowed. */
  written(): void
  /** The peer will send nothing more. */
  ended(): void
  /** Everything is over. Comes exactly once, last. `error` is what ended it when it did not end in order. */
  closed(error: Error | undefined): void
}

/** A connected stream of bytes. */
export interface StreamSocket {
  readonly remoteAddress: string
  readonly remotePort: number
  readonly localAddress: string
  readonly localPort: number
  /** Undefined on a plain socket. */
  readonly encryption: SocketEncryption | undefined

  /** From now on the callbacks come. Nothing is read before. */
  start(handler: SocketHandler): void
  /**
   * Writes the buffers one after the other, as one write. One write at a time.
   * @returns true when the operating system has taken everything already (the buffers are free again, `written` does not come);
   * false when `written` (or `closed`) will tell
   */
  write(buffers: readonly Uint8Array[]): boolean
  /** Stops and continues reading. */
  pause(): void
  resume(): void
  /** Sends the end of the stream after what was written. */
  end(): void
  /** Closes at once; what was not sent is lost. */
  destroy(): void
}

/** Where to listen. */
export interface SocketAddress {
  readonly host: string
  /** 0 lets the machine choose. */
  readonly port: number
}

/** What a listening socket tells its owner. */
export interface SocketAcceptor {
  /** A peer has connected (and finished the TLS handshake). The acceptor owns the socket. */
  accepted(socket: StreamSocket): void
  /** May one more be accepted? Asked before any work (a TLS handshake) is done for it. */
  mayAccept(): boolean
  /** A connection failed before it was accepted, or accepting itself failed for a while (too many open files). */
  acceptFailed(error: Error, remoteAddress: string | undefined): void
}

/** A socket that accepts others. */
export interface ListeningSocket {
  readonly host: string
  readonly port: number
  /** New connections use these certificates. Only for a listener that was opened with some. */
  useTls(settings: TlsSettings): void
  /** Accepts nothing more; accepted sockets live on. */
  close(): Promise<void>
}

/** The network of the machine, or a simulated one. */
export interface Sockets {
  /**
   * Starts accepting.
   * @throws ADDRESS_IN_USE, CONFIGURATION_INVALID (no such address here, port not permitted)
   */
  listen(address: SocketAddress, tls: TlsSettings | undefined, acceptor: SocketAcceptor): Promise<ListeningSocket>
}
