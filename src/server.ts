/**
 * The server: the only place where storage, broker, protocols and network are put together. Settings come in ready to use; how they
 * are written is the command line's matter.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Authentication } from './admin/authentication.ts'
import { GUEST, Users, type User } from './admin/users.ts'
import { SystemClock, type Clock } from './base/clock.ts'
import { WaybillError } from './base/errors.ts'
import { SystemRandom, type Random } from './base/random.ts'
import { Turn } from './base/turn.ts'
import { Broker } from './broker/broker.ts'
import { AMQP_FORM } from './message/amqp-form.ts'
import { MessageForms } from './message/properties.ts'
import { isLoopback } from './net/address.ts'
import { DiskWatch } from './net/disk-watch.ts'
import { FloodLog } from './net/flood-log.ts'
import { Network, type Listener } from './net/listener.ts'
import { MemoryWatch } from './net/memory-watch.ts'
import { Pressure } from './net/pressure.ts'
import { NodeSockets } from './net/node-sockets.ts'
import type { Protocol } from './net/protocol.ts'
import { AmqpServer } from './protocols/amqp-0-9-1/amqp-server.ts'
import type { Sockets } from './net/socket.ts'
import { loadTls, type TlsFiles, type TlsSettings } from './net/tls.ts'
import type { Disk } from './storage/disk.ts'
import { FileDisk } from './storage/file-disk.ts'
import { openStorage } from './storage/file-storage.ts'
import type { RecoveryReport } from './storage/storage.ts'

/** One address to listen on. */
export interface ListenerAddress {
  readonly protocol: 'amqp' | 'amqps'
  readonly host: string
  readonly port: number
}

/** Everything that an operator decides. Sizes in bytes, times in milliseconds. */
export interface ServerSettings {
  readonly listeners: readonly ListenerAddress[]
  readonly tls: TlsFiles | undefined
  readonly users: readonly User[]
  /** guest with the password guest may connect from this machine. */
  readonly guest: boolean
  /** The first is the default. */
  readonly namespaces: readonly string[]
  readonly messageSizeBytesMax: number
  readonly connectionsMax: number
  readonly channelsPerConnectionMax: number
  readonly frameSizeBytesMax: number
  readonly heartbeatMs: number
  readonly handshakeTimeoutMs: number
  readonly memoryMarkSizeBytes: number
  readonly diskFreeMarkSizeBytes: number
  readonly drainMs: number
}

/** What the server tells about itself; pino's logger is one. */
export interface ServerLog {
  info(fields: object, text: string): void
  warn(fields: object, text: string): void
  error(fields: object, text: string): void
}

/** The machine that the server runs on, real or simulated. */
export interface ServerOptions {
  /** What clients are told. */
  readonly version: string
  readonly clock: Clock
  readonly random: Random
  readonly disk: Disk
  readonly sockets: Sockets
  readonly log: ServerLog
  /** Memory that the process needs. */
  readonly usedSizeBytes: () => number
  readonly collectGarbage: () => void
  /** The server cannot go on (the disk refuses writes): everything confirmed is safe, nothing more is confirmed. Called once. */
  readonly failed: (error: WaybillError) => void
}

/** What is left to choose on a real machine. */
export interface MachineOptions {
  /** What clients are told. */
  readonly version: string
  readonly dataFolder: string
  readonly log: ServerLog
  readonly failed: (error: WaybillError) => void
}

/** How long clients may take to answer the last words of the server. */
const LAST_WORDS_MS = 3_000
const DRAIN_LOOK_MS = 10

/**
 * Opens the data, recovers, and starts to listen. When it rejects, nothing is left open.
 * @throws STORAGE_LOCKED, STORAGE_DAMAGED, STORAGE_VERSION, STORAGE_FULL, FOLDER_NOT_WRITABLE, ADDRESS_IN_USE, ADDRESS_REFUSED, CONFIGURATION_INVALID
 */
async function startServer(settings: ServerSettings, options: ServerOptions): Promise<Server> {
  const tls = settings.tls === undefined ? undefined : await loadTls(settings.tls, options.clock.now())
  for (const warning of tls?.warnings ?? []) options.log.warn({}, warning)
  const server = new Server(settings, options, await openBroker(settings, options))
  try {
    await server.listen(tls)
  } catch (error) {
    await server.stop(0)
    throw error
  }
  return server
}

/**
 * Starts a server on this machine's disk, network and clock.
 * @throws as `startServer`
 */
