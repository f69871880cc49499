/**
 * One simulated run: clients do what chance tells them to, the disk fails as chance tells it to, the machine goes down and comes back; in the
 * end everything is drained and the model must agree. The same seed gives the same run.
 */
import { WaybillError } from '../../src/base/errors.ts'
import type { SeededRandom } from '../../src/base/random.ts'
import { SimulatedClient } from './client.ts'
import { Model, type Published, Violation } from './model.ts'
import { ADDRESSES, DEAD, QUEUES } from './topology.ts'
import { type Life, World } from './world.ts'

const CLIENTS_MAX = 4
const STEPS_MAX = 220
const DRAIN_TURNS_MAX = 200_000

/** What a run saw, for the summary. */
export interface RunReport {
  readonly seed: number
  readonly publications: number
  readonly deliveries: number
  readonly crashes: number
  readonly stops: number
}

/** How a run differs from the usual. */
export interface RunOptions {
  /** Gets a line per action. */
  readonly trace?: (line: string) => void
  /** The disk lies about what is durable: the run should fail. */
  readonly lyingDisk?: boolean
}

/** Runs one seed. @throws Violation when a promise was broken */
export async function runSeed(seed: number, options: RunOptions = {}): Promise<RunReport> {
  return new Run(seed, options).whole()
}

type Action = (life: Life) => void | Promise<void>

class Run {
  readonly #seed: number
  readonly #trace: (line: string) => void
  readonly #world: World
  readonly #random: SeededRandom
  readonly #model = new Model(QUEUES)
  #clients: SimulatedClient[] = []
  #nextId = 1
  #crashes = 0
  #stops = 0
  /** A write is to fail, or has failed. */
  #diskFails = false
  /** Persistent messages to the deduplicating queue, whose ids may be sent again. */
  readonly #onceIds: Published[] = []
  readonly #actions: readonly (readonly [number, string, Action])[]

