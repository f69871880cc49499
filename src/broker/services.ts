/**
 * What the parts of a broker share. One instance per broker; every part gets it in its constructor.
 */
import type { MessageFacets } from '../message/facets.ts'
import type { MessageForms } from '../message/properties.ts'
import type { Random } from '../base/random.ts'
import type { Turn } from '../base/turn.ts'
import type { Log, Storage } from '../storage/storage.ts'
import type { Alarms } from './alarms.ts'
import type { MessageView } from './message-record.ts'
import type { Queue } from './queue.ts'

/** Why a message is dead-lettered; the words are RabbitMQ's. */
export type DeadLetterReason = 'expired' | 'rejected' | 'maxlen' | 'delivery_limit'

/** The shared parts. */
export interface Services {
  readonly turn: Turn
  readonly random: Random
  readonly storage: Storage
  readonly journal: Log
  readonly memory: Log
  readonly alarms: Alarms
  readonly forms: MessageForms
  /** Scratch for scanning properties away from the fast path. */
  readonly facets: MessageFacets
  /** The one view that reads records on the hot path. Its fields are overwritten by the next read. */
  readonly view: MessageView
  /** The queue has settlements that go into the next commit. */
  settlementsPending(queue: Queue): void
  /** The wall clock now; hot paths read `turn.nowMs`. */
  clockMs(): number
  /** Schedules a commit at the end of this turn. */
  commitSoon(): void
  /**
   * Takes over a message that its queue has set aside (state out, counted neither as waiting nor as unsettled): moves it to the
   * dead-letter exchange, then calls `queue.drop`. Without a dead-letter exchange the queue drops it itself and does not call this.
   */
  deadLetter(queue: Queue, sequence: number, reason: DeadLetterReason): void
  /** The queue is to be deleted: it expired unused, or its last consumer left and it is auto-delete. */
  deleteQueue(queue: Queue): void
  /** The storage cannot give back a message. */
  readFailed(error: Error): void
}