export async function startOnThisMachine(settings: ServerSettings, { version, dataFolder, log, failed }: MachineOptions): Promise<Server> {
  return startServer(settings, {
    version,
    clock: new SystemClock(),
    random: new SystemRandom(),
    disk: new FileDisk(dataFolder),
    sockets: new NodeSockets(),
    log,
    usedSizeBytes,
    collectGarbage,
    failed,
  })
}

/** The program itself, and what its libraries hold beside V8. */
const PROGRAM_SIZE_BYTES = 64 * 1024 * 1024

/**
 * What is in use, and at most what is resident. The allocator keeps much of what was freed for its next use: it stays resident, is no
 * reason to pause anybody, and would pause publishers for ever.
 */
function usedSizeBytes(): number {
  const { rss, heapTotal, external } = process.memoryUsage()
  return Math.min(rss, heapTotal + external + PROGRAM_SIZE_BYTES)
}

/** Node offers this only by a switch that can be set late. */
function collectGarbage(): void {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as (() => void) | undefined
  collect?.()
}

/** What `openBroker` gives: a broker on recovered storage, and the signals that its observer drives. */
interface OpenedBroker {
  readonly broker: Broker
  readonly turn: Turn
  readonly report: RecoveryReport
  readonly pressure: Pressure
  readonly diskWatch: DiskWatch
}

async function openBroker(settings: ServerSettings, options: ServerOptions): Promise<OpenedBroker> {
  const { clock, random, disk, log } = options
  const pressure = new Pressure()
  const markSizeBytes = settings.diskFreeMarkSizeBytes
  const diskWatch = new DiskWatch({ clock, pressure, markSizeBytes, freeSizeBytes: () => disk.freeSizeBytes() })
  const turn = new Turn(clock)
  try {
    const storage = await openStorage({ disk, clock, random })
    const broker = new Broker({
      storage,
      clock,
      turn,
      random,
      forms: new MessageForms([AMQP_FORM]),
      observer: {
        pressure: (paused, reason) => (reason === 'disk-full' ? diskWatch.full(paused) : pressure.set('unsynced', paused)),
        failed: options.failed,
        readFailed: (error) => log.error({ err: error }, 'a stored message cannot be read; it is set aside and kept'),
      },
    })
    const report = await broker.start()
    for (const name of settings.namespaces) broker.createNamespace(name)
    await diskWatch.start()
    return { broker, turn, report, pressure, diskWatch }
  } catch (error) {
    throw storageError(error, disk.path)
  }
}

/** What the machine says when the data cannot be opened or closed, as an error of ours. */
function storageError(error: unknown, folder: string): unknown {
  if (error instanceof WaybillError) return error
  const code = (error as NodeJS.ErrnoException).code
  const options = { cause: error }
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new WaybillError(
      'STORAGE_FULL',
      `the disk of the data folder ${folder} is full; everything confirmed is on it, but the server cannot write what it needs`,
      options,
    )
  }
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS' || code === 'ENOTDIR') {
    return new WaybillError('FOLDER_NOT_WRITABLE', `the data folder ${folder} cannot be written (${code})`, options)
  }
  if (code !== undefined && (error as NodeJS.ErrnoException).syscall !== undefined) {
    return new WaybillError('STORAGE_FAILED', `the data folder ${folder} cannot be used: ${(error as Error).message}`, options)
  }
  return error
}

/** A running server. */
export class Server {
  readonly broker: Broker
  readonly network: Network
  readonly pressure: Pressure
  /** What was found in the data folder. */
  readonly report: RecoveryReport
  readonly #settings: ServerSettings
  readonly #options: ServerOptions
  readonly #diskWatch: DiskWatch
  readonly #memoryWatch: MemoryWatch
  readonly #amqp: AmqpServer
  readonly #protocols: readonly Protocol[]
  #stopping: Promise<void> | undefined
  #pressureText: string | undefined

