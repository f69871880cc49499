/**
 * Where the batches of one segment of a stream partition are: for each its first offset, time and position. docs/formats/journal.md has the
 * format of the file that is kept beside a segment that is complete.
 */
import { crc32 } from 'node:zlib'
import type { Position } from './storage.ts'

const MAGIC = Buffer.from('WBINDEX1')
const HEAD_SIZE = 16
const ENTRY_SIZE = 24
const FIELDS = 3
const CAPACITY_MIN = 64

/** The batches of a segment, in order. */
export class PartitionIndex {
  /** Offset, time, position, and so on. */
  #entries = new Float64Array(CAPACITY_MIN * FIELDS)
  count = 0
  #timeMax = -Infinity

  add(offset: number, timeMs: number, position: Position): void {
    const at = this.count * FIELDS
    if (at === this.#entries.length) {
      const grown = new Float64Array(this.#entries.length * 2)
      grown.set(this.#entries)
      this.#entries = grown
    }
    this.#entries[at] = offset
    this.#entries[at + 1] = timeMs
    this.#entries[at + 2] = position
    this.count++
    if (timeMs > this.#timeMax) this.#timeMax = timeMs
  }

  /** The latest time of a batch; -Infinity when there is none. */
  get timeMaxMs(): number {
    return this.#timeMax
  }

  offsetOf(index: number): number {
    return this.#entries[index * FIELDS] as number
  }

  timeOf(index: number): number {
    return this.#entries[index * FIELDS + 1] as number
  }

  positionOf(index: number): Position {
    return this.#entries[index * FIELDS + 2] as number
  }

  /** Index of the batch that holds `offset`, which is not before the first one. */
  find(offset: number): number {
    let low = 0
    let high = this.count
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.offsetOf(middle) <= offset) low = middle + 1
      else high = middle
    }
    return low - 1
  }

  /** Index of the first batch at or after a time; `count` when there is none. */
  findTime(timeMs: number): number {
    let index = 0
    while (index < this.count && this.timeOf(index) < timeMs) index++
    return index
  }

  toBytes(): Buffer {
    const bytes = Buffer.alloc(HEAD_SIZE + this.count * ENTRY_SIZE)
    MAGIC.copy(bytes)
    bytes.writeUInt32LE(this.count, 12)
    for (let i = 0; i < this.count; i++) {
      const at = HEAD_SIZE + i * ENTRY_SIZE
      bytes.writeBigUInt64LE(BigInt(this.offsetOf(i)), at)
      bytes.writeDoubleLE(this.timeOf(i), at + 8)
      bytes.writeBigUInt64LE(BigInt(this.positionOf(i)), at + 16)
    }
    bytes.writeUInt32LE(crc32(bytes.subarray(12)), 8)
    return bytes
  }

  /** @returns undefined when the bytes are no whole index */
  static fromBytes(bytes: Buffer): PartitionIndex | undefined {
    if (bytes.length < HEAD_SIZE || !bytes.subarray(0, 8).equals(MAGIC) || bytes.readUInt32LE(8) !== crc32(bytes.subarray(12)))
      return undefined
    const count = bytes.readUInt32LE(12)
    if (bytes.length !== HEAD_SIZE + count * ENTRY_SIZE) return undefined
    const index = new PartitionIndex()
    for (let at = HEAD_SIZE; at < bytes.length; at += ENTRY_SIZE) {
      index.add(Number(bytes.readBigUInt64LE(at)), bytes.readDoubleLE(at + 8), Number(bytes.readBigUInt64LE(at + 16)))
    }
    return index
  }
}
