/**
 * Messages that wait for their time before they are routed, by the million: twelve bytes each in an index, sixteen in a heap; the message
 * itself stays in the log. When its time has come it is routed as the topology is then.
 *
 * A message that is still in memory is not copied: a small record gives the stored message its new references. Others lie anywhere in the
 * journal, and reading them one by one when they are due would be far too slow: those that are due soon are brought ahead of time, in the
 * order of their positions (StagedMessages), and stored anew when they are due, where their consumers find them in memory.
 */
import { assert } from '../base/assert.ts'
import { WaybillError } from '../base/errors.ts'
import { LIMITS } from '../base/limits.ts'
import { TimedHeap } from '../base/timed-heap.ts'
import { PHASE, type TurnTask } from '../base/turn.ts'
import type { Position } from '../storage/storage.ts'
import type { AlarmOwner } from './alarms.ts'
import { MessageIndex } from './message-index.ts'
import { addKeysToAddress, MessageView, type MovedFrom, type ReferenceOwner, writeMessage } from './message-record.ts'
import type { Publication } from './publication.ts'
import type { Services } from './services.ts'
import { StagedMessages } from './staged-messages.ts'

const DUE_PER_TURN_MAX = 4_000
/** Messages are brought into memory this long before they are due; the alarm comes this early, too. */
const AHEAD_MS = 4_000
const BATCHES_MAX = 4

/** A delayed message whose time has come. */
export interface DueMessage {
  readonly message: MessageView
  readonly from: MovedFrom
  /** Where it is stored, when it can stay there; 0: it has to be stored anew. */
  readonly position: Position
  /** It asked for durability: its end at the delayed store has to be recorded. */
  readonly journaled: boolean
  /** After a crash: it was due before, and may have been routed and delivered although no record says so. */
  readonly mayHaveBeenDelivered: boolean
}

