/** Which reasons there are for publishers to pause; the owner hears of each change once. */

/** Why publishers should pause. */
export type PressureReason = 'disk-full' | 'unsynced'

/** The reasons that hold now. */
export class Pressure {
  readonly #changed: (paused: boolean, reason: PressureReason) => void
  readonly #unsyncedSizeBytesMax: number
  #allocationFull = false
  #writingFull = false
  #unsynced = false

  constructor(unsyncedSizeBytesMax: number, changed: (paused: boolean, reason: PressureReason) => void) {
    this.#unsyncedSizeBytesMax = unsyncedSizeBytesMax
    this.#changed = changed
  }

  /** The disk had no room for blocks allocated ahead, or has again. */
  allocationFull(full: boolean): void {
    const before = this.#full
    this.#allocationFull = full
    if (this.#full !== before) this.#changed(full, 'disk-full')
  }

  /** The disk had no room for a commit, or has again. */
  writingFull(full: boolean): void {
    const before = this.#full
    this.#writingFull = full
    if (this.#full !== before) this.#changed(full, 'disk-full')
  }

  /** So many bytes are not on the disk: begins above the limit, ends below half of it. */
  unsynced(sizeBytes: number): void {
    const over = sizeBytes > (this.#unsynced ? this.#unsyncedSizeBytesMax / 2 : this.#unsyncedSizeBytesMax)
    if (over === this.#unsynced) return
    this.#unsynced = over
    this.#changed(over, 'unsynced')
  }

  get #full(): boolean {
    return this.#allocationFull || this.#writingFull
  }
}
