/**
 * Debian packages that a test needs from the system: installed on demand, without letting a package's service start.
 *
 * On a machine that is not Debian, or where the tests do not run as root, a missing package is a `PeerUnavailable`:
 * the test that needs it says so and is skipped.
 */

import { execFile, spawn } from 'node:child_process'
import { constants } from 'node:fs'
import { access, chmod, mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

/** Something outside the project that a test needs cannot be had on this machine; the text says what and why. */
export class PeerUnavailable extends Error {
  override readonly name = 'PeerUnavailable'
}

/** What a finished program said. */
export interface ProgramResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs a program to its end; never rejects for a non-zero exit code. */
export async function runProgram(
  file: string,
  parameters: readonly string[],
  options: {
    readonly env?: NodeJS.ProcessEnv
    readonly folder?: string
    readonly input?: Uint8Array | string
    readonly timeoutMs?: number
  } = {},
): Promise<ProgramResult> {
  return await new Promise((resolve) => {
    const child = execFile(
      file,
      parameters,
      {
        encoding: 'utf8',
        maxBuffer: 64 << 20,
        timeout: options.timeoutMs ?? 0,
        ...(options.env === undefined ? {} : { env: options.env }),
        ...(options.folder === undefined ? {} : { cwd: options.folder }),
      },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 127
        resolve({ code, stdout, stderr: stderr === '' && error !== null ? error.message : stderr })
      },
    )
    child.stdin?.on('error', () => undefined)
    child.stdin?.end(options.input)
  })
}

/** True if the program is found in PATH. */
export async function hasProgram(name: string): Promise<boolean> {
  for (const folder of (process.env['PATH'] ?? '').split(':')) {
    if (folder !== '' && (await exists(join(folder, name), constants.X_OK))) return true
  }
  return false
}

/** True if the path exists. */
export async function exists(path: string, mode: number = constants.F_OK): Promise<boolean> {
  return await access(path, mode).then(
    () => true,
    () => false,
  )
}

/** The folder in which the tests keep what is expensive to fetch; it is outside the project and survives a run. */
export function cacheFolder(): string {
  const base = process.env['XDG_CACHE_HOME']
  return base === undefined || base === '' ? join(tmpdir(), 'waybill-cache') : join(base, 'waybill')
}

/**
 * Runs `work` while holding a lock that other processes of this machine respect.
 * A lock whose owner is gone is taken over.
 */
export async function withLock<T>(name: string, work: () => Promise<T>): Promise<T> {
  const folder = cacheFolder()
  await mkdir(folder, { recursive: true })
  const path = join(folder, `${name}.lock`)
  const deadlineMs = Date.now() + 15 * 60_000
  while (!(await tryLock(path))) {
    if (Date.now() > deadlineMs) throw new PeerUnavailable(`the lock ${path} was not released in time`)
    await delay(250)
  }
  try {
    return await work()
  } finally {
    await rm(path, { recursive: true, force: true })
  }
}

