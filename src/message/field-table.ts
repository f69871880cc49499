/**
 * Encoding and decoding of field tables; the grammar is in field.ts [AMQP-0-9-1 4.2.5.5].
 *
 * Decoding loses nothing: encoding a decoded table gives the same bytes, duplicates and order included. Nesting and the number of
 * entries are bounded (limits.ts); nothing is allocated from a declared length before the bytes are known to be there.
 */
import { ByteReader } from '../base/byte-reader.ts'
import { ByteWriter } from '../base/byte-writer.ts'
import { WaybillError } from '../base/errors.ts'
import { LIMITS } from '../base/limits.ts'
import { nestedTooDeep, tooManyEntries, unknownTag } from './field-errors.ts'
import { field, FieldTable, tableOf } from './field.ts'
import type { EncodableTable, Field, FieldEntry } from './field.ts'

/** Appends a table with its size. @throws PRECONDITION_FAILED when a name is longer than 255 bytes or nesting is beyond the limit */
export function writeTable(writer: ByteWriter, source: EncodableTable, depth = 0): void {
  const table = tableOf(source, depth)
  const sizeAt = writer.skip(4)
  for (const entry of table.entries) writeEntry(writer, entry.name, entry.field, depth)
  writer.setUint32(sizeAt, writer.length - sizeAt - 4)
}

/** Appends one entry of a table: name, tag, payload. */
export function writeEntry(writer: ByteWriter, name: string, value: Field, depth = 0): void {
  const lengthAt = writer.skip(1)
  const length = writer.text(name)
  if (length > LIMITS.nameSizeBytesMax)
    throw new WaybillError('PRECONDITION_FAILED', `a header name has ${length} bytes, at most 255 are possible`)
  writer.setUint8(lengthAt, length)
  writeField(writer, value, depth)
}

/** Appends one value with its tag. */
function writeField(writer: ByteWriter, value: Field, depth = 0): void {
  if (depth > LIMITS.headerNestingMax)
    throw new WaybillError('PRECONDITION_FAILED', `a header is nested deeper than ${LIMITS.headerNestingMax}`)
  writer.uint8(value.tag.charCodeAt(0))
  if (value.raw !== null) {
    writer.raw(value.raw)
    return
  }
  switch (value.tag) {
    case 'V':
      return
    case 't':
      return writer.uint8(value.value ? 1 : 0)
    case 'b':
    case 'B':
      return writer.uint8(value.value & 0xff)
    case 's':
    case 'u':
      return writer.uint16(value.value & 0xffff)
    case 'I':
    case 'i':
      return writer.uint32(value.value >>> 0)
    case 'l':
    case 'L':
      return writer.int64(BigInt(value.value))
    case 'T':
      return writer.uint64(value.value)
    case 'f':
      return writer.float32(value.value)
    case 'd':
      return writer.float64(value.value)
    case 'D':
      writer.uint8(value.value.scale)
      return writer.uint32(value.value.unscaled >>> 0)
    case 'F':
      return writeTable(writer, value.value, depth + 1)
    case 'S':
    case 'x':
    case 'A': {
      const sizeAt = writer.skip(4)
      if (value.tag === 'S') writer.text(value.value)
      else if (value.tag === 'x') writer.raw(value.value)
      else for (const item of value.value) writeField(writer, item, depth + 1)
      return writer.setUint32(sizeAt, writer.length - sizeAt - 4)
    }
  }
}

/** The bytes of a table with its size; the caller owns them. */
export function encodeTable(source: EncodableTable): Buffer {
  const writer = new ByteWriter()
  writeTable(writer, source)
  return writer.copy()
}

/** Decodes one table at the reader's offset. @throws SYNTAX_ERROR when the bytes are not a table or exceed a limit */
export function readTable(reader: ByteReader): FieldTable {
  return new TableDecoder(reader).table(1)
}

