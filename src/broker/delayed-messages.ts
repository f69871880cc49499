/**
 * Messages that wait for their time before they are routed, by the million: twelve bytes each in an index, sixteen in a heap; the message
 * itself stays in the log. When its time has come it is routed as the topology is then, without being copied: a record gives the
 * stored message its new references.
 */
import { assert } from '../base/assert.ts'
import { TimedHeap } from '../base/timed-heap.ts'
import { PHASE, type TurnTask } from '../base/turn.ts'
import type { Position } from '../storage/storage.ts'
import type { AlarmOwner } from './alarms.ts'
import { MessageIndex } from './message-index.ts'
import { type MovedFrom, type ReferenceOwner, writeMessage } from './message-record.ts'
import type { Publication } from './publication.ts'
import type { Services } from './services.ts'

const DUE_PER_TURN_MAX = 2_000

/**
 * Routes one due message that `log.locate` has just found; called by DelayedMessages only. After a crash, a message that was due before it may
 * have been routed and delivered although no record says so.
 */
export type RouteDue = (position: Position, from: MovedFrom, mayHaveBeenDelivered: boolean) => void

/** The delayed messages of one namespace. */
export class DelayedMessages implements ReferenceOwner, AlarmOwner, TurnTask {
  readonly number: number
  readonly durable = true
  readonly index = new MessageIndex()
  readonly heap = new TimedHeap()
  alarmAtMs = Infinity
  scheduled = false
  readonly #services: Services
  readonly #routeDue: RouteDue
  readonly #self: readonly ReferenceOwner[]
  #loading = false
  #closed = false
  /** Set after a crash: what was due by then may have been delivered. */
  #suspectUntilMs = 0

  constructor(services: Services, number: number, routeDue: RouteDue) {
    this.#services = services
    this.number = number
    this.#routeDue = routeDue
    this.#self = [this]
  }

  get nextSequence(): number {
    return this.index.nextSequence
  }

  /** Messages that wait. */
  get size(): number {
    return this.index.size
  }

  /** Stores a message until it is due. @returns the position its confirm waits for, or 0 */
  add(publication: Publication): number {
    const services = this.#services
    const nowMs = services.turn.nowMs
    const dueAtMs = nowMs + publication.delayMs
    const expiresAtMs = publication.expirationMs >= 0 ? dueAtMs + publication.expirationMs : 0
    const log = publication.persistent ? services.journal : services.memory
    const position = writeMessage(log, publication, this.#self, nowMs, expiresAtMs, dueAtMs, undefined, publication.persistent)
    log.retain(position)
    this.#watch(this.index.append(position, publication.bodySizeBytes), dueAtMs)
    if (!publication.persistent) return 0
    services.commitSoon()
    return log.end
  }

  alarm(): void {
    this.#services.turn.schedule(this, PHASE.deliver)
  }

  /** Routes what is due: bounded work, the rest in the next turn. */
  runAtTurnEnd(): void {
    if (this.#loading || this.#closed) return
    const services = this.#services
    let budget = DUE_PER_TURN_MAX
    const nowMs = services.clockMs()
    while (this.heap.firstTime <= nowMs) {
      if (budget-- === 0) return services.turn.schedule(this, PHASE.deliver)
      const sequence = this.heap.firstNumber
      const position = this.index.positionOf(sequence)
      if (position !== 0) {
        const log = services.storage.logOf(position)
        if (!log.locate(position)) return this.#load(position, sequence)
        this.#routeDue(position, { number: this.number, sequence }, this.heap.firstTime <= this.#suspectUntilMs)
      }
      this.heap.pop()
    }
    if (this.heap.size > 0) services.alarms.set(this, this.heap.firstTime)
  }

  /** The message is routed (a record says so): it is not here any more. The log's reference is given up. */
  remove(sequence: number): void {
    const position = this.index.remove(sequence)
    assert(position !== 0, 'only a present message leaves')
    this.#services.storage.logOf(position).release(position)
  }

  restore(sequence: number, position: Position, sizeBytes: number, dueAtMs: number): void {
    this.index.restore(sequence, position, sizeBytes)
    this.heap.push(dueAtMs, sequence)
  }

  restoreSettled(sequence: number): void {
    this.index.remove(sequence)
  }

  restored(suspect: boolean): void {
    if (suspect) this.#suspectUntilMs = this.#services.clockMs()
    this.index.forEach((_sequence, position) => this.#services.storage.logOf(position).retain(position))
    if (this.heap.size > 0) this.#services.alarms.set(this, this.heap.firstTime)
  }

  /** The namespace goes. */
  clear(): void {
    this.#closed = true
    this.index.forEach((sequence) => this.remove(sequence))
    this.heap.clear()
  }

  #watch(sequence: number, dueAtMs: number): void {
    this.heap.push(dueAtMs, sequence)
    this.#services.alarms.set(this, dueAtMs)
  }

  #load(position: Position, sequence: number): void {
    this.#loading = true
    this.#services.storage.logOf(position).load(position, (error) => {
      this.#loading = false
      if (error !== null) {
        // It stays in the index and in the journal, but leaves the others alone.
        this.#services.readFailed(error)
        if (this.heap.size > 0 && this.heap.firstNumber === sequence) this.heap.pop()
      }
      this.runAtTurnEnd()
    })
  }
}
