/**
 * What a queue knows of single messages beyond their place: when they expire, until when they are held back, how often they came back. Each part
 * is made when it is first needed: a queue without times to live, back-off and limits carries none of them.
 */
import { TimedHeap } from '../base/timed-heap.ts'
import type { MessageIndex } from './message-index.ts'

/** A heap is thinned out when more than half of its entries, and more than this many, are of messages that are gone. */
const GONE_MAX = 1_024
/** Stands for the time of a message that expired already: any time that is past. */
const LONG_PAST_MS = 1

/** Times and counts of the messages of one queue, by sequence number. An entry whose message is gone is skipped by whoever meets it. */
export class MessageTimes {
  expiry: TimedHeap | undefined
  held: TimedHeap | undefined
  attempts: Map<number, number> | undefined
  /** Messages that have expired and are still there: with a consumer (they go when they come back), or on their way to a dead-letter exchange. */
  #overdue: Set<number> | undefined
  readonly #index: MessageIndex

  constructor(index: MessageIndex) {
    this.#index = index
  }

  expireAt(sequence: number, atMs: number): void {
    this.expiry ??= new TimedHeap()
    this.expiry.push(atMs, sequence)
    this.#thin(this.expiry)
  }

  holdUntil(sequence: number, dueAtMs: number): void {
    this.held ??= new TimedHeap()
    this.held.push(dueAtMs, sequence)
    this.#thin(this.held)
  }

  /** Visits when each message expires, in no order; a time that is past for those that have expired. */
  forEachExpiry(visit: (atMs: number, sequence: number) => void): void {
    this.expiry?.forEach(visit)
    if (this.#overdue !== undefined) for (const sequence of this.#overdue) visit(LONG_PAST_MS, sequence)
  }

  /** How often the message was delivered and came back. */
  attemptsOf(sequence: number): number {
    return this.attempts === undefined ? 0 : (this.attempts.get(sequence) ?? 0)
  }

  setAttempts(sequence: number, attempts: number): void {
    this.attempts ??= new Map()
    this.attempts.set(sequence, attempts)
  }

  markOverdue(sequence: number): void {
    this.#overdue ??= new Set()
    this.#overdue.add(sequence)
  }

  /** True once for a message that expired while it was out. */
  takeOverdue(sequence: number): boolean {
    return this.#overdue !== undefined && this.#overdue.delete(sequence)
  }

  /** The message is gone. */
  forget(sequence: number): void {
    if (this.attempts !== undefined) this.attempts.delete(sequence)
    if (this.#overdue !== undefined) this.#overdue.delete(sequence)
  }

  /** When the next message expires or is not held any more, or Infinity. */
  get nextMs(): number {
    return Math.min(this.held?.firstTime ?? Infinity, this.expiry?.firstTime ?? Infinity)
  }

  /** Most messages are handled long before their time: their entries must not pile up until then. */
  #thin(heap: TimedHeap): void {
    if (heap.size <= this.#index.size * 2 + GONE_MAX) return
    heap.retain((sequence) => this.#index.positionOf(sequence) !== 0)
  }

  clear(): void {
    this.expiry = this.held = this.attempts = this.#overdue = undefined
  }
}
