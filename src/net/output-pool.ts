/**
 * Buffers for output, shared by all connections: a connection holds one only while it has something to send, so that
 * thousands of idle connections hold none.
 */

const KIB = 1024

/** Sizes of the pooled buffers, ascending. */
export const OUTPUT_BUFFER_SIZES_BYTES = [16 * KIB, 64 * KIB, 256 * KIB] as const

/** How many free buffers of each size are kept for the next turn: 11 MiB at most. */
const FREE_COUNT_MAX = [64, 32, 32] as const

/** Free lists of output buffers. One per server. */
export class OutputPool {
  readonly #free: [Buffer[], Buffer[], Buffer[]] = [[], [], []]

  /** A buffer of at least `sizeBytes`, owned by the caller until `give`. Larger than the largest size: made for this one use. */
  take(sizeBytes: number): Buffer {
    for (let i = 0; i < OUTPUT_BUFFER_SIZES_BYTES.length; i++) {
      const classSizeBytes = OUTPUT_BUFFER_SIZES_BYTES[i] as number
      if (sizeBytes <= classSizeBytes) return (this.#free[i] as Buffer[]).pop() ?? Buffer.allocUnsafeSlow(classSizeBytes)
    }
    return Buffer.allocUnsafeSlow(sizeBytes)
  }

  /** Takes a buffer back. Only whole buffers from `take`; one of an odd size is left to the garbage collector. */
  give(buffer: Buffer): void {
    for (let i = 0; i < OUTPUT_BUFFER_SIZES_BYTES.length; i++) {
      if (buffer.length !== OUTPUT_BUFFER_SIZES_BYTES[i]) continue
      const free = this.#free[i] as Buffer[]
      if (free.length < (FREE_COUNT_MAX[i] as number)) free.push(buffer)
      return
    }
  }

  /** Bytes kept for later use. */
  get freeSizeBytes(): number {
    let sum = 0
    for (const list of this.#free) for (const buffer of list) sum += buffer.length
    return sum
  }
}
