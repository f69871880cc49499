/**
 * A server under attack: each attack must leave it alive, its memory bounded, and a well-behaved client served all the time.
 */
import assert from 'node:assert/strict'
import { after, before } from 'node:test'
import { openClient } from '../amqp-0-9-1/login.ts'
import type { RawClient } from '../amqp-0-9-1/raw-client.ts'
import { RawClient as Client } from '../amqp-0-9-1/raw-client.ts'
import { WaybillProcess } from '../peers/waybill-process.ts'
import { Bystander } from './bystander.ts'

const MIB = 2 ** 20

/** What an attack may cost. */
export interface Bounds {
  /** Memory of the server at its peak, more than before the attack. */
  readonly peakGrowthSizeBytes?: number
  /** Memory that the server holds some seconds later, more than before. */
  readonly growthSizeBytes?: number
  /** The slowest answer to a well-behaved client. Generous: the machine may be busy with other things. */
  readonly slowestMs?: number
}

const PEAK_GROWTH_SIZE_BYTES = 160 * MIB
const GROWTH_SIZE_BYTES = 100 * MIB
const SLOWEST_MS = 4_000
const SETTLE_MS = 10_000

/** See the head of this file. */
export class Siege {
  readonly server: WaybillProcess
  #bystander: Bystander | undefined

  private constructor(server: WaybillProcess) {
    this.server = server
  }

  /** A server for all the tests of a file. */
  static forFile(configuration: object = {}): () => Siege {
    let siege: Siege | undefined
    before(async () => {
      siege = new Siege(await WaybillProcess.create({ drainTime: '200ms', ...configuration }))
      await siege.start()
    })
    after(async () => {
      await siege?.stop()
    })
    return () => {
      assert.ok(siege !== undefined, 'the server was started before the test')
      return siege
    }
  }

  /** Starts the server and its well-behaved client. */
  async start(): Promise<void> {
    this.server.launch()
    await this.server.ready()
    this.#bystander = await Bystander.start(this.server)
  }

  /** Kills the server, and starts it again on the same data. */
  async restart(): Promise<void> {
    await this.#bystander?.stop()
    await this.server.kill()
    await this.start()
  }

  async stop(): Promise<void> {
    await this.#bystander?.stop()
    try {
      // What the attacks left behind must not keep the server from ending.
      await this.server.terminate()
      assert.doesNotMatch(this.server.output, /\bfatal\b|\bbug\b/)
    } finally {
      await this.server.stop()
      this.server.removeData()
    }
  }

  /** A connection whose login is done. */
  async client(options: Partial<Parameters<typeof openClient>[0]> = {}): Promise<RawClient> {
    return await openClient({ host: this.server.host, port: this.server.port, ...options })
  }

  /** A connected socket, nothing sent. */
  async socket(): Promise<RawClient> {
    return await Client.open(this.server.host, this.server.port)
  }

  /** Runs an attack and checks what must hold after and during it. */
  async withstand(attack: () => Promise<void>, bounds: Bounds = {}): Promise<void> {
    const bystander = this.#bystander
    assert.ok(bystander !== undefined, 'somebody looks on')
    const before = (await this.server.memory()).residentSizeBytes
    this.server.resetPeak()
    bystander.reset()
    await attack()
    await this.server.checkAlive()
    const slowestMs = bounds.slowestMs ?? SLOWEST_MS
    await bystander.served(slowestMs)
    assert.ok(bystander.slowestMs <= slowestMs, `a well-behaved client waited ${bystander.slowestMs} ms, more than ${slowestMs}`)
    const peakGrowth = (await this.server.memory()).peakSizeBytes - before
    const peakMax = bounds.peakGrowthSizeBytes ?? PEAK_GROWTH_SIZE_BYTES
    assert.ok(peakGrowth <= peakMax, `the server took ${mebibytes(peakGrowth)} more at its peak, may take ${mebibytes(peakMax)}`)
    await this.#settled(before, bounds.growthSizeBytes ?? GROWTH_SIZE_BYTES)
    assert.doesNotMatch(this.server.output, /\bfatal\b|\bbug\b/)
  }

  /** Memory comes back, if not at once. */
  async #settled(before: number, growthMax: number): Promise<void> {
    const end = performance.now() + SETTLE_MS
    for (;;) {
      const growth = (await this.server.memory()).residentSizeBytes - before
      if (growth <= growthMax) return
      assert.ok(performance.now() < end, `the server holds ${mebibytes(growth)} more than before, may hold ${mebibytes(growthMax)}`)
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
}

function mebibytes(sizeBytes: number): string {
  return `${(sizeBytes / MIB).toFixed(1)} MiB`
}

/** How the server ended it. */
export interface Ending {
  /** `socket`: without a word. */
  readonly closes: 'channel' | 'connection' | 'socket'
  readonly code: number
}

/** Waits for an error of the server on a connection, or its end. */
export async function endingOf(client: RawClient, timeoutMs = 15_000): Promise<Ending | undefined> {
  const find = (): Ending | undefined => {
    for (const { name, arguments: args } of client.arrivals) {
      const code = Number(args['reply-code'])
      if (name === 'connection.close') return { closes: 'connection', code }
      if (name === 'channel.close') return { closes: 'channel', code }
    }
    return client.end === 'open' ? undefined : { closes: 'socket', code: 0 }
  }
  await client.until(() => find() !== undefined, timeoutMs)
  return find()
}

/** Waits until the server has closed the socket. */
export async function hungUp(client: RawClient, timeoutMs = 15_000): Promise<boolean> {
  await client.until(() => client.end !== 'open', timeoutMs)
  return client.end !== 'open'
}