/** Routes one due message, at once; its bytes are borrowed. Called by DelayedMessages only. */
export type RouteDue = (due: DueMessage) => void

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
  /** Brought ahead and complete, and being brought. */
  #staged: StagedMessages[] = []
  #staging: StagedMessages | undefined
  /** Messages that the disk did not give back, with their due times: the next start tries again. */
  readonly #unreadable = new Map<number, number>()
  /** Set after a crash: what was due by then may have been delivered. */
  #suspectUntilMs = 0
  /** Its own: what is delivered while a message is routed must not change it. */
  readonly #dueView = new MessageView()

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

  /**
   * Stores a message until it is due.
   * @returns the position its confirm waits for, or 0
   * @throws WaybillError PRECONDITION_FAILED when the delay is too long
   */
  add(publication: Publication): number {
    const services = this.#services
    const nowMs = services.turn.nowMs
    if (publication.delayMs > LIMITS.delayMsMax)
      throw new WaybillError('PRECONDITION_FAILED', `a delay of ${publication.delayMs} ms is too long`)
    if (publication.moreKeys !== undefined) addKeysToAddress(publication, publication.moreKeys)
    const dueAtMs = nowMs + publication.delayMs
    const expiresAtMs = publication.expirationMs >= 0 ? dueAtMs + publication.expirationMs : 0
    const log = publication.persistent ? services.journal : services.memory
    const position = writeMessage(log, publication, this.#self, nowMs, expiresAtMs, dueAtMs, undefined, publication.persistent)
    log.retain(position)
    this.heap.push(dueAtMs, this.index.append(position, publication.bodySizeBytes))
    this.#watch()
    if (!publication.persistent) return 0
    services.commitSoon()
    return log.end
  }

  alarm(): void {
    this.#services.turn.schedule(this, PHASE.deliver)
  }

  /** Routes what is due, the earliest first: bounded work, the rest in the next turn. Brings what is due soon. */
  runAtTurnEnd(): void {
    let budget = DUE_PER_TURN_MAX
    const nowMs = this.#services.clockMs()
    for (;;) {
      const staged = this.#firstStaged()
      const stagedAtMs = staged?.firstTime ?? Infinity
      const heapAtMs = this.heap.firstTime
      if (Math.min(stagedAtMs, heapAtMs) > nowMs) break
      // What is being brought comes before what is due later.
      if (Math.min(stagedAtMs, heapAtMs) >= (this.#staging?.firstTime ?? Infinity)) break
      if (budget-- === 0) return this.#services.turn.schedule(this, PHASE.deliver)
      if (staged !== undefined && stagedAtMs <= heapAtMs) this.#routeStaged(staged)
      else if (!this.#routeFirst()) break
    }
    this.#stageAhead(nowMs)
    this.#watch()
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
    this.#watch()
  }

  /** Every message that waits, with its due time, in no order. Those of settled messages may be among them. */
  forEachDue(visit: (dueAtMs: number, sequence: number) => void): void {
    this.heap.forEach(visit)
    for (const staged of this.#staged) staged.forEach(visit)
    this.#staging?.forEach(visit)
    for (const [sequence, dueAtMs] of this.#unreadable) visit(dueAtMs, sequence)
  }

  /** Routes the first of the heap if it is in memory (or gone). @returns false when it has to be brought first */
  #routeFirst(): boolean {
    const services = this.#services
    const sequence = this.heap.firstNumber
    const position = this.index.positionOf(sequence)
    if (position !== 0) {
      const log = services.storage.logOf(position)
      if (!log.locate(position)) return false
      const mayHaveBeenDelivered = this.heap.firstTime <= this.#suspectUntilMs
      const message = this.#dueView.openFound(log)
      this.#routeDue({ message, from: { number: this.number, sequence }, position, journaled: position > 0, mayHaveBeenDelivered })
    }
    this.heap.pop()
    return true
  }

  #routeStaged(staged: StagedMessages): void {
    const dueAtMs = staged.firstTime
    const sequence = staged.firstSequence
    const position = this.index.positionOf(sequence)
    if (position !== 0 && staged.openFirst(this.#dueView)) {
      const mayHaveBeenDelivered = dueAtMs <= this.#suspectUntilMs
      const from = { number: this.number, sequence }
      this.#routeDue({ message: this.#dueView, from, position: 0, journaled: position > 0, mayHaveBeenDelivered })
    } else if (position !== 0) {
      this.#unreadable.set(sequence, dueAtMs)
    }
    staged.shift()
    if (staged.size === 0) this.#staged = this.#staged.filter((each) => each !== staged)
  }

  /** The complete batch with the earliest message. Seldom are there two. */
  #firstStaged(): StagedMessages | undefined {
    let first = this.#staged[0]
    for (const staged of this.#staged) if (first !== undefined && staged.firstTime < first.firstTime) first = staged
    return first
  }

  /** Begins to bring what is due soon, when the first of it is not in memory and at most one batch waits. */
  #stageAhead(nowMs: number): void {
    if (this.heap.firstTime > nowMs + AHEAD_MS || !this.#mayStage(nowMs)) return
    const first = this.index.positionOf(this.heap.firstNumber)
    if (first === 0 || this.#services.storage.logOf(first).locate(first)) return
    const staging = new StagedMessages(this.#services, this.index)
    while (this.heap.firstTime <= nowMs + AHEAD_MS && staging.hasRoom) {
      const dueAtMs = this.heap.firstTime
      staging.add(dueAtMs, this.heap.pop())
    }
    this.#staging = staging
    staging.bring(() => {
      this.#staging = undefined
      if (staging.size > 0) this.#staged.push(staging)
      this.#services.turn.schedule(this, PHASE.deliver)
    })
  }

  /** One batch is brought at a time; two wait at most, or a few more when what is not in memory is due now. */
  #mayStage(nowMs: number): boolean {
    if (this.#staging !== undefined) return false
    return this.#staged.length < (this.heap.firstTime <= nowMs ? BATCHES_MAX : 2)
  }

  /** Wakes in time to bring what is due next; when it cannot be brought yet, the end of a batch wakes. */
  #watch(): void {
    const nowMs = this.#services.clockMs()
    const stagedAtMs = this.#firstStaged()?.firstTime ?? Infinity
    let heapAtMs = this.heap.firstTime
    if (heapAtMs <= nowMs && !this.#mayStage(nowMs)) heapAtMs = Infinity
    else if (heapAtMs - AHEAD_MS > nowMs) heapAtMs -= AHEAD_MS
    const atMs = Math.min(stagedAtMs, heapAtMs)
    // What is being brought comes first, and its end wakes.
    if (atMs >= (this.#staging?.firstTime ?? Infinity) && atMs <= nowMs) return
    if (atMs !== Infinity) this.#services.alarms.set(this, atMs)
  }
}
