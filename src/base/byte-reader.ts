/**
 * Reads values from borrowed bytes with every length checked against what is there, before anything is allocated.
 * Network byte order throughout. For whatever is not on the hot path.
 */
import { WaybillError } from './errors.ts'
import { viewOf } from './view-copy.ts'
import { decodeText } from './text.ts'

/** A cursor over `bytes[offset, end)`. */
export class ByteReader {
  readonly bytes: Uint8Array
  readonly #view: DataView
  offset: number
  end: number

  constructor(bytes: Uint8Array, offset = 0, end: number = bytes.length) {
    this.bytes = bytes
    this.#view = viewOf(bytes)
    this.offset = offset
    this.end = end
  }

  /** Bytes not read yet. */
  get remaining(): number {
    return this.end - this.offset
  }

  /**
   * Moves past `count` bytes. @returns the offset of the first of them
   * @throws SYNTAX_ERROR when there are not so many
   */
  take(count: number): number {
    const at = this.offset
    if (count > this.end - at) throw new WaybillError('SYNTAX_ERROR', `a field of ${count} bytes at offset ${at} ends beyond its container`)
    this.offset = at + count
    return at
  }

  uint8(): number {
    return this.bytes[this.take(1)] as number
  }

  int8(): number {
    return this.#view.getInt8(this.take(1))
  }

  uint16(): number {
    return this.#view.getUint16(this.take(2))
  }

  int16(): number {
    return this.#view.getInt16(this.take(2))
  }

  uint32(): number {
    return this.#view.getUint32(this.take(4))
  }

  int32(): number {
    return this.#view.getInt32(this.take(4))
  }

  /** A 64-bit unsigned integer: a number when exact, a bigint from 2^53 on. */
  uint64(): number | bigint {
    const value = this.#view.getBigUint64(this.take(8))
    return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value
  }

  /** A 64-bit signed integer: a number when exact, a bigint outside +-(2^53 - 1). */
  int64(): number | bigint {
    const value = this.#view.getBigInt64(this.take(8))
    return value <= BigInt(Number.MAX_SAFE_INTEGER) && value >= BigInt(Number.MIN_SAFE_INTEGER) ? Number(value) : value
  }

  float32(): number {
    return this.#view.getFloat32(this.take(4))
  }

  float64(): number {
    return this.#view.getFloat64(this.take(8))
  }

  /** Text of `length` bytes (see text.ts). */
  text(length: number): string {
    const at = this.take(length)
    return decodeText(this.bytes, at, at + length)
  }

  /** A copy of the next `length` bytes, owned by the caller. */
  copy(length: number): Buffer {
    const at = this.take(length)
    return Buffer.from(this.bytes.subarray(at, at + length))
  }
}
