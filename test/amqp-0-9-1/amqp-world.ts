/**
 * The AMQP protocol on the real broker, storage and network, with a clock that the test runs, a simulated disk and sockets in memory.
 */
import { Authentication } from '../../src/admin/authentication.ts'
import { GUEST, type User, Users } from '../../src/admin/users.ts'
import { SeededRandom } from '../../src/base/random.ts'
import { SimulatedClock } from '../../src/base/simulated-clock.ts'
import { Turn } from '../../src/base/turn.ts'
import { Broker } from '../../src/broker/broker.ts'
import type { Namespace } from '../../src/broker/namespace.ts'
import { AMQP_FORM } from '../../src/message/amqp-form.ts'
import { MessageForms } from '../../src/message/properties.ts'
import { Network } from '../../src/net/listener.ts'
import { Pressure } from '../../src/net/pressure.ts'
import { AmqpServer } from '../../src/protocols/amqp-0-9-1/amqp-server.ts'
import { openStorage, type StorageOptions } from '../../src/storage/file-storage.ts'
import { SimulatedDisk } from '../../src/storage/simulated-disk.ts'
import { type Arguments, type Arrival, PROTOCOL_HEADER, RawClient } from './raw-client.ts'
import { type Cut, type PipeClient, PipeSockets } from './pipe-sockets.ts'
import { startOk } from './login.ts'

/** What a test may want otherwise. */
export interface AmqpWorldOptions {
  readonly users?: readonly User[]
  readonly messageSizeBytesMax?: number
  readonly storageLimits?: StorageOptions['limits']
  readonly heartbeatSeconds?: number
}

/** How a client of a test logs in. */
export interface WorldLogin {
  readonly user?: string
  readonly password?: string
  readonly frameMax?: number
  readonly heartbeat?: number
  readonly cut?: Cut
}

/** Long enough for any answer that does not wait for a time, short enough to hit no other time. */
const STEP_MS = 200

/** See the head of this file. */
export class AmqpWorld {
  readonly clock: SimulatedClock
  readonly disk: SimulatedDisk
  readonly pressure: Pressure = new Pressure()
  readonly broker: Broker
  readonly namespace: Namespace
  readonly amqp: AmqpServer
  readonly #sockets: PipeSockets

  private constructor(clock: SimulatedClock, disk: SimulatedDisk, turn: Turn, broker: Broker, options: AmqpWorldOptions) {
    this.clock = clock
    this.disk = disk
    this.broker = broker
    this.namespace = broker.createNamespace('/')
    const random = new SeededRandom(2)
    const users = new Users(options.users ?? [GUEST])
    const authentication = new Authentication({ users, clock, random, isLoopback: () => true })
    this.amqp = new AmqpServer({
      broker,
      turn,
      clock,
      random,
      authenticator: authentication,
      authorizer: authentication,
      pressure: this.pressure,
      settings: {
        version: '0.0.0',
        frameSizeBytesMax: 131_072,
        channelsMax: 2047,
        heartbeatSeconds: options.heartbeatSeconds ?? 60,
        messageSizeBytesMax: options.messageSizeBytesMax ?? 1 << 24,
      },
    })
    this.#sockets = new PipeSockets(clock)
    const network = new Network({ turn, clock, sockets: this.#sockets })
    void network.listen({ name: 'amqp', host: '127.0.0.1', port: 5672 }, (connection) => this.amqp.accept(connection))
  }

  static async start(options: AmqpWorldOptions = {}): Promise<AmqpWorld> {
    const random = new SeededRandom(1)
    const clock = new SimulatedClock()
    const disk = new SimulatedDisk(clock, random)
    const turn = new Turn(clock)
    const limits = options.storageLimits
    const storage = await clock.settle(openStorage({ disk: disk.mount(), clock, random, ...(limits === undefined ? {} : { limits }) }))
    const observer = {
      pressure: () => {},
      failed: (error: Error) => {
        throw error
      },
      readFailed: (error: Error) => {
        throw error
      },
    }
    const broker = new Broker({ storage, clock, turn, random, forms: new MessageForms([AMQP_FORM]), observer })
    await clock.settle(broker.start())
    return new AmqpWorld(clock, disk, turn, broker, options)
  }

  /** Lets everything happen that needs no more than a moment. */
  async settle(): Promise<void> {
    await this.clock.runFor(STEP_MS)
  }

  /** A socket on which nothing has been said yet. */
  connect(cut?: Cut): RawClient {
    return RawClient.over(this.#sockets.connect(cut))
  }

  /** An open connection with an open channel 1. */
  async client(options: WorldLogin = {}): Promise<WorldClient> {
    const pipe = this.#sockets.connect(options.cut)
    const raw = RawClient.over(pipe)
    const client = new WorldClient(this, raw, pipe)
    raw.sendBytes(PROTOCOL_HEADER)
    raw.sendMethod(0, 'connection.start-ok', startOk(options.user, options.password))
    await this.settle()
    const frameMax = options.frameMax ?? 131_072
    raw.sendMethod(0, 'connection.tune-ok', { 'channel-max': 2047, 'frame-max': frameMax, heartbeat: options.heartbeat ?? 0 })
    raw.frameMax = frameMax
    raw.sendMethod(0, 'connection.open', { 'virtual-host': '/' })
    raw.sendMethod(1, 'channel.open')
    await this.settle()
    client.take()
    return client
  }
}

/** A client of a test. */
class WorldClient {
  readonly raw: RawClient
  readonly #world: AmqpWorld
  readonly #pipe: PipeClient
  #taken = 0

  constructor(world: AmqpWorld, raw: RawClient, pipe: PipeClient) {
    this.#world = world
    this.raw = raw
    this.#pipe = pipe
  }

  /** Reads nothing until `goOn`. */
  stall(): void {
    this.#pipe.stalled = true
  }

  goOn(): void {
    this.#pipe.goOn()
  }

  /** What has come since the last `take`. */
  take(): readonly Arrival[] {
    const arrivals = this.raw.arrivals.slice(this.#taken)
    this.#taken = this.raw.arrivals.length
    return arrivals
  }

  /** What has come since the last `take`, in short: names, with reply texts, bodies and tags. */
  takeLines(): readonly string[] {
    return this.take().map(lineOf)
  }

  /** Sends a method on channel 1, lets everything happen, and gives what has come. */
  async call(name: string, values: Arguments = {}): Promise<readonly string[]> {
    this.raw.sendMethod(1, name, values)
    await this.#world.settle()
    return this.takeLines()
  }

  publish(routingKey: string, body: string | Buffer, properties: Arguments = {}, values: Arguments = {}): void {
    this.raw.sendPublish(1, { 'routing-key': routingKey, ...values }, properties, Buffer.from(body))
  }

  /** Lets everything happen, and gives what has come. */
  async settle(): Promise<readonly string[]> {
    await this.#world.settle()
    return this.takeLines()
  }
}

function lineOf(arrival: Arrival): string {
  const { name, arguments: given, body } = arrival
  const parts = [name]
  for (const key of ['reply-code', 'reply-text', 'consumer-tag', 'delivery-tag', 'multiple', 'redelivered', 'reason'] as const) {
    const value = given[key]
    if (value === undefined || value === false) continue
    parts.push(value === true ? key : `${value as string | number}`)
  }
  if (body !== undefined) parts.push(body.length > 40 ? `<${body.length} bytes>` : body.toString())
  return parts.join(' ')
}
