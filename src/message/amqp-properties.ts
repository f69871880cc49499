/**
 * The basic properties of AMQP 0-9-1: the part of a content header that follows the body size [AMQP-0-9-1 4.2.6.1].
 *
 *     properties = flags:uint16 *property          in the order of the flags, the highest bit first
 *
 *     bit  mask    property          type          bit  mask    property        type
 *     15   0x8000  content-type      shortstr      8    0x0100  expiration      shortstr (decimal milliseconds)
 *     14   0x4000  content-encoding  shortstr      7    0x0080  message-id      shortstr
 *     13   0x2000  headers           table         6    0x0040  timestamp       uint64 (seconds since 1970)
 *     12   0x1000  delivery-mode     uint8 (2 =    5    0x0020  type            shortstr
 *                                    persistent)   4    0x0010  user-id         shortstr
 *     11   0x0800  priority          uint8         3    0x0008  app-id          shortstr
 *     10   0x0400  correlation-id    shortstr      2    0x0004  cluster-id      shortstr (reserved)
 *     9    0x0200  reply-to          shortstr
 *
 * Bit 0 would announce more flags; no property has any, so bits 0 and 1 are a syntax error.
 */
import { ByteReader } from '../base/byte-reader.ts'
import { ByteWriter } from '../base/byte-writer.ts'
import { WaybillError } from '../base/errors.ts'
import { LIMITS } from '../base/limits.ts'
import { decodeText } from '../base/text.ts'
import { ABSENT, HEADER_FLAG, INVALID } from './facets.ts'
import type { MessageFacets } from './facets.ts'
import { beginEntries, integerAt, skipEntry } from './field-scan.ts'
import { readTable, writeEntry, writeTable } from './field-table.ts'
import { fieldOf } from './field.ts'
import type { EncodableTable, FieldTable } from './field.ts'
import type { PropertiesPatch } from './properties.ts'

/** Decoded basic properties. A property that is absent on the wire is absent here. */
export interface AmqpProperties<Headers = FieldTable> {
  contentType?: string
  contentEncoding?: string
  headers?: Headers
  deliveryMode?: number
  priority?: number
  correlationId?: string
  replyTo?: string
  /** As on the wire: decimal milliseconds. */
  expiration?: string
  messageId?: string
  /** Seconds since 1970; a bigint from 2^53 on. */
  timestamp?: number | bigint
  type?: string
  userId?: string
  appId?: string
  clusterId?: string
}

/** Flag bit of each property. */
const PROPERTY_FLAG = {
  contentType: 0x8000,
  contentEncoding: 0x4000,
  headers: 0x2000,
  deliveryMode: 0x1000,
  priority: 0x0800,
  correlationId: 0x0400,
  replyTo: 0x0200,
  expiration: 0x0100,
  messageId: 0x0080,
  timestamp: 0x0040,
  type: 0x0020,
  userId: 0x0010,
  appId: 0x0008,
  clusterId: 0x0004,
} as const satisfies Record<keyof AmqpProperties, number>

/** The flags that no property has. */
const FLAGS_INVALID = 0x0003

const PROPERTY_NAMES = Object.keys(PROPERTY_FLAG) as (keyof typeof PROPERTY_FLAG)[]

/** Value of delivery-mode for a message that survives a restart. */
export const DELIVERY_MODE_PERSISTENT = 2

/** More digits than this are not a time to live: it keeps the parsed number exact. */
const EXPIRATION_DIGITS_MAX = 15

/**
 * Walks once over properties in `bytes[start, end)`, checks every length including those of nested tables, and fills `facets`.
 * Hot: no allocation.
 * @throws SYNTAX_ERROR when the bytes are not properties
 */
