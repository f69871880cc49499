/**
 * Copies what still counts out of a part of the log that is mostly dead, so that the part can be given back: a message that sits in its
 * queue for weeks does not hold a whole segment. Bounded work per turn; a message that is settled while it waits for its copy is not copied.
 */
import { PHASE, type TurnTask } from '../base/turn.ts'
import type { Victim } from '../storage/storage.ts'
import type { Broker } from './broker.ts'
import type { MessageIndex } from './message-index.ts'
import { writeCopied } from './message-record.ts'

const COPIES_PER_TURN_MAX = 500
const COPY_SIZE_PER_TURN_MAX_BYTES = 1024 * 1024

interface Reference {
  readonly index: MessageIndex
  readonly number: number
  readonly sequence: number
  readonly durable: boolean
}

/** One compaction at a time. */
export class Compaction implements TurnTask {
  scheduled = false
  readonly #broker: Broker
  #positions: number[] = []
  #references = new Map<number, Reference[]>()
  #at = 0
  #running = false
  /** Something of the journal was copied. */
  #copied = false

  constructor(broker: Broker) {
    this.#broker = broker
  }

  get running(): boolean {
    return this.#running
  }

  /** Starts to copy the references in `victim`; ignored while another one is under way (the storage asks again). */
  start(victim: Victim): void {
    if (this.#running) return
    this.#running = true
    this.#copied = false
    this.#references.clear()
    for (const namespace of this.#broker.namespaces.values()) {
      this.#gather(victim, namespace.delayed.index, namespace.delayed.number, true)
    }
    for (const queue of this.#broker.queuesByNumber.values()) this.#gather(victim, queue.index, queue.number, queue.durable)
    this.#positions = [...this.#references.keys()].sort((a, b) => a - b)
    this.#at = 0
    this.#broker.services.turn.schedule(this, PHASE.deliver)
  }

  runAtTurnEnd(): void {
    const { storage } = this.#broker.services
    let copies = 0
    let sizeBytes = 0
    while (this.#at < this.#positions.length) {
      if (copies++ === COPIES_PER_TURN_MAX || sizeBytes > COPY_SIZE_PER_TURN_MAX_BYTES) {
        return this.#broker.services.turn.schedule(this, PHASE.deliver)
      }
      const position = this.#positions[this.#at] as number
      const references = (this.#references.get(position) as Reference[]).filter(
        ({ index, sequence }) => index.positionOf(sequence) === position,
      )
      if (references.length > 0) {
        const log = storage.logOf(position)
        if (!log.locate(position)) return this.#load(position)
        sizeBytes += log.foundSizeBytes
        this.#copy(position, references)
      }
      this.#at++
    }
    this.#finish()
  }

  #copy(position: number, references: readonly Reference[]): void {
    const services = this.#broker.services
    const log = services.storage.logOf(position)
    const listed = position > 0 ? references.filter(({ durable }) => durable) : []
    const copy = writeCopied(log, services.view.openFound(log), listed)
    for (const { index, sequence } of references) {
      log.retain(copy)
      index.moveTo(sequence, copy)
      log.release(position)
    }
    if (position < 0) return
    this.#copied = true
    services.commitSoon()
  }

  #load(position: number): void {
    this.#broker.services.storage.logOf(position).load(position, (error) => {
      if (error !== null) {
        this.#broker.services.readFailed(error)
        this.#at++
      }
      this.runAtTurnEnd()
    })
  }

  /**
   * The old part can go once a checkpoint knows the new places. Without a copy there is none: a part with a damaged message stays, is named
   * again after each checkpoint, and must not cause the next one.
   */
  #finish(): void {
    this.#running = false
    this.#positions = []
    this.#references.clear()
    if (this.#copied) void this.#broker.checkpoint()
  }

  #gather(victim: Victim, index: MessageIndex, number: number, durable: boolean): void {
    index.forEach((sequence, position) => {
      if (position < victim.start || position >= victim.end) return
      const list = this.#references.get(position)
      const reference = { index, number, sequence, durable }
      if (list === undefined) this.#references.set(position, [reference])
      else list.push(reference)
    })
  }
}
