/**
 * Walking over the bytes of field tables without decoding them: for the hot path, free of allocation. The grammar is in field.ts.
 */
import { assert } from '../base/assert.ts'
import { LIMITS } from '../base/limits.ts'
import { beyondContainer, nestedTooDeep, tooManyEntries, unknownTag } from './field-errors.ts'

/** Entries that the running `skipEntries` may still meet: a call runs to its end before another begins. */
let entriesLeft = 0

/**
 * Walks over the value whose tag is at `offset`, checking everything that decoding checks, without allocating.
 * @returns the offset after it
 * @throws SYNTAX_ERROR as {@link readTable}
 */
function skipField(bytes: Uint8Array, offset: number, end: number, depth: number): number {
  if (entriesLeft-- <= 0) throw tooManyEntries()
  if (offset >= end) throw beyondContainer(offset)
  const code = bytes[offset] as number
  let next = offset + 1
  switch (code) {
    case 0x53: // S
    case 0x78: // x
    case 0x46: // F
    case 0x41: // A
      if (next + 4 > end) throw beyondContainer(offset)
      next += 4 + readUint32(bytes, next)
      break
    case 0x49: // I
    case 0x69: // i
    case 0x66: // f
      next += 4
      break
    case 0x6c: // l
    case 0x4c: // L
    case 0x64: // d
    case 0x54: // T
      next += 8
      break
    case 0x74: // t
    case 0x62: // b
    case 0x42: // B
      next += 1
      break
    case 0x73: // s
    case 0x75: // u
      next += 2
      break
    case 0x44: // D
      next += 5
      break
    case 0x56: // V
      break
    default:
      throw unknownTag(code, offset)
  }
  if (next > end) throw beyondContainer(offset)
  if (code === 0x46) skipNestedTable(bytes, offset + 5, next, depth + 1)
  else if (code === 0x41) skipNestedArray(bytes, offset + 5, next, depth + 1)
  return next
}

function skipNestedTable(bytes: Uint8Array, start: number, end: number, depth: number): void {
  if (depth > LIMITS.headerNestingMax) throw nestedTooDeep()
  let at = start
  while (at < end) at = skipField(bytes, at + 1 + (bytes[at] as number), end, depth)
}

function skipNestedArray(bytes: Uint8Array, start: number, end: number, depth: number): void {
  if (depth > LIMITS.headerNestingMax) throw nestedTooDeep()
  let at = start
  while (at < end) at = skipField(bytes, at, end, depth)
}

/** Starts a walk over the entries of one table with {@link skipEntry}: resets the count of entries. */
export function beginEntries(): void {
  entriesLeft = LIMITS.headerEntriesMax
}

/**
 * Walks over one entry of a top-level table: its name starts (with the length) at `offset`. Allocation-free.
 * @returns the offset of the next entry
 * @throws SYNTAX_ERROR as {@link readTable}
 */
export function skipEntry(bytes: Uint8Array, offset: number, end: number): number {
  return skipField(bytes, offset + 1 + (bytes[offset] as number), end, 1)
}

/**
 * Finds a top-level entry in the entries `bytes[start, end)` (a table without its size) that were validated before. Allocation-free.
 * @returns the offset of the type tag of the first entry with that name, or -1
 */
export function findTableEntry(bytes: Uint8Array, start: number, end: number, name: Uint8Array): number {
  beginEntries()
  const nameLength = name.length
  let at = start
  while (at < end) {
    const length = bytes[at] as number
    const tagAt = at + 1 + length
    if (length === nameLength && tagAt < end) {
      let i = 0
      while (i < length && bytes[at + 1 + i] === name[i]) i++
      if (i === length) return tagAt
    }
    at = skipField(bytes, tagAt, end, 1)
  }
  return -1
}

/** What {@link integerAt} answers when the value is not an integer. */
const NOT_INTEGER = Number.NaN

/** The integer whose tag is at `tagAt` (any width, rounded to a double beyond 2^53), or NaN when it is something else. The entry was validated before. */
export function integerAt(bytes: Uint8Array, tagAt: number): number {
  assert(tagAt >= 0 && tagAt < bytes.length, 'the tag lies inside the bytes')
  const at = tagAt + 1
  const first = bytes[at] as number
  switch (bytes[tagAt]) {
    case 0x62:
      return (first << 24) >> 24
    case 0x42:
      return first
    case 0x73:
      return (((first << 8) | (bytes[at + 1] as number)) << 16) >> 16
    case 0x75:
      return (first << 8) | (bytes[at + 1] as number)
    case 0x49:
      return readUint32(bytes, at) | 0
    case 0x69:
      return readUint32(bytes, at)
    case 0x6c:
    case 0x4c:
      return (readUint32(bytes, at) | 0) * 2 ** 32 + readUint32(bytes, at + 4)
    default:
      return NOT_INTEGER
  }
}

function readUint32(bytes: Uint8Array, at: number): number {
  return (
    (((bytes[at] as number) << 24) | ((bytes[at + 1] as number) << 16) | ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number)) >>> 0
  )
}