export function scanAmqpProperties(bytes: Uint8Array, start: number, end: number, facets: MessageFacets): void {
  facets.clear()
  const flags = readFlags(bytes, start, end)
  let at = start + 2
  if (flags & 0x8000) at = shortEnd(bytes, at, end)
  if (flags & 0x4000) at = shortEnd(bytes, at, end)
  if (flags & 0x2000) at = scanHeaders(bytes, at, end, facets)
  if (flags & 0x1000) {
    facets.persistent = octet(bytes, at, end) === DELIVERY_MODE_PERSISTENT
    at++
  }
  if (flags & 0x0800) {
    facets.priority = octet(bytes, at, end)
    at++
  }
  // Most messages have nothing more.
  if (flags & 0x07fc) at = scanIdentity(bytes, at, end, flags, facets)
  if (at !== end) throw new WaybillError('SYNTAX_ERROR', `${end - at} bytes follow the last property`)
}

function scanIdentity(bytes: Uint8Array, start: number, end: number, flags: number, facets: MessageFacets): number {
  let at = start
  if (flags & 0x0400) {
    facets.correlationIdOffset = at + 1
    at = shortEnd(bytes, at, end)
    facets.correlationIdLength = at - facets.correlationIdOffset
  }
  if (flags & 0x0200) {
    facets.replyToOffset = at + 1
    at = shortEnd(bytes, at, end)
    facets.replyToLength = at - facets.replyToOffset
  }
  if (flags & 0x0100) {
    facets.expirationOffset = at + 1
    at = shortEnd(bytes, at, end)
    facets.expirationLength = at - facets.expirationOffset
    facets.expirationMs = parseDigits(bytes, facets.expirationOffset, at)
  }
  if (flags & 0x0080) {
    facets.messageIdOffset = at + 1
    at = shortEnd(bytes, at, end)
    facets.messageIdLength = at - facets.messageIdOffset
  }
  if (flags & 0x0040) {
    if (end - at < 8) throw cutOff()
    facets.timestampSeconds = readUint32(bytes, at) * 2 ** 32 + readUint32(bytes, at + 4)
    at += 8
  }
  if (flags & 0x0020) at = shortEnd(bytes, at, end)
  if (flags & 0x0010) {
    facets.userIdOffset = at + 1
    at = shortEnd(bytes, at, end)
    facets.userIdLength = at - facets.userIdOffset
  }
  if (flags & 0x0008) at = shortEnd(bytes, at, end)
  if (flags & 0x0004) at = shortEnd(bytes, at, end)
  return at
}

function scanHeaders(bytes: Uint8Array, start: number, end: number, facets: MessageFacets): number {
  if (end - start < 4) throw cutOff()
  const headersStart = start + 4
  const headersEnd = headersStart + readUint32(bytes, start)
  if (headersEnd > end) throw cutOff()
  facets.headersOffset = headersStart
  facets.headersLength = headersEnd - headersStart
  beginEntries()
  let at = headersStart
  while (at < headersEnd) {
    const length = bytes[at] as number
    const next = skipEntry(bytes, at, headersEnd)
    if (length === 2 || length === 3 || length === 7) noteHeader(bytes, at + 1, length, facets)
    at = next
  }
  return headersEnd
}

/** Notes the headers that change what the broker does: CC, BCC, x-delay. The first of each counts. */
function noteHeader(bytes: Uint8Array, at: number, length: number, facets: MessageFacets): void {
  const tagAt = at + length
  if (length === 2) {
    if (bytes[at] !== 0x43 || bytes[at + 1] !== 0x43 || facets.ccOffset !== ABSENT) return
    facets.ccOffset = tagAt
    facets.headerFlags |= HEADER_FLAG.cc
  } else if (length === 3) {
    if (bytes[at] !== 0x42 || bytes[at + 1] !== 0x43 || bytes[at + 2] !== 0x43 || facets.bccOffset !== ABSENT) return
    facets.bccOffset = tagAt
    facets.headerFlags |= HEADER_FLAG.bcc
  } else {
    if ((facets.headerFlags & HEADER_FLAG.delay) !== 0) return
    for (let i = 0; i < 7; i++) if (bytes[at + i] !== DELAY_NAME[i]) return
    facets.headerFlags |= HEADER_FLAG.delay
    facets.delayMs = delayAt(bytes, tagAt)
  }
}

