/**
 * The `waybill` command as a process, for the tests of this folder.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { TestContext } from 'node:test'
import { runProgram, startProgram, type ProgramResult, type RunningProgram } from '../peers/debian-package.ts'

const ROOT = resolve(import.meta.dirname, '../..')
/** What follows the name of the Node.js program. */
export const COMMAND: readonly string[] = ['--import', join(ROOT, 'tools/node-version.mjs'), join(ROOT, 'src/cli/main.ts')]

/** The environment without settings of whoever runs the tests. */
function environment(extra: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !/^WAYBILL_(?!TEST_RUN)/.test(name))
  return { ...Object.fromEntries(own), ...extra }
}

/** Runs the command to its end. */
export async function waybill(
  parameters: readonly string[],
  options: { input?: string | Uint8Array; env?: NodeJS.ProcessEnv; folder?: string } = {},
): Promise<ProgramResult> {
  const { input = '', env = {}, folder = tmpdir() } = options
  return await runProgram(process.execPath, [...COMMAND, ...parameters], { input, env: environment(env), folder, timeoutMs: 60_000 })
}

/** Starts the command. */
export function startWaybillCommand(parameters: readonly string[], env: NodeJS.ProcessEnv = {}): RunningProgram {
  return startProgram(process.execPath, [...COMMAND, ...parameters], { env: environment(env), folder: tmpdir() })
}

/** A server that is ready. */
export interface ReadyServer {
  readonly program: RunningProgram
  readonly url: string
  readonly port: number
}

/** Starts a server on a port that the machine chooses and waits until it is ready; it ends with the test. */
export async function startServer(t: TestContext, parameters: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<ReadyServer> {
  const program = startWaybillCommand(['serve', '--amqp', '0', ...parameters], env)
  t.after(() => program.stop())
  const [, url = '', port = ''] = await program.waitFor(/^ready: (amqp:\/\/127\.0\.0\.1:(\d+))/m, 30_000)
  return { program, url: url.replace('//', '//guest:guest@'), port: Number(port) }
}

/** A folder that goes with the test. */
export function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'waybill-server-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}
