/**
 * What a queue knows of single messages beyond their place: when they expire, until when they are held back, how often they came back. Each part
 * is made when it is first needed: a queue without times to live, back-off and limits carries none of them.
 */
import { TimedHeap } from '../base/timed-heap.ts'

/** Times and counts of the messages of one queue, by sequence number. An entry whose message is gone is skipped by whoever meets it. */
export class MessageTimes {
  expiry: TimedHeap | undefined
  held: TimedHeap | undefined
  attempts: Map<number, number> | undefined
  /** Messages that expired while they were out: they go when they come back. */
  #overdue: Set<number> | undefined

  expireAt(sequence: number, atMs: number): void {
    this.expiry ??= new TimedHeap()
    this.expiry.push(atMs, sequence)
  }

  holdUntil(sequence: number, dueAtMs: number): void {
    this.held ??= new TimedHeap()
    this.held.push(dueAtMs, sequence)
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

  clear(): void {
    this.expiry = this.held = this.attempts = this.#overdue = undefined
  }
}