const DELAY_NAME = Uint8Array.from(Buffer.from('x-delay', 'latin1'))

/** The delay of an integer or of a string of digits. A negative one has passed already (so a delayed message is marked on its way out). */
function delayAt(bytes: Uint8Array, tagAt: number): number {
  if (bytes[tagAt] === 0x53) return parseDigits(bytes, tagAt + 5, tagAt + 5 + readUint32(bytes, tagAt + 1))
  const delay = integerAt(bytes, tagAt)
  return delay >= 0 ? delay : delay < 0 ? ABSENT : INVALID
}

/** The number that `bytes[start, end)` spell in decimal digits, or INVALID. */
function parseDigits(bytes: Uint8Array, start: number, end: number): number {
  if (end === start || end - start > EXPIRATION_DIGITS_MAX) return INVALID
  let value = 0
  for (let i = start; i < end; i++) {
    const digit = (bytes[i] as number) - 0x30
    if (digit < 0 || digit > 9) return INVALID
    value = value * 10 + digit
  }
  return value
}

/** Decodes properties that fill `bytes[start, end)`. @throws SYNTAX_ERROR when they are not valid */
export function decodeAmqpProperties(bytes: Uint8Array, start = 0, end: number = bytes.length): AmqpProperties {
  const flags = readFlags(bytes, start, end)
  const reader = new ByteReader(bytes, start + 2, end)
  const properties: AmqpProperties = {}
  for (const name of PROPERTY_NAMES) {
    if ((flags & PROPERTY_FLAG[name]) === 0) continue
    switch (name) {
      case 'headers':
        properties.headers = readTable(reader)
        break
      case 'deliveryMode':
      case 'priority':
        properties[name] = reader.uint8()
        break
      case 'timestamp':
        properties.timestamp = reader.uint64()
        break
      default:
        properties[name] = reader.text(reader.uint8())
    }
  }
  if (reader.remaining > 0) throw new WaybillError('SYNTAX_ERROR', `${reader.remaining} bytes follow the last property`)
  return properties
}

/** Appends properties with their flags. @throws PRECONDITION_FAILED when a text has more than 255 bytes */
function writeAmqpProperties(writer: ByteWriter, properties: AmqpProperties<EncodableTable>): void {
  let flags = 0
  for (const name of PROPERTY_NAMES) if (properties[name] !== undefined) flags |= PROPERTY_FLAG[name]
  writer.uint16(flags)
  for (const name of PROPERTY_NAMES) {
    if (properties[name] === undefined) continue
    switch (name) {
      case 'headers':
        writeTable(writer, properties.headers as EncodableTable)
        break
      case 'deliveryMode':
      case 'priority':
        writer.uint8(properties[name])
        break
      case 'timestamp':
        writer.uint64(properties.timestamp as number | bigint)
        break
      default:
        writeShort(writer, name, properties[name])
    }
  }
}

/** The bytes of properties with their flags; the caller owns them. @throws PRECONDITION_FAILED as {@link writeAmqpProperties} */
export function encodeAmqpProperties(properties: AmqpProperties<EncodableTable>): Buffer {
  const writer = new ByteWriter()
  writeAmqpProperties(writer, properties)
  return writer.copy()
}

/**
 * New property bytes with a change made; everything that the change does not name stays byte-identical. The caller owns the result.
 * @throws SYNTAX_ERROR when `bytes[start, end)` are not properties
 */
export function patchAmqpProperties(bytes: Uint8Array, start: number, end: number, patch: PropertiesPatch): Buffer {
  const flags = readFlags(bytes, start, end)
  const writer = new ByteWriter(end - start + 64)
  writer.skip(2)
  let newFlags = 0
  let at = start + 2
  for (const name of PROPERTY_NAMES) {
    const flag = PROPERTY_FLAG[name]
    const present = (flags & flag) !== 0
    const next = present ? propertyEnd(bytes, at, end, name) : at
    const written = writer.length
    if (name === 'headers' && patch.headers !== undefined) patchHeaders(writer, bytes, at, next, patch.headers)
    else if (name === 'replyTo' && patch.replyTo !== undefined) writeShort(writer, name, patch.replyTo)
    else if (present && !(name === 'expiration' && patch.removeExpiration === true)) writer.raw(bytes, at, next)
    if (writer.length > written) newFlags |= flag
    at = next
  }
  if (at !== end) throw new WaybillError('SYNTAX_ERROR', `${end - at} bytes follow the last property`)
  writer.setUint8(0, newFlags >> 8)
  writer.setUint8(1, newFlags & 0xff)
  return writer.copy()
}

