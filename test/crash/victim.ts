/**
 * The real server process that the crash test kills, on a data folder and a port that stay the same.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type RunningProgram, startProgram } from '../peers/debian-package.ts'
import { sparePort } from '../peers/spare-port.ts'

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
const READY_MS = 60_000

/** See the head of this file. */
export class Victim {
  readonly host = '127.0.0.1'
  readonly port: number
  readonly dataFolder: string
  #process: RunningProgram | undefined

  private constructor(port: number, dataFolder: string) {
    this.port = port
    this.dataFolder = dataFolder
  }

  static async create(): Promise<Victim> {
    return new Victim(await sparePort(), await mkdtemp(join(tmpdir(), 'waybill-crash-')))
  }

  /** Everything that the present process printed. */
  get output(): string {
    return this.#process?.output() ?? ''
  }

  /** Starts the process, without waiting for it. */
  launch(): void {
    const parameters = [MAIN, 'serve', '--amqp', `${this.host}:${this.port}`, '--data', this.dataFolder]
    // Deliveries that nobody settles any more are not waited for when the server is asked to end.
    this.#process = startProgram(process.execPath, parameters, { env: { ...process.env, WAYBILL_DRAIN_TIME: '100ms' } })
  }

  async ready(): Promise<void> {
    await this.#process?.waitFor(/^ready\b/m, READY_MS)
  }

  /** Ends the process at once, as a crash does. @throws Error when it has ended by itself before */
  async kill(): Promise<void> {
    const running = this.#process
    if (running === undefined) return
    const before = await Promise.race([running.ended, Promise.resolve(undefined)])
    if (before !== undefined) throw new Error(`the server ended by itself (${before}); it printed:\n${running.output()}`)
    await running.stop({ signal: 'SIGKILL' })
  }

  /** Asks the process to end. @throws Error when it does not end as it should */
  async terminate(): Promise<void> {
    const running = this.#process
    if (running === undefined) return
    await running.stop({ signal: 'SIGTERM' })
    const result = await running.ended
    if (result !== 0) throw new Error(`the server ended with ${result} when it was asked to; it printed:\n${running.output()}`)
  }

  async stop(): Promise<void> {
    await this.#process?.stop({ signal: 'SIGKILL' })
  }

  async removeData(): Promise<void> {
    await rm(this.dataFolder, { recursive: true, force: true })
  }
}
