/**
 * The crash test: rounds of load that end with `kill -9` at a random moment, then a drain that must find everything that was promised.
 *
 * A kill loses what the server had not yet written; what a loss of power loses besides is the simulation's matter. Some rounds
 * end in order (SIGTERM), some kill the server while it recovers.
 */
import { SeededRandom } from '../../src/base/random.ts'
import { call, openClient } from '../amqp-0-9-1/login.ts'
import { WaybillProcess } from '../peers/waybill-process.ts'
import { Ledger, type LedgerCounts, Violation } from './ledger.ts'
import { declareTopology, QUEUES, type QueueRules } from './topology.ts'
import { type Trust, Worker } from './worker.ts'

/** What to do. */
export interface CrashOptions {
  readonly seed: number
  readonly rounds: number
  readonly trust?: Trust
  /** Does something to the data folder after a kill, to see that it is noticed. */
  readonly sabotage?: (dataFolder: string) => Promise<void>
  readonly report?: (line: string) => void
}

/** What was done. */
export interface CrashReport extends LedgerCounts {
  readonly kills: number
  readonly killsWhileStarting: number
  readonly terminations: number
}

const WORKER_COUNT_MAX = 4
const LOAD_MS_MIN = 200
const LOAD_MS_MAX = 600
/** Longer than every delay and time to live. */
const STALL_MS = 5_000
const LOOK_MS = 20

/** A broken promise, with how to see it again. The data folder is kept. */
export class CrashFailure extends Error {
  override readonly name = 'CrashFailure'
  readonly dataFolder: string

  constructor(text: string, dataFolder: string, cause: unknown) {
    super(text, { cause })
    this.dataFolder = dataFolder
  }
}

/**
 * Runs all rounds.
 * @throws CrashFailure
 */
export async function crashRepeatedly(options: CrashOptions): Promise<CrashReport> {
  // Deliveries that nobody settles any more are not waited for when the server is asked to end.
  const victim = await WaybillProcess.create({ drainTime: '100ms' })
  const run = new CrashRun(options, victim)
  try {
    const report = await run.run()
    await victim.stop()
    victim.removeData()
    return report
  } catch (error) {
    const output = victim.output
    await victim.stop()
    const again = `--seed ${options.seed} --rounds ${options.rounds}`
    const text = `round ${run.round} of the crash test failed; run it again with ${again}; the data is in ${victim.dataFolder}: ${String(error)}`
    throw new CrashFailure(`${text}\nthe server printed:\n${output}`, victim.dataFolder, error)
  }
}

class CrashRun {
  round = 0
  readonly #options: CrashOptions
  readonly #victim: WaybillProcess
  readonly #random: SeededRandom
  readonly #ledger = new Ledger()
  #kills = 0
  #killsWhileStarting = 0
  #terminations = 0

  constructor(options: CrashOptions, victim: WaybillProcess) {
    this.#options = options
    this.#victim = victim
    this.#random = new SeededRandom(options.seed)
  }

  async run(): Promise<CrashReport> {
    for (this.round = 1; this.round <= this.#options.rounds; this.round++) await this.#crash()
    await this.#drain()
    await this.#checkEmpty()
    return {
      ...this.#ledger.counts,
      kills: this.#kills,
      killsWhileStarting: this.#killsWhileStarting,
      terminations: this.#terminations,
    }
  }

  /** One life of the server. */
  async #crash(): Promise<void> {
    const random = this.#random
    if (random.below(8) === 0) await this.#killWhileStarting()
    await this.#start()
    const workers = await this.#hire()
    const end = random.below(8) === 0 ? 'terminate' : 'kill'
    await elapsed(LOAD_MS_MIN + random.below(LOAD_MS_MAX - LOAD_MS_MIN))
    await Promise.all([this.#victim[end](), ...workers.map((worker) => worker.ended())])
    if (end === 'kill') this.#kills++
    else this.#terminations++
    this.#ledger.crashed()
    await this.#options.sabotage?.(this.#victim.dataFolder)
    const { published, confirmed, deliveries } = this.#ledger.counts
    const figures = `${published} published, ${confirmed} confirmed, ${deliveries} deliveries, ${this.#ledger.openCount} open`
    this.#options.report?.(`round ${this.round}: ${end}; ${figures}`)
  }

  async #killWhileStarting(): Promise<void> {
    this.#victim.launch()
    await elapsed(100 + this.#random.below(300))
    await this.#victim.kill()
    this.#killsWhileStarting++
  }

  async #start(): Promise<void> {
    this.#victim.launch()
    await this.#victim.ready()
    const client = await openClient(this.#victim)
    await call(client, 1, 'channel.open')
    await declareTopology(client, 1)
    client.destroy()
  }

  async #hire(): Promise<Worker[]> {
    const random = this.#random
    const count = 2 + random.below(WORKER_COUNT_MAX - 1)
    const workers: Worker[] = []
    for (let number = 1; number <= count; number++) {
      const queues = QUEUES.filter(({ expires }) => expires !== true && random.below(3) > 0)
      workers.push(await this.#worker(number, queues, 1 + random.below(300), false))
    }
    return workers
  }

  async #worker(number: number, queues: readonly QueueRules[], windowMax: number, accepts: boolean): Promise<Worker> {
    const { trust = 'confirms' } = this.#options
    const random = new SeededRandom(this.#random.uint32())
    const prefetch = 1 + random.below(250)
    return await Worker.start(this.#victim, { number, random, ledger: this.#ledger, trust, windowMax, queues, prefetch, accepts })
  }

  /** Consumes everything that is left. */
  async #drain(): Promise<void> {
    await this.#start()
    const worker = await this.#worker(
      1,
      QUEUES.filter(({ expires }) => expires !== true),
      0,
      true,
    )
    const lastDueMs = this.#ledger.lastDueMs()
    const isDone = (): boolean => Date.now() > lastDueMs + 100 && this.#ledger.owed().length === 0
    // It goes on as long as something comes.
    let deliveries = -1
    let until = 0
    while (!(await worker.until(isDone, LOOK_MS))) {
      if (Date.now() > until && deliveries === this.#ledger.counts.deliveries) break
      if (deliveries !== this.#ledger.counts.deliveries) until = Date.now() + STALL_MS
      deliveries = this.#ledger.counts.deliveries
    }
    const owed = this.#ledger.owed()
    if (owed.length > 0) throw new Violation(`${owed.length} confirmed messages are lost:\n${owed.slice(0, 20).join('\n')}`)
    until = Date.now() + STALL_MS
    while ((await worker.waiting()) > 0) if (Date.now() > until) throw new Violation('messages wait, and are not delivered')
    if (!(await worker.seal(STALL_MS))) throw new Violation('the last publication was not confirmed')
    await Promise.all([this.#victim.kill(), worker.ended()])
    this.#ledger.crashed()
  }

  /** Everything was accepted, and that was proved durable: nothing may come back. */
  async #checkEmpty(): Promise<void> {
    await this.#start()
    const worker = await this.#worker(1, [], 0, true)
    const count = await worker.waiting()
    if (count > 0) throw new Violation(`${count} messages came back after all of them had been accepted`)
    await Promise.all([this.#victim.terminate(), worker.ended()])
  }
}

async function elapsed(timeMs: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, timeMs))
}
