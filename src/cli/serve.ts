/**
 * `waybill serve`: runs a server until it is told to end. Standard output says where it listens and when it is ready; the log goes to
 * standard error.
 */
import { writeSync } from 'node:fs'
import { flushCompileCache } from 'node:module'
import type { Logger } from 'pino'
import { SystemClock } from '../base/clock.ts'
import { WaybillError } from '../base/errors.ts'
import { startOnThisMachine, type Server } from '../server.ts'
import { readConfiguration } from './configuration/read-configuration.ts'
import { serverSettingsOf } from './configuration/server-settings.ts'
import type { FlagValue } from './configuration/source.ts'
import { describeError, EXIT, exitCodeOf } from './exit-codes.ts'
import { createLog } from './log.ts'

/** The flags of the command. */
export interface ServeFlags {
  readonly config?: string
  readonly data?: string
  readonly amqp?: readonly string[]
  readonly amqps?: readonly string[]
  readonly logLevel?: string
  readonly logFormat?: string
}

/**
 * Starts the server; the process then lives until a signal ends it.
 * @throws WaybillError when it cannot start
 */
export async function serve(flags: ServeFlags, version: string): Promise<void> {
  const { configuration, warnings, file } = await readConfiguration({
    file: flags.config,
    environment: process.env,
    flags: flagValues(flags),
    folder: process.cwd(),
  })
  const settings = await serverSettingsOf(configuration)
  const log = createLog(configuration.log.level, configuration.log.format, { write: (text) => void writeAll(2, text) })
  endOnBugs(log)
  const running = new Running(log)
  for (const warning of warnings) log.warn(warning)
  const clock = new SystemClock()
  const startMs = clock.monotonic()
  const server = await startOnThisMachine(settings, {
    version,
    dataFolder: configuration.data,
    log,
    failed: (error) => running.fail(error),
  })
  running.serve(server)
  const startTimeMs = Math.round(clock.monotonic() - startMs)
  const { clean, created, cutSizeBytes, recordCount } = server.report
  log.info({ version, data: configuration.data, file, clean, created, recordCount, cutSizeBytes, startTimeMs }, 'started')
  const exposed = settings.listeners.filter(({ host }) => !/^(127\.|::1$|localhost$)/.test(host))
  if (exposed.length > 0 && settings.users.every((user) => user.loopbackOnly)) {
    log.warn('nobody can log in from another machine: guest cannot, and no other user is configured (see "users" in docs/configuration.md)')
  } else if (exposed.some(({ protocol }) => protocol === 'amqp')) {
    log.warn('passwords cross the network unencrypted on the amqp listeners that other machines reach; use amqps there')
  }
  say(welcome(server, configuration.data, version, settings.guest))
  // A server that is killed would not leave it for the next start.
  flushCompileCache()
}

function flagValues(flags: ServeFlags): FlagValue[] {
  const values: FlagValue[] = []
  const add = (path: readonly string[], flag: string, value: unknown): void => {
    if (value !== undefined) values.push({ path, flag, value })
  }
  const addresses = (list: readonly string[] | undefined): readonly string[] | undefined => list?.filter((address) => address !== 'none')
  add(['data'], '--data', flags.data)
  add(['listeners', 'amqp'], '--amqp', addresses(flags.amqp))
  add(['listeners', 'amqps'], '--amqps', addresses(flags.amqps))
  add(['log', 'level'], '--log-level', flags.logLevel)
  add(['log', 'format'], '--log-format', flags.logFormat)
  return values
}

/** How this program is called: from a checkout, or as the installed package. */
const PROGRAM = import.meta.url.endsWith('.ts') ? 'npm run -s waybill --' : 'npx waybill'

/** What a person sees who started it by hand; programs wait for the last line. */
function welcome(server: Server, dataFolder: string, version: string, guest: boolean): string {
  const addresses = server.listeners.map(({ name, host, port }) => `${name}://${host.includes(':') ? `[${host}]` : host}:${port}`)
  const [first = ''] = addresses
  const lines = [`Waybill ${version}`, `  listens on  ${addresses.join(', ')}`, `  data in     ${dataFolder}`]
  if (guest) {
    lines.push(
      '  user        guest, password guest, from this machine only',
      '  try next    (in another terminal)',
      `    ${PROGRAM} consume --url ${first} --queue hello --declare`,
      `    echo '{"greeting":"hello"}' | ${PROGRAM} publish --url ${first} --key hello`,
    )
  }
  lines.push(`ready: ${addresses.join(', ')}`)
  return `${lines.join('\n')}\n`
}

/**
 * Signals this close together are one: Ctrl-C reaches the server from the terminal, and once more from npm, which passes it on.
 */
const SAME_SIGNAL_MS = 500

/** From start to end: what signals and a failing disk do. */
class Running {
  readonly #log: Logger
  #server: Server | undefined
  #endingSinceMs: number | undefined

  constructor(log: Logger) {
    this.#log = log
    process.on('SIGTERM', () => this.#signal('SIGTERM', 15))
    process.on('SIGINT', () => this.#signal('SIGINT', 2))
    process.on('SIGHUP', () => this.#reload())
  }

  /** The server has started; a signal may have come meanwhile. */
  serve(server: Server): void {
    this.#server = server
    if (this.#endingSinceMs !== undefined) void this.#stop(server)
  }

  #signal(name: string, number: number): void {
    if (this.#endingSinceMs !== undefined) {
      if (performance.now() - this.#endingSinceMs < SAME_SIGNAL_MS) return
      this.#log.warn({ signal: name }, 'ending at once')
      process.exit(128 + number)
    }
    this.#endingSinceMs = performance.now()
    this.#log.info({ signal: name }, 'ending: a second signal ends at once')
    if (this.#server !== undefined) void this.#stop(this.#server)
  }

  async #stop(server: Server): Promise<void> {
    try {
      await server.stop()
    } catch (error) {
      if (error instanceof WaybillError) {
        this.fail(error)
        return
      }
      throw error
    }
    this.#log.info('ended')
    process.exit(EXIT.ok)
  }

  #reload(): void {
    this.#server?.reloadCertificates().then(
      (done) => this.#log.info(done ? 'certificates were read again' : 'there are no certificates to read again'),
      (error: unknown) => this.#log.error(`the certificates in use stay: ${error instanceof Error ? error.message : String(error)}`),
    )
  }

  /** The disk refuses: everything confirmed is on it, nothing more may be confirmed. */
  fail(error: WaybillError): void {
    this.#log.fatal({ err: error }, 'the server cannot go on')
    writeAll(2, describeError(error))
    process.exit(exitCodeOf(error))
  }
}

/** A bug ends the process with its stack; the journal is left as it is, and recovery knows what to do with that. */
function endOnBugs(log: Logger): void {
  process.on('uncaughtException', (error: unknown) => {
    log.fatal({ err: error }, 'a bug ends the server')
    writeAll(2, describeError(error))
    process.exit(EXIT.bug)
  })
}

/** Whoever read our output may be gone (`npm start | head`): the server goes on. */
function say(text: string): void {
  process.stdout.on('error', () => {})
  process.stdout.write(text)
}

/** Writes at once. Standard error may be a pipe that is full, or closed: then the text is lost, never the server. */
function writeAll(descriptor: number, text: string): void {
  try {
    writeSync(descriptor, text)
  } catch {
    // Nowhere is left to say so.
  }
}
