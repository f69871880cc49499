/**
 * A private RabbitMQ: the oracle of the differential tests and the peer of the benchmarks.
 *
 *     const rabbit = await startRabbitmq({ version: '4.0' })
 *     // rabbit.host, rabbit.port: AMQP 0-9-1, user guest, password guest, virtual host "/"
 *     await rabbit.stop()
 *
 * `3.10` is the package `rabbitmq-server` of Debian bookworm, installed with apt-get when it is absent and the tests run
 * as root. `4.0` is that of Debian trixie in a folder made with debootstrap (`<cache>/rabbitmq-trixie`, 370 MB, made once in about
 * 40 seconds, see `cacheFolder()`), started with chroot; it needs root.
 *
 * Every instance has its own node name, data, logs, cookie, epmd and ports, all on 127.0.0.1, no plugins, and never touches an
 * instance of the machine. `stop()` ends its processes by their ids and removes its data; they also die with this process.
 * Data and log are under the machine's temporary folder (3.10) or under `run/waybill` of the trixie folder (4.0), or under `folder`.
 */

import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  PeerUnavailable,
  cacheFolder,
  ensureDebianPackages,
  exists,
  runProgram,
  startProgram,
  withLock,
  type ProgramResult,
  type RunningProgram,
} from './debian-package.ts'
import { sparePorts } from './spare-port.ts'

/** The versions that can be started. */
export type RabbitmqVersion = '3.10' | '4.0'

/** A running private RabbitMQ. */
export interface Rabbitmq {
  readonly host: string
  readonly port: number
  /** The exact version the server says it has, such as "3.10.8". */
  readonly version: string
  readonly url: string
  /** The process ids: the server's first. They change with `restart`. */
  pids(): readonly number[]
  /** Where its messages are kept, as seen from outside a chroot: for measuring what it writes. */
  readonly dataFolder: string
  /** Runs `rabbitmqctl` on this instance. */
  ctl(...parameters: readonly string[]): Promise<ProgramResult>
  /** Stops the server (or kills it, as a power cut of the process); its data stays. */
  halt(options?: { readonly kill?: boolean }): Promise<void>
  /** Starts it again after `halt`, on the same data and port. */
  resume(): Promise<void>
  /** `halt` and `resume`. */
  restart(options?: { readonly kill?: boolean }): Promise<void>
  /** Ends all processes and removes the data. */
  stop(): Promise<void>
}

/** What a caller may choose. */
export interface RabbitmqOptions {
  readonly version: RabbitmqVersion
  /** Lines of rabbitmq.conf. */
  readonly configuration?: readonly string[]
  /** Bytes of memory at which publishers are blocked. @default 8 GiB */
  readonly memoryMarkBytes?: number
}

interface Layout {
  /** The folder of the operating system it runs in; empty for this one. */
  readonly root: string
  /** The instance's folder inside `root`. */
  readonly folder: string
}

/**
 * Starts a private RabbitMQ and waits until it accepts connections.
 * @throws PeerUnavailable if this version cannot be had on this machine.
 */
export async function startRabbitmq(options: RabbitmqOptions): Promise<Rabbitmq> {
  const layout = await prepareLayout(options.version)
  const [port = 0, distributionPort = 0, epmdPort = 0] = await sparePorts(3)
  await writeInstance(layout, options)
  const environment = environmentOf(layout, port, distributionPort, epmdPort)
  const run = (program: string, ...parameters: string[]): RunningProgram => {
    const [file, all] = commandIn(layout, program, parameters)
    return startProgram(file, all, { env: environment })
  }
  let epmd = run(await epmdProgram(layout), '-port', String(epmdPort), '-address', '127.0.0.1')
  let server = run('/usr/lib/rabbitmq/bin/rabbitmq-server')
  const ready = async (): Promise<string> => {
    const banner = await server.waitFor(/RabbitMQ (\d+\.\d+\.\d+)[^]*Starting broker\.\.\. completed/, 120_000)
    return banner[1] ?? options.version
  }
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    await server.stop({ signal })
    await epmd.stop({ signal: 'SIGKILL' })
  }
  const version = await ready().catch(async (error: unknown) => {
    await end('SIGKILL')
    throw error
  })
  const halt = async ({ kill = false }: { readonly kill?: boolean } = {}): Promise<void> => {
    await end(kill ? 'SIGKILL' : 'SIGTERM')
  }
  const resume = async (): Promise<void> => {
    epmd = run(await epmdProgram(layout), '-port', String(epmdPort), '-address', '127.0.0.1')
    server = run('/usr/lib/rabbitmq/bin/rabbitmq-server')
    await ready()
  }
  return {
    host: '127.0.0.1',
    port,
    version,
    url: `amqp://guest:guest@127.0.0.1:${port}`,
    dataFolder: join(layout.root, layout.folder),
    pids: () => [server.pid, epmd.pid],
    ctl: async (...parameters) => {
      const [file, all] = commandIn(layout, '/usr/lib/rabbitmq/bin/rabbitmqctl', ['-n', nodeName(epmdPort), ...parameters])
      return await runProgram(file, all, { env: environment, timeoutMs: 60_000 })
    },
    halt,
    resume,
    restart: async (options) => {
      await halt(options)
      await resume()
    },
    stop: async () => {
      await end('SIGTERM')
      await rm(join(layout.root, layout.folder), { recursive: true, force: true })
    },
  }
}

