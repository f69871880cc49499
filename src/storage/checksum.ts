/**
 * CRC-32 (the zlib polynomial), as every record carries it.
 *
 * Short runs are computed here, eight bytes a step over an Int32Array; longer ones by zlib, whose call and the view it needs cost more
 * than they save below about 450 bytes (bench/micro/journal.ts measures both: 87 ns against 142 at 160 bytes). Both give the same value.
 */
import { endianness } from 'node:os'
import { crc32 } from 'node:zlib'
import { assert } from '../base/assert.ts'

const NATIVE_FROM_BYTES = 448
const POLYNOMIAL = 0xedb88320

// The tables and the word-wise loop read the bytes of a word in the order of a little-endian machine, as the files are written.
assert(endianness() === 'LE', 'the journal runs on little-endian machines')

function buildTables(): Int32Array[] {
  const tables = Array.from({ length: 8 }, () => new Int32Array(256))
  const first = tables[0] as Int32Array
  for (let i = 0; i < 256; i++) {
    let crc = i
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) !== 0 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1
    first[i] = crc
  }
  for (let slice = 1; slice < 8; slice++) {
    const before = tables[slice - 1] as Int32Array
    const table = tables[slice] as Int32Array
    for (let i = 0; i < 256; i++) {
      const crc = before[i] as number
      table[i] = (crc >>> 8) ^ (first[crc & 0xff] as number)
    }
  }
  return tables
}

const [T0, T1, T2, T3, T4, T5, T6, T7] = buildTables() as [
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
]

/**
 * The checksum of `bytes[start, end)`, continued from `seed` (0 to begin), as a signed 32-bit integer.
 * @param words the same memory as `bytes`, with the same origin
 * @param start a multiple of 4
 */
export function checksum(words: Int32Array, bytes: Buffer, start: number, end: number, seed: number): number {
  if (end - start >= NATIVE_FROM_BYTES) return crc32(bytes.subarray(start, end), seed >>> 0) | 0
  return checksumShort(words, bytes, start, end, seed)
}

/** {@link checksum} without zlib. */
export function checksumShort(words: Int32Array, bytes: Buffer, start: number, end: number, seed: number): number {
  let crc = ~seed
  let word = start >>> 2
  const pairsEnd = word + (((end - start) >>> 3) << 1)
  while (word < pairsEnd) {
    const a = (words[word] as number) ^ crc
    const b = words[word + 1] as number
    word += 2
    crc =
      (T7[a & 0xff] as number) ^
      (T6[(a >>> 8) & 0xff] as number) ^
      (T5[(a >>> 16) & 0xff] as number) ^
      (T4[a >>> 24] as number) ^
      (T3[b & 0xff] as number) ^
      (T2[(b >>> 8) & 0xff] as number) ^
      (T1[(b >>> 16) & 0xff] as number) ^
      (T0[b >>> 24] as number)
  }
  for (let at = word << 2; at < end; at++) crc = (crc >>> 8) ^ (T0[(crc ^ (bytes[at] as number)) & 0xff] as number)
  return ~crc
}