/** Decodes a table (with its size) that fills `bytes[start, end)` exactly. @throws SYNTAX_ERROR as {@link readTable}, and for bytes after the table */
export function decodeTable(bytes: Uint8Array, start = 0, end: number = bytes.length): FieldTable {
  const reader = new ByteReader(bytes, start, end)
  const table = readTable(reader)
  if (reader.remaining > 0) throw new WaybillError('SYNTAX_ERROR', `${reader.remaining} bytes follow a field table`)
  return table
}

/** Decodes the one value whose tag is at `offset`. @throws SYNTAX_ERROR as {@link readTable} */
export function decodeField(bytes: Uint8Array, offset: number, end: number): Field {
  return new TableDecoder(new ByteReader(bytes, offset, end)).field(1)
}

/** Decodes with a bound on the entries of all levels together. */
class TableDecoder {
  readonly #reader: ByteReader
  #entriesLeft: number = LIMITS.headerEntriesMax

  constructor(reader: ByteReader) {
    this.#reader = reader
  }

  table(depth: number): FieldTable {
    const reader = this.#reader
    const outerEnd = this.#enter(depth)
    const entries: FieldEntry[] = []
    while (reader.remaining > 0) {
      const name = reader.text(reader.uint8())
      entries.push({ name, field: this.field(depth) })
    }
    reader.end = outerEnd
    return new FieldTable(entries)
  }

  field(depth: number): Field {
    if (this.#entriesLeft-- <= 0) throw tooManyEntries()
    const reader = this.#reader
    const code = reader.uint8()
    switch (code) {
      case 0x74: {
        const octet = reader.uint8()
        return { tag: 't', value: octet !== 0, raw: octet > 1 ? Uint8Array.of(octet) : null }
      }
      case 0x62:
        return field('b', reader.int8())
      case 0x42:
        return field('B', reader.uint8())
      case 0x73:
        return field('s', reader.int16())
      case 0x75:
        return field('u', reader.uint16())
      case 0x49:
        return field('I', reader.int32())
      case 0x69:
        return field('i', reader.uint32())
      case 0x6c:
        return field('l', reader.int64())
      case 0x4c:
        return field('L', reader.int64())
      case 0x54:
        return field('T', reader.uint64())
      case 0x44:
        return field('D', { scale: reader.uint8(), unscaled: reader.uint32() })
      case 0x53:
        return field('S', reader.text(reader.uint32()))
      case 0x78:
        return field('x', reader.copy(reader.uint32()))
      case 0x56:
        return field('V', null)
      case 0x66:
      case 0x64:
        return this.#float(code)
      case 0x46:
        return field('F', this.table(depth + 1))
      case 0x41:
        return field('A', this.#array(depth + 1))
      default:
        throw unknownTag(code, reader.offset - 1)
    }
  }

  #array(depth: number): readonly Field[] {
    const reader = this.#reader
    const outerEnd = this.#enter(depth)
    const items: Field[] = []
    while (reader.remaining > 0) items.push(this.field(depth))
    reader.end = outerEnd
    return items
  }

  /** A NaN has many encodings and JS has one NaN: the bytes are kept beside it. */
  #float(code: number): Field {
    const size = code === 0x66 ? 4 : 8
    const reader = this.#reader
    const at = reader.offset
    const value = code === 0x66 ? reader.float32() : reader.float64()
    const raw = Number.isNaN(value) ? Uint8Array.prototype.slice.call(reader.bytes, at, at + size) : null
    return code === 0x66 ? { tag: 'f', value, raw } : { tag: 'd', value, raw }
  }

  /** Narrows the reader to the container whose size is next. @returns the end to restore */
  #enter(depth: number): number {
    if (depth > LIMITS.headerNestingMax) throw nestedTooDeep()
    const reader = this.#reader
    const size = reader.uint32()
    const at = reader.take(size)
    const outerEnd = reader.end
    reader.offset = at
    reader.end = at + size
    return outerEnd
  }
}