async function prepareLayout(version: RabbitmqVersion): Promise<Layout> {
  if (version === '3.10') {
    await ensureDebianPackages('rabbitmq-server')
    return { root: '', folder: await mkdtemp(join(tmpdir(), 'waybill-rabbitmq-')) }
  }
  const root = await prepareTrixie()
  const parent = join(root, 'run', 'waybill')
  await mkdir(parent, { recursive: true })
  const folder = await mkdtemp(join(parent, 'instance-'))
  return { root, folder: folder.slice(root.length) }
}

async function prepareTrixie(): Promise<string> {
  const root = join(cacheFolder(), 'rabbitmq-trixie')
  if (process.getuid?.() !== 0) throw new PeerUnavailable('RabbitMQ 4.0 of Debian trixie: chroot needs root')
  await withLock('rabbitmq-trixie', async () => {
    if (await exists(join(root, 'usr/lib/rabbitmq/bin/rabbitmq-server'))) return
    await ensureDebianPackages('debootstrap')
    const unfinished = `${root}.unfinished`
    await rm(unfinished, { recursive: true, force: true })
    const result = await runProgram('debootstrap', ['--variant=minbase', '--include=rabbitmq-server', 'trixie', unfinished], {
      timeoutMs: 600_000,
    })
    if (result.code !== 0)
      throw new PeerUnavailable(`RabbitMQ 4.0 of Debian trixie: debootstrap failed: ${result.stdout.trim().split('\n').at(-1) ?? ''}`)
    await rename(unfinished, root)
  })
  return root
}

async function writeInstance(layout: Layout, options: RabbitmqOptions): Promise<void> {
  const folder = join(layout.root, layout.folder)
  await mkdir(join(folder, 'log'), { recursive: true })
  await mkdir(join(folder, 'mnesia'), { recursive: true })
  await writeFile(join(folder, 'plugins'), '[].\n')
  // A chroot has no /proc, so the server cannot see how much memory there is: it is told.
  const memory = `vm_memory_high_watermark.absolute = ${options.memoryMarkBytes ?? 8 * 2 ** 30}`
  await writeFile(join(folder, 'rabbitmq.conf'), [memory, ...(options.configuration ?? []), ''].join('\n'))
}

function nodeName(epmdPort: number): string {
  return `waybill${epmdPort}@localhost`
}

function environmentOf(layout: Layout, port: number, distributionPort: number, epmdPort: number): NodeJS.ProcessEnv {
  const folder = layout.folder
  return {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    LANG: 'C.UTF-8',
    HOME: folder,
    ERL_EPMD_PORT: String(epmdPort),
    ERL_EPMD_ADDRESS: '127.0.0.1',
    RABBITMQ_NODENAME: nodeName(epmdPort),
    RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
    RABBITMQ_NODE_PORT: String(port),
    RABBITMQ_DIST_PORT: String(distributionPort),
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1}',
    RABBITMQ_MNESIA_BASE: `${folder}/mnesia`,
    RABBITMQ_LOG_BASE: `${folder}/log`,
    RABBITMQ_ENABLED_PLUGINS_FILE: `${folder}/plugins`,
    RABBITMQ_CONFIG_FILE: `${folder}/rabbitmq.conf`,
    RABBITMQ_CONF_ENV_FILE: '/dev/null',
  }
}

function commandIn(layout: Layout, program: string, parameters: readonly string[]): [string, readonly string[]] {
  return layout.root === '' ? [program, parameters] : ['chroot', [layout.root, program, ...parameters]]
}

/** Debian's `epmd` is in PATH, or only inside Erlang's own folder, depending on the release. */
async function epmdProgram(layout: Layout): Promise<string> {
  if (await exists(join(layout.root, '/usr/bin/epmd'))) return '/usr/bin/epmd'
  const erlang = '/usr/lib/erlang'
  const runtime = (await readdir(join(layout.root, erlang))).find((name) => name.startsWith('erts-'))
  if (runtime === undefined) throw new PeerUnavailable('Erlang has no epmd')
  return `${erlang}/${runtime}/bin/epmd`
}