/** Writes the header table in `bytes[start, end)` (nothing when the range is empty) with the changes made. */
function patchHeaders(
  writer: ByteWriter,
  bytes: Uint8Array,
  start: number,
  end: number,
  changes: NonNullable<PropertiesPatch['headers']>,
): void {
  if (start === end && ![...changes.values()].some((value) => value !== undefined)) return
  const sizeAt = writer.skip(4)
  const done = new Set<string>()
  beginEntries()
  let at = start === end ? end : start + 4
  while (at < end) {
    const next = skipEntry(bytes, at, end)
    const nameStart = at + 1
    const name = decodeText(bytes, nameStart, nameStart + (bytes[at] as number))
    if (!changes.has(name)) writer.raw(bytes, at, next)
    else if (!done.has(name)) patchHeader(writer, name, changes)
    done.add(name)
    at = next
  }
  for (const name of changes.keys()) if (!done.has(name)) patchHeader(writer, name, changes)
  writer.setUint32(sizeAt, writer.length - sizeAt - 4)
}

function patchHeader(writer: ByteWriter, name: string, changes: NonNullable<PropertiesPatch['headers']>): void {
  const value = changes.get(name)
  if (value !== undefined) writeEntry(writer, name, fieldOf(value))
}

/** Offset after the property at `at`. */
function propertyEnd(bytes: Uint8Array, at: number, end: number, name: keyof typeof PROPERTY_FLAG): number {
  switch (name) {
    case 'headers': {
      if (end - at < 4) throw cutOff()
      const next = at + 4 + readUint32(bytes, at)
      if (next > end) throw cutOff()
      return next
    }
    case 'deliveryMode':
    case 'priority':
      octet(bytes, at, end)
      return at + 1
    case 'timestamp':
      if (end - at < 8) throw cutOff()
      return at + 8
    default:
      return shortEnd(bytes, at, end)
  }
}

function writeShort(writer: ByteWriter, name: string, text: string): void {
  const lengthAt = writer.skip(1)
  const length = writer.text(text)
  if (length > LIMITS.nameSizeBytesMax)
    throw new WaybillError('PRECONDITION_FAILED', `the property ${name} has ${length} bytes, at most 255 are possible`)
  writer.setUint8(lengthAt, length)
}

function readFlags(bytes: Uint8Array, start: number, end: number): number {
  if (end - start < 2) throw cutOff()
  const flags = ((bytes[start] as number) << 8) | (bytes[start + 1] as number)
  if ((flags & FLAGS_INVALID) !== 0) throw new WaybillError('SYNTAX_ERROR', `the property flags 0x${flags.toString(16)} name no property`)
  return flags
}

/** Offset after the short string at `at`. */
function shortEnd(bytes: Uint8Array, at: number, end: number): number {
  if (at >= end) throw cutOff()
  const next = at + 1 + (bytes[at] as number)
  if (next > end) throw cutOff()
  return next
}

function octet(bytes: Uint8Array, at: number, end: number): number {
  if (at >= end) throw cutOff()
  return bytes[at] as number
}

/** Where is not said: offsets here are those of a chunk of input, which mean nothing to the sender. */
function cutOff(): WaybillError {
  return new WaybillError('SYNTAX_ERROR', 'a property ends beyond the content header')
}

function readUint32(bytes: Uint8Array, at: number): number {
  return (
    (((bytes[at] as number) << 24) | ((bytes[at + 1] as number) << 16) | ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number)) >>> 0
  )
}
