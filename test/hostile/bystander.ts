/**
 * A well-behaved client beside an attack: it publishes a persistent message, waits for its confirm and its delivery, accepts it, and begins again.
 * It runs in a thread of its own, so that what it measures is the server's time and not the attacker's.
 */
import { Worker } from 'node:worker_threads'

/** The places of what the thread and its owner share. */
export const SHARED = { rounds: 0, slowestMs: 1, count: 2 } as const

/** See the head of this file. */
export class Bystander {
  readonly #worker: Worker
  readonly #shared: Int32Array
  #failure: Error | undefined

  private constructor(host: string, port: number) {
    this.#shared = new Int32Array(new SharedArrayBuffer(SHARED.count * 4))
    this.#worker = new Worker(new URL('bystander-thread.ts', import.meta.url), { workerData: { host, port, shared: this.#shared } })
    this.#worker.on('error', (error: Error) => (this.#failure = error))
  }

  /** Starts, and waits for the first round. */
  static async start(address: { readonly host: string; readonly port: number }): Promise<Bystander> {
    const bystander = new Bystander(address.host, address.port)
    await bystander.served(30_000)
    return bystander
  }

  /** Begins to measure anew. */
  reset(): void {
    Atomics.store(this.#shared, SHARED.slowestMs, 0)
  }

  /** The slowest round since `reset`, in milliseconds. */
  get slowestMs(): number {
    return Atomics.load(this.#shared, SHARED.slowestMs)
  }

  /** Waits until two more rounds are done: one of them began after the call. @throws Error when that takes too long, or the client failed */
  async served(timeoutMs: number): Promise<void> {
    const wanted = Atomics.load(this.#shared, SHARED.rounds) + 2
    const end = performance.now() + timeoutMs
    while (Atomics.load(this.#shared, SHARED.rounds) < wanted) {
      if (this.#failure !== undefined) throw this.#failure
      if (performance.now() > end) throw new Error(`a well-behaved client was not served within ${timeoutMs} ms`)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }

  async stop(): Promise<void> {
    await this.#worker.terminate()
  }
}
