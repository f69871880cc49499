import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runProgram, startProgram } from '../../test/peers/debian-package.ts'
import type { RunningProgram } from '../../test/peers/debian-package.ts'
import { sparePort } from '../../test/peers/spare-port.ts'
import type { BrokerKind, RunningBroker } from './broker.ts'

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const READY_TIMEOUT_MS = 120_000

/** How this broker is run. */
export interface WaybillOptions {
  /** Runs the TypeScript as it is, as `npm start` does, instead of the JavaScript of the published package. */
  readonly fromSource: boolean
  /** Further options of Node.js, a profiler's for example. */
  readonly nodeOptions: readonly string[]
}

/** Compiles this checkout into a folder of its own, as the published package has it; the folder goes away with this process. */
const build = async (): Promise<string> => {
  const folder = mkdtempSync(join(tmpdir(), 'waybill-bench-build-'))
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
  const compiler = join(ROOT, 'node_modules/typescript/bin/tsc')
  const result = await runProgram(process.execPath, [
    compiler,
    '--project',
    join(ROOT, 'tsconfig.build.json'),
    '--outDir',
    join(folder, 'dist'),
  ])
  if (result.code !== 0) throw new Error(`this checkout does not compile: ${result.stdout.split('\n')[0] ?? ''}`)
  cpSync(join(ROOT, 'package.json'), join(folder, 'package.json'))
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  return folder
}

/** This broker, from this checkout. */
export const waybill = (options: WaybillOptions): BrokerKind => {
  let built: Promise<string> | undefined
  const programOf = async (): Promise<string> => {
    if (options.fromSource) return join(ROOT, 'src/cli/main.ts')
    built ??= build()
    return join(await built, 'dist/cli/main.js')
  }
  return {
    name: 'waybill',
    variants: [{ name: 'waybill', queueArguments: {}, isMain: true }],
    start: async (): Promise<RunningBroker> => {
      const main = await programOf()
      const folder = await mkdtemp(join(tmpdir(), 'waybill-bench-'))
      const port = await sparePort()
      const run = async (): Promise<RunningProgram> => {
        const parameters = [...options.nodeOptions, main, 'serve', '--amqp', `127.0.0.1:${port}`, '--data', join(folder, 'data')]
        const started = startProgram(process.execPath, parameters, { folder })
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
        version: options.fromSource ? 'this checkout, its TypeScript as it is' : 'this checkout, built',
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
  }
}
