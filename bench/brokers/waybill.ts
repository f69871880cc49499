import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startProgram } from '../../test/peers/debian-package.ts'
import type { RunningProgram } from '../../test/peers/debian-package.ts'
import { sparePort } from '../../test/peers/spare-port.ts'
import type { BrokerKind, RunningBroker } from './broker.ts'

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const READY_TIMEOUT_MS = 120_000

/** This broker from this checkout, as `npm start` runs it; further Node.js options (a profiler's) may be given. */
export const waybill = (nodeOptions: readonly string[]): BrokerKind => ({
  name: 'waybill',
  variants: [{ name: 'waybill', queueArguments: {}, isMain: true }],
  start: async (): Promise<RunningBroker> => {
    const folder = await mkdtemp(join(tmpdir(), 'waybill-bench-'))
    const port = await sparePort()
    const run = async (): Promise<RunningProgram> => {
      const parameters = [...nodeOptions, 'src/cli/main.ts', 'serve', '--amqp', `127.0.0.1:${port}`, '--data', join(folder, 'data')]
      const started = startProgram(process.execPath, parameters, { folder: ROOT })
      try {
        await started.waitFor(/\bready\b/, READY_TIMEOUT_MS)
      } catch (error) {
        await started.stop({ signal: 'SIGKILL' })
        throw error
      }
      return started
    }
    let program = await run()
    return {
      version: 'this checkout',
      target: { host: '127.0.0.1', port, user: 'guest', password: 'guest', virtualHost: '/' },
      pid: () => program.pid,
      halt: async ({ kill }) => await program.stop(kill ? { signal: 'SIGKILL' } : {}),
      resume: async () => {
        program = await run()
      },
      stop: async () => {
        await program.stop()
        await rm(folder, { recursive: true, force: true })
      },
    }
  },
})