async function tryLock(path: string): Promise<boolean> {
  try {
    await mkdir(path)
    await writeFile(join(path, 'pid'), String(process.pid))
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  const owner = await runProgram('cat', [join(path, 'pid')])
  const pid = Number(owner.stdout)
  if (owner.code === 0 && pid > 0 && !isAlive(pid)) await rm(path, { recursive: true, force: true })
  return false
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/**
 * Makes sure that Debian packages are installed.
 * @throws PeerUnavailable if they are absent and cannot be installed here.
 */
export async function ensureDebianPackages(...names: readonly string[]): Promise<void> {
  const missing: string[] = []
  for (const name of names) {
    const state = await runProgram('dpkg-query', ['-W', '-f', '${db:Status-Status}', name])
    if (state.code !== 0 || state.stdout !== 'installed') missing.push(name)
  }
  if (missing.length === 0) return
  const list = missing.join(' ')
  if (!(await hasProgram('apt-get'))) throw new PeerUnavailable(`${list}: not installed, and this machine has no apt-get`)
  if (process.getuid?.() !== 0)
    throw new PeerUnavailable(`${list}: not installed; install with "apt-get install ${list}" or run the tests as root`)
  await withLock('apt', async () => {
    await withoutServiceStart(async () => {
      // The package lists of a fresh machine may be absent or old, so a first failure is answered with an update.
      let result = await aptGet('install', '-y', '--no-install-recommends', ...missing)
      if (result.code !== 0) {
        await aptGet('update')
        result = await aptGet('install', '-y', '--no-install-recommends', ...missing)
      }
      if (result.code !== 0)
        throw new PeerUnavailable(`${list}: apt-get could not install: ${result.stderr.trim().split('\n').at(-1) ?? ''}`)
    })
  })
}

async function aptGet(...parameters: readonly string[]): Promise<ProgramResult> {
  return await runProgram('apt-get', ['-q', ...parameters], {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    timeoutMs: 300_000,
  })
}

const POLICY = '/usr/sbin/policy-rc.d'

/** Debian asks this program before a package starts its service; 101 means "not now". */
async function withoutServiceStart(work: () => Promise<void>): Promise<void> {
  const saved = `${POLICY}.before-waybill`
  const hadPolicy = await exists(POLICY)
  if (hadPolicy) await rename(POLICY, saved)
  try {
    await writeFile(POLICY, '#!/bin/sh\nexit 101\n')
    await chmod(POLICY, 0o755)
    await work()
  } finally {
    await rm(POLICY, { force: true })
    if (hadPolicy) await rename(saved, POLICY)
  }
}

/** A program that runs beside the test, and what it printed so far. */
export interface RunningProgram {
  readonly pid: number
  /** Everything printed to both outputs. */
  output(): string
  /** Resolves when the output matches; rejects when the program ends first or the time is over. */
  waitFor(pattern: RegExp, timeoutMs: number): Promise<RegExpMatchArray>
  /** Resolves with the exit code (or the name of the signal) when the program has ended. */
  readonly ended: Promise<number | string>
  /** Asks the program to end, ends its whole process group if it does not, and waits for that. */
  stop(options?: { readonly signal?: NodeJS.Signals; readonly graceMs?: number }): Promise<void>
}

const running = new Set<number>()
let exitHookInstalled = false

/** Starts a program in its own process group, which dies with this process at the latest. */
export function startProgram(
  file: string,
  parameters: readonly string[],
  options: { readonly env?: NodeJS.ProcessEnv; readonly folder?: string } = {},
): RunningProgram {
  const child = spawn(file, parameters, {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(options.env === undefined ? {} : { env: options.env }),
    ...(options.folder === undefined ? {} : { cwd: options.folder }),
  })
  let text = ''
  let finished: number | string | undefined
  const watchers = new Set<() => void>()
  const changed = (): void => {
    for (const watcher of watchers) watcher()
  }
  const take = (chunk: Buffer): void => {
    text += chunk.toString('utf8')
    if (text.length > 1 << 20) text = text.slice(-(1 << 19))
    changed()
  }
  child.stdout.on('data', take)
  child.stderr.on('data', take)
  const pid = child.pid ?? 0
  if (pid > 0) remember(pid)
  const ended = new Promise<number | string>((resolve) => {
    const finish = (result: number | string): void => {
      finished = result
      running.delete(pid)
      resolve(result)
      changed()
    }
    child.on('error', (error) => finish(error.message))
    child.on('exit', (code, signal) => finish(code ?? signal ?? 0))
  })
  return {
    pid,
    ended,
    output: () => text,
    waitFor: async (pattern, timeoutMs) =>
      await new Promise((resolve, reject) => {
        const timer = setTimeout(
          () => settle(new Error(`${file} did not print ${pattern} in ${timeoutMs} ms; it printed:\n${text}`)),
          timeoutMs,
        )
        const settle = (outcome: Error | RegExpMatchArray): void => {
          clearTimeout(timer)
          watchers.delete(check)
          if (outcome instanceof Error) reject(outcome)
          else resolve(outcome)
        }
        const check = (): void => {
          const match = text.match(pattern)
          if (match !== null) settle(match)
          else if (finished !== undefined)
            settle(new Error(`${file} ended (${finished}) before it printed ${pattern}; it printed:\n${text}`))
        }
        watchers.add(check)
        check()
      }),
    stop: async ({ signal = 'SIGTERM', graceMs = 20_000 } = {}) => {
      if (finished !== undefined) return
      signalGroup(pid, signal)
      const timer = setTimeout(() => signalGroup(pid, 'SIGKILL'), graceMs)
      await ended
      clearTimeout(timer)
    },
  }
}

function remember(pid: number): void {
  running.add(pid)
  if (exitHookInstalled) return
  exitHookInstalled = true
  process.on('exit', () => {
    for (const leader of running) signalGroup(leader, 'SIGKILL')
  })
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal)
  } catch {
    // The group is gone already, which is what was wanted.
  }
}
