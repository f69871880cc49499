/**
 * Why publishers should pause, if they should: one signal per server. Protocols listen to it: they stop reading from connections that
 * publish (`connection.pauseInput(PAUSE.publisher)`) and tell clients that want to know (AMQP: connection.blocked). Consumers go on, and nothing is lost.
 */

/** A reason for publishers to pause. */
export type PressureReason =
  /** The memory mark is exceeded. */
  | 'memory'
  /** The disk is full, or has less free space than its mark. */
  | 'disk'
  /** Too much waits for the disk. Lasts for moments: clients are not told. */
  | 'unsynced'

/** Told of every change. Nothing here may throw. */
export interface PressureListener {
  pressureChanged(): void
}

/** What a client is told (the texts of RabbitMQ, which clients show to people). */
const TEXTS: Readonly<Record<PressureReason, string | undefined>> = { memory: 'low on memory', disk: 'low on disk', unsynced: undefined }

/** See the head of this file. */
export class Pressure {
  readonly #reasons = new Set<PressureReason>()
  readonly #listeners = new Set<PressureListener>()

  /** Sets or takes away a reason. */
  set(reason: PressureReason, holds: boolean): void {
    if (this.#reasons.has(reason) === holds) return
    if (holds) this.#reasons.add(reason)
    else this.#reasons.delete(reason)
    for (const listener of this.#listeners) listener.pressureChanged()
  }

  has(reason: PressureReason): boolean {
    return this.#reasons.has(reason)
  }

  /** True when publishers should pause. */
  get paused(): boolean {
    return this.#reasons.size > 0
  }

  /** What clients are told, or undefined when there is nothing to tell. */
  get text(): string | undefined {
    const texts = [...this.#reasons].map((reason) => TEXTS[reason]).filter((text) => text !== undefined)
    return texts.length === 0 ? undefined : texts.sort().join(' & ')
  }

  listen(listener: PressureListener): void {
    this.#listeners.add(listener)
  }

  unlisten(listener: PressureListener): void {
    this.#listeners.delete(listener)
  }
}
