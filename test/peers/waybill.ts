/**
 * A Waybill of its own for a test: the real server process on a spare port, with its data in a temporary folder.
 */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startProgram } from './debian-package.ts'
import { sparePort } from './spare-port.ts'

/** A running Waybill. */
export interface Waybill {
  readonly host: string
  readonly port: number
  readonly url: string
  readonly dataFolder: string
  pid(): number
  /** Everything the server printed since it was last started. */
  output(): string
  /** Stops the server (or kills it), and starts it on the same data and port. */
  restart(options?: { readonly kill?: boolean }): Promise<void>
  /** Stops the server and removes its data. */
  stop(): Promise<void>
}

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))

/** Starts a Waybill and waits until it is ready. */
export async function startWaybill(): Promise<Waybill> {
  const dataFolder = await mkdtemp(join(tmpdir(), 'waybill-test-'))
  const port = await sparePort()
  const start = () => startProgram(process.execPath, [MAIN, 'serve', '--amqp', `127.0.0.1:${port}`, '--data', dataFolder])
  let server = start()
  await server.waitFor(/\bready\b/, 60_000)
  return {
    host: '127.0.0.1',
    port,
    url: `amqp://guest:guest@127.0.0.1:${port}`,
    dataFolder,
    pid: () => server.pid,
    output: () => server.output(),
    restart: async ({ kill = false } = {}) => {
      await server.stop({ signal: kill ? 'SIGKILL' : 'SIGTERM' })
      server = start()
      await server.waitFor(/\bready\b/, 60_000)
    },
    stop: async () => {
      await server.stop()
      await rm(dataFolder, { recursive: true, force: true })
    },
  }
}
