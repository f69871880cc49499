/**
 * What the methods of a channel see of their channel and its connection.
 */
import type { Identity, Permissions } from '../../base/identity.ts'
import type { WaybillError } from '../../base/errors.ts'
import type { Namespace } from '../../broker/namespace.ts'
import type { Owner, Session } from '../../broker/session.ts'
import type { Connection } from '../../net/connection.ts'
import type { AmqpContext } from './amqp-context.ts'
import type { ContentWriter } from './deliveries.ts'
import type { MethodName } from './method-table.ts'
import type { MethodInput } from './methods.ts'
import type { ReplyConsumer } from './reply-addresses.ts'

/** What a client said it understands, in the table `capabilities` of its properties. */
export interface ClientCapabilities {
  readonly authenticationFailureClose: boolean
  readonly connectionBlocked: boolean
  readonly consumerCancelNotify: boolean
}

/** An open connection, as its channels see it. It owns its exclusive queues. */
export interface ChannelHost extends Owner {
  readonly context: AmqpContext
  readonly net: Connection
  readonly namespace: Namespace
  readonly identity: Identity
  readonly permissions: Permissions
  readonly capabilities: ClientCapabilities
  readonly content: ContentWriter
  /** A publication was taken: while publishers should pause this connection is not read any more. Hot. */
  published(): void
  /** Hands frames that a channel has held back to it again, as if they came now. */
  replay(channel: number, frames: readonly HeldFrame[]): void
  /** So many bytes of frames are being held back more (or, negative, fewer). */
  held(sizeBytes: number): void
  /** The channel is over; its number is free. */
  channelClosed(channel: number): void
  /** An error that no frame of the client caused: closes the channel or the connection. */
  fault(error: WaybillError, channel: number): void
}

/** A frame that waits until the one before it has been answered. */
export interface HeldFrame {
  readonly type: number
  readonly payload: Buffer
}

/** A channel, as its methods see it. */
export interface ChannelContext {
  readonly number: number
  readonly host: ChannelHost
  readonly session: Session
  /** The queue declared last on this channel: what the empty name means. Empty: none. */
  lastQueueName: string
  /** Prefetch of the consumers that come; 0: none. */
  consumerPrefetch: number
  /** The consumer of direct replies, or undefined. */
  replyConsumer: ReplyConsumer | undefined
  /** Answers the client. */
  reply<Name extends MethodName>(name: Name, input: MethodInput<Name>): void
  /** Holds back everything that comes on this channel until `resume`. */
  wait(): void
  /** Goes on after `wait`; nothing happens when the channel is gone. */
  resume(): void
  /** False when the channel was closed while something was waited for. */
  readonly usable: boolean
  /** Ends the channel (or the connection) with an error. */
  fault(error: WaybillError): void
}
