/**
 * The real server process for tests that do it harm, on a data folder and a port that stay the same.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type RunningProgram, startProgram } from './debian-package.ts'
import { sparePort } from './spare-port.ts'

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
const READY_MS = 60_000

/** Runs a program with as many open files as this user may have. */
const WITH_MANY_FILES = 'ulimit -n "$(ulimit -Hn)"; exec "$0" "$@"'

/** See the head of this file. */
export class WaybillProcess {
  readonly host = '127.0.0.1'
  readonly port: number
  readonly dataFolder: string
  readonly #folder: string
  #process: RunningProgram | undefined

  private constructor(port: number, configuration: object) {
    this.port = port
    this.#folder = mkdtempSync(join(tmpdir(), 'waybill-process-'))
    this.dataFolder = join(this.#folder, 'data')
    // Every JSON text is YAML.
    writeFileSync(join(this.#folder, 'configuration.yaml'), JSON.stringify(configuration))
  }

  /** @param configuration as in the server's configuration file */
  static async create(configuration: object = {}): Promise<WaybillProcess> {
    return new WaybillProcess(await sparePort(), configuration)
  }

  /** Everything that the present process printed. */
  get output(): string {
    return this.#process?.output() ?? ''
  }

  get pid(): number {
    return this.#process?.pid ?? 0
  }

  /** Starts the process, without waiting for it. */
  launch(): void {
    const configuration = join(this.#folder, 'configuration.yaml')
    const flags = ['--config', configuration, '--amqp', `${this.host}:${this.port}`, '--data', this.dataFolder]
    this.#process = startProgram('bash', ['-c', WITH_MANY_FILES, process.execPath, MAIN, 'serve', ...flags])
  }

  async ready(): Promise<void> {
    await this.#process?.waitFor(/^ready\b/m, READY_MS)
  }

  /** @throws Error when the process has ended */
  async checkAlive(): Promise<void> {
    const result = await Promise.race([this.#process?.ended, Promise.resolve(undefined)])
    if (result !== undefined) throw new Error(`the server ended by itself (${result}); it printed:\n${this.output}`)
  }

  /** Ends the process at once, as a crash does. @throws Error when it has ended by itself before */
  async kill(): Promise<void> {
    await this.checkAlive()
    await this.#process?.stop({ signal: 'SIGKILL' })
  }

  /** Asks the process to end. @throws Error when it does not end as it should */
  async terminate(): Promise<void> {
    await this.#process?.stop({ signal: 'SIGTERM' })
    const result = await this.#process?.ended
    if (result !== 0) throw new Error(`the server ended with ${result} when it was asked to; it printed:\n${this.output}`)
  }

  /** Ends the process, whatever it does. */
  async stop(): Promise<void> {
    await this.#process?.stop({ signal: 'SIGKILL' })
  }

  removeData(): void {
    rmSync(this.#folder, { recursive: true, force: true })
  }

  /** Memory that the process holds now, and the most since {@link resetPeak}. */
  async memory(): Promise<{ readonly residentSizeBytes: number; readonly peakSizeBytes: number }> {
    const status = await readFile(`/proc/${this.pid}/status`, 'utf8')
    const sizeBytes = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) * 1024
    return { residentSizeBytes: sizeBytes('VmRSS'), peakSizeBytes: sizeBytes('VmHWM') }
  }

  /** Begins to measure the most memory anew. */
  resetPeak(): void {
    writeFileSync(`/proc/${this.pid}/clear_refs`, '5')
  }
}
