/**
 * A consumer of a queue: who receives, and how much it may have unsettled.
 */
import type { FieldTable } from '../message/field.ts'
import type { Queue } from './queue.ts'
import type { Session } from './session.ts'

/** What a protocol states when it subscribes. */
export interface ConsumerOptions {
  /** Name of the consumer, unique in its session. */
  readonly tag: string
  /** Deliveries are settled when they are sent. */
  readonly noAck: boolean
  readonly exclusive: boolean
  /** Consumers of a higher priority are served first while they have credit. */
  readonly priority: number
  /** How many deliveries it may have unsettled; 0: any number. */
  readonly prefetch: number
  /** A delivery unsettled for longer ends the session; undefined: the queue's setting. */
  readonly timeoutMs: number | undefined
  readonly arguments: FieldTable
}

/** One subscription of a session to a queue. */
export class Consumer {
  readonly session: Session
  readonly queue: Queue
  readonly tag: string
  readonly noAck: boolean
  readonly exclusive: boolean
  readonly priority: number
  readonly timeoutMs: number | undefined
  readonly arguments: FieldTable
  /** Deliveries it may have unsettled; 0: any number. */
  readonly prefetch: number
  /** Deliveries it has unsettled. */
  unsettled = 0
  /** Owned by ConsumerRing: it stands in line for deliveries. */
  inLine = false
  cancelled = false
  /** A place for the protocol: what it needs at each delivery, prepared once. */
  attachment: unknown = undefined

  constructor(session: Session, queue: Queue, options: ConsumerOptions) {
    this.session = session
    this.queue = queue
    this.tag = options.tag
    this.noAck = options.noAck
    this.exclusive = options.exclusive
    this.priority = options.priority
    this.prefetch = options.prefetch
    this.timeoutMs = options.timeoutMs
    this.arguments = options.arguments
  }

  /** It has credit, and its connection takes output. */
  get canReceive(): boolean {
    const session = this.session
    if (!session.receiving || this.cancelled) return false
    if (this.noAck) return true
    if (this.prefetch !== 0 && this.unsettled >= this.prefetch) return false
    return session.prefetch === 0 || session.consumedCount < session.prefetch
  }
}
