/**
 * What all AMQP 0-9-1 connections of a server share.
 */
import type { Authenticator, Authorizer } from '../../base/identity.ts'
import type { ByteWriter } from '../../base/byte-writer.ts'
import type { Clock } from '../../base/clock.ts'
import type { Random } from '../../base/random.ts'
import type { Turn } from '../../base/turn.ts'
import type { Broker } from '../../broker/broker.ts'
import type { ReplyAddresses } from './reply-addresses.ts'

/** What an operator may set. */
export interface AmqpSettings {
  /** The server's version, told to every client. */
  readonly version: string
  /** Largest frame proposed to clients. @default LIMITS.frameSizeBytesDefault */
  readonly frameSizeBytesMax: number
  /** Open channels per connection. @default LIMITS.channelsPerConnectionMax */
  readonly channelsMax: number
  /** Heartbeat proposed to clients; 0: none. @default LIMITS.heartbeatSecondsDefault */
  readonly heartbeatSeconds: number
  /** Largest body that is taken. @default LIMITS.messageSizeBytesDefault */
  readonly messageSizeBytesMax: number
}

/** The shared parts. */
export interface AmqpContext {
  readonly broker: Broker
  readonly turn: Turn
  readonly clock: Clock
  readonly random: Random
  readonly authenticator: Authenticator
  readonly authorizer: Authorizer
  readonly settings: AmqpSettings
  readonly replyAddresses: ReplyAddresses
  /** Scratch for encoding a method: used and emptied within one call. */
  readonly writer: ByteWriter
  /** Publishers should pause. */
  readonly pressed: boolean
  /** What clients are told of it, or undefined: nothing. */
  readonly pressureText: string | undefined
  /** The server ends: nothing is delivered or accepted any more. */
  readonly draining: boolean
  /** Bytes of bodies that are not complete yet, over all connections. */
  unfinishedSizeBytes: number
}
