/**
 * A growing buffer for whatever is not on the hot path: methods other than deliveries, tables, properties, checkpoints.
 * Network byte order throughout.
 */
import { assert } from './assert.ts'
import { viewOf } from './view-copy.ts'
import { encodeText } from './text.ts'

const INITIAL_SIZE_BYTES = 256

/** Appends values; `bytes` gives what was written. One writer can be used again after `clear`. */
export class ByteWriter {
  #buffer: Buffer
  #view: DataView
  #length = 0

  constructor(initialSizeBytes: number = INITIAL_SIZE_BYTES) {
    this.#buffer = Buffer.allocUnsafeSlow(Math.max(8, initialSizeBytes))
    this.#view = viewOf(this.#buffer)
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#length
  }

  /** What was written: borrowed, valid until the next write or `clear`. */
  bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length)
  }

  /** A copy of what was written, owned by the caller. */
  copy(): Buffer {
    return Buffer.from(this.bytes())
  }

  clear(): void {
    this.#length = 0
  }

  uint8(value: number): void {
    this.#grow(1)
    this.#buffer[this.#length++] = value
  }

  uint16(value: number): void {
    this.#grow(2)
    this.#view.setUint16(this.#length, value)
    this.#length += 2
  }

  uint32(value: number): void {
    this.#grow(4)
    this.#view.setUint32(this.#length, value)
    this.#length += 4
  }

  /** A 64-bit unsigned integer; a number must be exact (below 2^53). */
  uint64(value: number | bigint): void {
    this.#grow(8)
    if (typeof value === 'bigint') {
      this.#view.setBigUint64(this.#length, value)
    } else {
      assert(Number.isSafeInteger(value) && value >= 0, 'a 64-bit number is exact')
      this.#view.setUint32(this.#length, Math.floor(value / 2 ** 32))
      this.#view.setUint32(this.#length + 4, value >>> 0)
    }
    this.#length += 8
  }

  int64(value: bigint): void {
    this.#grow(8)
    this.#view.setBigInt64(this.#length, value)
    this.#length += 8
  }

  float32(value: number): void {
    this.#grow(4)
    this.#view.setFloat32(this.#length, value)
    this.#length += 4
  }

  float64(value: number): void {
    this.#grow(8)
    this.#view.setFloat64(this.#length, value)
    this.#length += 8
  }

  /** Copies bytes in. */
  raw(source: Uint8Array, start = 0, end: number = source.length): void {
    assert(start >= 0 && start <= end && end <= source.length, 'the range lies inside the source')
    this.#grow(end - start)
    this.#buffer.set(start === 0 && end === source.length ? source : source.subarray(start, end), this.#length)
    this.#length += end - start
  }

  /** The text's bytes, without a length. @returns their number */
  text(text: string): number {
    // A UTF-16 unit takes at most three bytes, so the reserved room is always enough.
    if (!text.isWellFormed()) {
      const bytes = encodeText(text)
      this.raw(bytes)
      return bytes.length
    }
    this.#grow(text.length * 3)
    const written = this.#buffer.write(text, this.#length, 'utf8')
    this.#length += written
    return written
  }

  /** Leaves `count` bytes to be filled later by `setUint32` or `setUint8`. @returns their offset */
  skip(count: number): number {
    this.#grow(count)
    const at = this.#length
    this.#buffer.fill(0, at, at + count)
    this.#length += count
    return at
  }

  setUint8(at: number, value: number): void {
    assert(at < this.#length, 'the byte was written before')
    this.#buffer[at] = value
  }

  setUint32(at: number, value: number): void {
    assert(at + 4 <= this.#length, 'the bytes were written before')
    this.#view.setUint32(at, value)
  }

  #grow(count: number): void {
    const needed = this.#length + count
    if (needed <= this.#buffer.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.#buffer.length * 2))
    larger.set(this.bytes())
    this.#buffer = larger
    this.#view = viewOf(larger)
  }
}