  constructor(seed: number, options: RunOptions) {
    this.#seed = seed
    this.#trace = options.trace ?? (() => undefined)
    this.#world = new World(seed, options.lyingDisk === true)
    this.#random = this.#world.random
    this.#actions = [
      [30, 'publish', (life) => this.#publish(life)],
      [10, 'consume', () => this.#pick()?.consume(this.#queue(), this.#random.below(6), this.#random.below(8) === 0)],
      [25, 'settle', () => this.#settle()],
      [6, 'fetch', () => this.#pick()?.fetch(this.#queue())],
      [3, 'cancel', () => this.#pick()?.cancelSome(this.#random)],
      [3, 'writable', () => this.#pick()?.setWritable(this.#random.below(3) > 0)],
      [4, 'connect', (life) => this.#connect(life)],
      [2, 'disconnect', () => this.#disconnect()],
      [2, 'purge', (life) => this.#purge(life)],
      [3, 'checkpoint', (life) => void life.broker.checkpoint()],
      [2, 'slow', () => void (this.#world.disk.slowness = [1, 1, 5, 50][this.#random.below(4)] as number)],
      [1, 'full', (life) => this.#fillDisk(life)],
      [3, 'crash', () => this.#crash()],
      [1, 'restart', () => this.#restart()],
      [1, 'io-error', () => this.#failWrite()],
      [4, 'transact', (life) => this.#transact(life)],
    ]
  }

  async whole(): Promise<RunReport> {
    await this.#begin()
    const steps = 60 + this.#random.below(STEPS_MAX - 60)
    for (let step = 0; step < steps; step++) {
      const life = this.#life
      const [, name, action] = this.#choose()
      this.#trace(`${this.#world.clock.monotonic().toFixed(1)} ${name}`)
      await action(life)
      const ms = [0, 0, 0.2, 1, 5, 30][this.#random.below(6)] as number
      await this.#world.clock.runFor(ms)
      await this.#look()
    }
    if (this.#random.below(4) === 0) await this.#damage()
    else await this.#drain(this.#life)
    return {
      seed: this.#seed,
      publications: this.#nextId - 1,
      deliveries: this.#model.deliveries,
      crashes: this.#crashes,
      stops: this.#stops,
    }
  }

  /** A server whose storage failed stops, as after a crash; without a failing disk it must not. */
  async #look(): Promise<void> {
    const { failure } = this.#life
    if (failure === undefined) return void this.#checkCounts()
    if (!this.#diskFails) throw new Violation(`the storage failed although the disk did not: ${failure.message}`)
    await this.#crash()
  }

  #failWrite(): void {
    this.#diskFails = true
    this.#world.disk.failNext('write', 'EIO')
  }

  #transact(life: Life): void {
    const client = this.#pick()
    if (client === undefined || life.paused) return
    const addresses = ADDRESSES.filter(({ exchange, routingKey }) => exchange !== '' || routingKey === 'plain')
    const orders = Array.from({ length: 2 + this.#random.below(4) }, () => {
      const address = addresses[this.#random.below(addresses.length)] as (typeof ADDRESSES)[number]
      const id = this.#nextId++
      const order = {
        address,
        persistent: true,
        priority: 0,
        key: 'a',
        bodySizeBytes: 4 + this.#random.below(3000),
        delayMs: 0,
        messageId: `m${id}`,
      }
      return [id, order] as const
    })
    client.transact(orders)
  }

  /** Stops in order, flips bits of a file, and starts again: refused with a reason, or everything that is delivered is right. */
  async #damage(): Promise<void> {
    await this.#stop()
    this.#model.damaged = true
    const { disk } = this.#world
    const names = disk.names().filter((name) => disk.sizeOf(name) > 0)
    const name = names[this.#random.below(names.length)] as string
    for (let i = this.#random.below(3); i >= 0; i--) disk.flipBit(name, this.#random.below(disk.sizeOf(name)), this.#random.below(8))
    this.#trace(`bits of ${name} flipped`)
    try {
      await this.#begin()
    } catch (error) {
      if (error instanceof WaybillError && error.code.startsWith('STORAGE_')) return
      throw error
    }
    await this.#drain(this.#life)
  }

  get #life(): Life {
    return this.#world.life as Life
  }

  async #begin(): Promise<void> {
    const life = await this.#start()
    this.#clients = []
    this.#connect(life)
  }

  /** Starts; a start that the disk does not allow is tried again, as an operator would. */
  async #start(): Promise<Life> {
    try {
      return await this.#world.start()
    } catch (error) {
      if (!this.#diskFails) throw error
      this.#world.crash()
      this.#diskFails = false
      return this.#world.start()
    }
  }

  #choose(): readonly [number, string, Action] {
    const total = this.#actions.reduce((sum, [weight]) => sum + weight, 0)
    let dice = this.#random.below(total)
    for (const action of this.#actions) if ((dice -= action[0]) < 0) return action
    throw new Error('weights add up')
  }

  #pick(): SimulatedClient | undefined {
    return this.#clients[this.#random.below(Math.max(1, this.#clients.length))]
  }

  #queue(): string {
    return (QUEUES[this.#random.below(QUEUES.length)] as { name: string }).name
  }

  #connect(life: Life): void {
    if (this.#clients.length < CLIENTS_MAX) this.#clients.push(new SimulatedClient(life, this.#model))
  }

  #disconnect(): void {
    const [client] = this.#clients.splice(this.#random.below(Math.max(1, this.#clients.length)), 1)
    client?.close()
  }

  #publish(life: Life): void {
    const client = this.#pick()
    if (client === undefined || life.paused) return
    const random = this.#random
    const address = ADDRESSES[random.below(ADDRESSES.length)] as (typeof ADDRESSES)[number]
    const count = 1 + random.below(12)
    for (let i = 0; i < count; i++) {
      const id = this.#nextId++
      const once = address.routingKey === 'once'
      const known = this.#onceIds[random.below(Math.max(1, this.#onceIds.length * 4))]
      const repeats = once && known?.confirmed === true ? known.id : undefined
      const published = client.publish(id, {
        address: repeats === undefined ? address : { ...address, queues: [] },
        persistent: once || random.below(6) > 0,
        priority: random.below(6),
        key: 'abc'[random.below(3)] as string,
        bodySizeBytes: 4 + (random.below(12) === 0 ? random.below(6000) : random.below(200)),
        delayMs: !once && address.routingKey !== 'refusing' && random.below(12) === 0 ? 1 + random.below(400) : 0,
        messageId: `m${repeats ?? id}`,
      })
      if (once && repeats === undefined) this.#onceIds.push(published)
    }
  }

  #settle(): void {
    const client = this.#pick()
    for (let i = this.#random.below(6); i >= 0; i--) client?.settle(this.#random, this.#nextId, false)
  }

  #purge(life: Life): void {
    const queue = this.#queue()
    // Of the dead letters that wait there the model knows nothing before they are delivered.
    if (queue === DEAD) return
    life.root.queueNamed(queue).purge()
    this.#model.purged(queue)
  }

  async #fillDisk(life: Life): Promise<void> {
    const { disk, clock } = this.#world
    disk.capacitySizeBytes = life.storage.usage().diskSizeBytes + this.#random.below(20_000)
    await clock.runFor(this.#random.below(3_000))
    disk.capacitySizeBytes = Infinity
    await clock.runFor(5_000)
  }

  async #crash(): Promise<void> {
    this.#crashes++
    for (const client of this.#clients) client.abandon()
    this.#world.crash()
    this.#diskFails = false
    this.#model.crashed()
    this.#world.disk.slowness = 1
    await this.#begin()
  }

  async #restart(): Promise<void> {
    await this.#stop()
    await this.#begin()
  }

  async #stop(): Promise<void> {
    this.#stops++
    for (const client of this.#clients) client.close()
    // Dead letters on their way, and everything else that was begun, comes to its end first.
    await this.#world.clock.runFor(200)
    try {
      await this.#world.stop()
    } catch (error) {
      // A stop that the disk does not allow leaves what a crash leaves.
      if (!this.#diskFails) throw error
      this.#world.crash()
      this.#diskFails = false
    }
    this.#model.crashed()
  }

  /** Every queue's counters agree with its index, at any time. */
  #checkCounts(): void {
    for (const queue of this.#life.root.queues.values()) {
      const { readyCount, unsettledCount, heldCount, index, readyBytes } = queue
      if (readyCount < 0 || unsettledCount < 0 || heldCount < 0 || readyBytes < 0)
        throw new Violation(`${queue.name}: a counter is negative`)
      if (readyCount + unsettledCount + heldCount > index.size) {
        throw new Violation(`${queue.name}: ${readyCount} ready + ${unsettledCount} out + ${heldCount} held > ${index.size}`)
      }
    }
  }

  /** Takes everything out of every queue; then nothing certain may be missing. */
  async #drain(life: Life): Promise<void> {
    const { clock, disk } = this.#world
    disk.slowness = 1
    for (const client of this.#clients) client.close()
    const client = new SimulatedClient(this.#life, this.#model)
    for (const { name } of QUEUES) client.consume(name, 0, false)
    const { root } = this.#life
    const empty = (): boolean => {
      while (client.deliveries.length > 0) client.settle(this.#random, this.#nextId, true)
      return life.readErrors > 0 || (root.delayed.size === 0 && [...root.queues.values()].every((queue) => queue.index.size === 0))
    }
    try {
      await clock.runUntil(empty, DRAIN_TURNS_MAX)
    } catch (error) {
      const left = [...root.queues.values()].filter((queue) => queue.index.size > 0)
      const text = left.map((q) => `${q.name}: ${q.index.size} (${q.readyCount} ready, ${q.unsettledCount} out, ${q.heldCount} held)`)
      throw new Violation(`queues do not become empty: ${text.join(', ')}; ${root.delayed.size} delayed`, { cause: error })
    }
    // What cannot be read is set aside and reported: it is not lost without a word.
    if (life.readErrors > 0) return
    for (const queue of root.queues.values()) {
      if (queue.readyCount !== 0 || queue.unsettledCount !== 0 || queue.heldCount !== 0 || queue.readyBytes !== 0) {
        throw new Violation(
          `${queue.name}: an empty queue counts ${queue.readyCount}, ${queue.unsettledCount}, ${queue.heldCount}, ${queue.readyBytes}`,
        )
      }
    }
    this.#model.drained()
    if (this.#diskFails) return
    await clock.settle(this.#life.broker.checkpoint())
    const { liveSizeBytes } = this.#life.storage.usage()
    if (liveSizeBytes !== 0) throw new Violation(`${liveSizeBytes} bytes are still referenced although every queue is empty`)
    await this.#world.stop()
  }
}
