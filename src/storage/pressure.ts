/** Which reasons there are for publishers to pause; the owner hears of each change once. */

/** Why publishers should pause. */
export type PressureReason = 'disk-full' | 'unsynced'

/** The reasons that hold now. */
export class Pressure {
  readonly #changed: (paused: boolean, reason: PressureReason) => void
  readonly #unsyncedSizeBytesMax: number
  /** How many writers wait for room on the disk. */
  #fullCount = 0
  #unsynced = false

  constructor(unsyncedSizeBytesMax: number, changed: (paused: boolean, reason: PressureReason) => void) {
    this.#unsyncedSizeBytesMax = unsyncedSizeBytesMax
    this.#changed = changed
  }

  /** One writer found the disk full, or has room again: each tells both in turn. */
  full(full: boolean): void {
    this.#fullCount += full ? 1 : -1
    if (this.#fullCount === (full ? 1 : 0)) this.#changed(full, 'disk-full')
  }

  /** So many bytes are not on the disk: begins above the limit, ends below half of it. */
  unsynced(sizeBytes: number): void {
    const over = sizeBytes > (this.#unsynced ? this.#unsyncedSizeBytesMax / 2 : this.#unsyncedSizeBytesMax)
    if (over === this.#unsynced) return
    this.#unsynced = over
    this.#changed(over, 'unsynced')
  }
}
