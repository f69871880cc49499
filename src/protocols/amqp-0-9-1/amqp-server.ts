/**
 * AMQP 0-9-1 as the server runs it: makes a session for each connection, tells them of pressure, and ends them.
 *
 *     const amqp = new AmqpServer({ broker, turn, clock, random, authenticator, authorizer, pressure, settings })
 *     await network.listen({ name: 'amqp', host: '127.0.0.1', port: 5672 }, (connection) => amqp.accept(connection))
 */
import { ByteWriter } from '../../base/byte-writer.ts'
import type { Clock } from '../../base/clock.ts'
import { WaybillError } from '../../base/errors.ts'
import type { Authenticator, Authorizer } from '../../base/identity.ts'
import type { Random } from '../../base/random.ts'
import type { Turn } from '../../base/turn.ts'
import type { Broker } from '../../broker/broker.ts'
import type { Connection, ConnectionHandler } from '../../net/connection.ts'
import type { Pressure, PressureListener } from '../../net/pressure.ts'
import type { Protocol } from '../../net/protocol.ts'
import type { AmqpContext, AmqpSettings } from './amqp-context.ts'
import { AmqpConnection } from './connection.ts'
import { ReplyAddresses } from './reply-addresses.ts'

/** What it stands on. */
export interface AmqpServerOptions {
  readonly broker: Broker
  readonly turn: Turn
  readonly clock: Clock
  readonly random: Random
  readonly authenticator: Authenticator
  readonly authorizer: Authorizer
  readonly pressure: Pressure
  readonly settings: AmqpSettings
}

/** See the head of this file. */
export class AmqpServer implements Protocol, AmqpContext, PressureListener {
  readonly name = 'AMQP 0-9-1'
  readonly broker: Broker
  readonly turn: Turn
  readonly clock: Clock
  readonly random: Random
  readonly authenticator: Authenticator
  readonly authorizer: Authorizer
  readonly settings: AmqpSettings
  readonly replyAddresses: ReplyAddresses
  readonly writer: ByteWriter = new ByteWriter()
  pressed: boolean
  pressureText: string | undefined
  draining = false
  unfinishedSizeBytes = 0
  readonly #pressure: Pressure
  readonly #connections = new Set<AmqpConnection>()

  constructor(options: AmqpServerOptions) {
    this.broker = options.broker
    this.turn = options.turn
    this.clock = options.clock
    this.random = options.random
    this.authenticator = options.authenticator
    this.authorizer = options.authorizer
    this.settings = options.settings
    this.replyAddresses = new ReplyAddresses(options.random)
    this.#pressure = options.pressure
    this.pressed = options.pressure.paused
    this.pressureText = options.pressure.text
    options.pressure.listen(this)
  }

  accept(net: Connection): ConnectionHandler {
    const connection = new AmqpConnection(net, this, (gone) => this.#connections.delete(gone))
    this.#connections.add(connection)
    return connection
  }

  pressureChanged(): void {
    this.pressed = this.draining || this.#pressure.paused
    this.pressureText = this.#pressure.text
    for (const connection of this.#connections) connection.pressureChanged()
  }

  drain(): void {
    this.draining = true
    this.pressed = true
    // Their sinks take nothing any more: sessions learn it by being asked again.
    for (const connection of this.#connections) connection.drained()
  }

  get unsettledCount(): number {
    let count = 0
    for (const connection of this.#connections) count += connection.unsettledCount
    return count
  }

  closeConnections(reason: string): void {
    this.#pressure.unlisten(this)
    for (const connection of this.#connections) connection.force(new WaybillError('CONNECTION_FORCED', reason))
  }
}