  constructor(settings: ServerSettings, options: ServerOptions, opened: OpenedBroker) {
    const { clock, sockets, log, random } = options
    this.#settings = settings
    this.#options = options
    this.broker = opened.broker
    this.report = opened.report
    this.pressure = opened.pressure
    this.#diskWatch = opened.diskWatch
    this.pressure.listen(this)
    const strangers = new FloodLog(clock, (text, fields, count) => log.warn(count === 1 ? fields : { ...fields, count }, text))
    this.network = new Network({
      turn: opened.turn,
      clock,
      sockets,
      connectionsMax: settings.connectionsMax,
      handshakeTimeoutMs: settings.handshakeTimeoutMs,
      observer: {
        connectionRefused: (listener, reason) => strangers.add('a connection was refused because of a limit', { listener, reason }),
        acceptFailed: (listener, error, remoteAddress) =>
          strangers.add('a connection failed before it was accepted', { listener, remoteAddress, reason: error.message }),
      },
    })
    this.#memoryWatch = new MemoryWatch({
      clock,
      pressure: this.pressure,
      markSizeBytes: settings.memoryMarkSizeBytes,
      usedSizeBytes: options.usedSizeBytes,
      collectGarbage: options.collectGarbage,
    })
    const authentication = new Authentication({
      users: new Users(settings.guest ? [GUEST, ...settings.users] : settings.users),
      clock,
      random,
      isLoopback,
      refused: (reason, { remoteAddress }) => strangers.add('a login was refused', { remoteAddress, reason }),
    })
    this.#amqp = new AmqpServer({
      broker: this.broker,
      turn: opened.turn,
      clock,
      random,
      authenticator: authentication,
      authorizer: authentication,
      pressure: this.pressure,
      settings: {
        version: options.version,
        frameSizeBytesMax: settings.frameSizeBytesMax,
        channelsMax: settings.channelsPerConnectionMax,
        heartbeatSeconds: Math.round(settings.heartbeatMs / 1000),
        messageSizeBytesMax: settings.messageSizeBytesMax,
      },
    })
    this.#protocols = [this.#amqp]
  }

  /** Opens every listener. */
  async listen(tls: TlsSettings | undefined): Promise<void> {
    for (const { protocol: name, host, port } of this.#settings.listeners) {
      const settings = { name, host, port, tls: name === 'amqps' ? tls : undefined }
      await this.network.listen(settings, (connection) => this.#amqp.accept(connection))
    }
  }

  get listeners(): readonly Listener[] {
    return this.network.listeners
  }

  /**
   * Reads the certificates again; new connections use them. @returns false when there are none
   * @throws CONFIGURATION_INVALID when they are wrong: then those in use stay
   */
  async reloadCertificates(): Promise<boolean> {
    if (this.#settings.tls === undefined) return false
    const tls = await loadTls(this.#settings.tls, this.#options.clock.now())
    for (const warning of tls.warnings) this.#options.log.warn({}, warning)
    for (const listener of this.listeners) if (listener.secure) listener.useTls(tls)
    return true
  }

  /**
   * Ends in order: accepts nothing new, lets deliveries settle for at most `drainMs`, closes the connections, writes the final checkpoint.
   * @throws when the last writes fail; everything confirmed is safe then too
   */
  stop(drainMs: number = this.#settings.drainMs): Promise<void> {
    this.#stopping ??= this.#stop(drainMs)
    return this.#stopping
  }

  async #stop(drainMs: number): Promise<void> {
    const { log } = this.#options
    await this.network.stopListening()
    for (const protocol of this.#protocols) protocol.drain()
    if (this.#unsettledCount() > 0) {
      log.info({ unsettled: this.#unsettledCount(), drainMs }, 'waiting for deliveries to settle')
      await this.#until(() => this.#unsettledCount() === 0, drainMs)
      if (this.#unsettledCount() > 0)
        log.warn({ unsettled: this.#unsettledCount() }, 'deliveries that are not settled go back to their queues')
    }
    for (const protocol of this.#protocols) protocol.closeConnections('the server is shutting down')
    await this.#until(() => this.network.connectionCount === 0, LAST_WORDS_MS)
    this.network.destroyConnections()
    await this.network.empty()
    this.#memoryWatch.stop()
    this.#diskWatch.stop()
    try {
      await this.broker.close()
    } catch (error) {
      throw storageError(error, this.#options.disk.path)
    }
  }

  #unsettledCount(): number {
    return this.#protocols.reduce((sum, protocol) => sum + protocol.unsettledCount, 0)
  }

  /** Looks again and again whether something holds, for at most so long. */
  async #until(holds: () => boolean, timeoutMs: number): Promise<void> {
    const { clock } = this.#options
    const end = clock.monotonic() + timeoutMs
    while (!holds() && clock.monotonic() < end) await new Promise<void>((resolve) => clock.setTimer(DRAIN_LOOK_MS, resolve))
  }

  /** Called by the pressure signal. */
  pressureChanged(): void {
    const { log } = this.#options
    const text = this.pressure.text
    if (text === this.#pressureText) return
    this.#pressureText = text
    if (text === undefined) log.info({}, 'publishers go on')
    else log.warn({ reason: text }, 'publishers are paused')
  }
}
