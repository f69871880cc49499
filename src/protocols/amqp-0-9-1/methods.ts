/**
 * Decoding and encoding of methods from the table in method-table.ts. The methods of the hot path (publish, deliver, ack and their
 * like) have their own code in publishing.ts, settlements.ts and deliveries.ts; here they are decoded too, for clients and tests.
 */
import { assert } from '../../base/assert.ts'
import { ByteReader } from '../../base/byte-reader.ts'
import { ByteWriter } from '../../base/byte-writer.ts'
import { WaybillError } from '../../base/errors.ts'
import { LIMITS } from '../../base/limits.ts'
import { encodeText } from '../../base/text.ts'
import { readTable, writeTable } from '../../message/field-table.ts'
import type { EncodableTable, FieldTable } from '../../message/field.ts'
import { FRAME, FRAME_END, FRAME_HEAD_SIZE_BYTES } from './grammar.ts'
import type { MethodId } from './grammar.ts'
import { METHODS } from './method-table.ts'
import { shownBytes } from './shown-bytes.ts'
import type { ArgumentKind, MethodName, MethodRow, ReservedKind } from './method-table.ts'

interface DecodedKinds {
  readonly bit: boolean
  readonly octet: number
  readonly short: number
  readonly long: number
  /** Rounded beyond 2^53: no delivery tag gets there, so a rounded one is unknown like the exact one. */
  readonly longlong: number
  readonly shortstr: string
  readonly replytext: string
  readonly longstr: Uint8Array
  readonly longtext: string
  readonly table: FieldTable
}

interface EncodedKinds extends Omit<DecodedKinds, 'table'> {
  readonly table: EncodableTable
}

type Fields<Name extends MethodName> = (typeof METHODS)[Name]['fields']

type Named<F, Kinds> = { readonly [K in keyof F as F[K] extends ReservedKind ? never : K]: F[K] extends keyof Kinds ? Kinds[F[K]] : never }

/** The arguments of a method as they are decoded. */
export type MethodArguments<Name extends MethodName> = Named<Fields<Name>, DecodedKinds>

/** The arguments of a method as they are given for encoding: tables may be plain. */
export type MethodInput<Name extends MethodName> = Named<Fields<Name>, EncodedKinds>

/** A decoded method; `method` tells which. Its byte arrays are copies. */
export type Method = { [Name in MethodName]: { readonly method: Name } & MethodArguments<Name> }[MethodName]

/** One decoded method by its name. */
export type MethodOf<Name extends MethodName> = Extract<Method, { readonly method: Name }>

const NAMES = Object.keys(METHODS) as MethodName[]

interface Plan {
  readonly name: MethodName
  readonly id: MethodId
  readonly fields: readonly (readonly [name: string, kind: ArgumentKind])[]
}

const PLANS = new Map<MethodId, Plan>()
const PLANS_BY_NAME = new Map<MethodName, Plan>()
for (const name of NAMES) {
  const row: MethodRow = METHODS[name]
  const plan = { name, id: (row.classId << 16) | row.methodId, fields: Object.entries(row.fields) }
  PLANS.set(plan.id, plan)
  PLANS_BY_NAME.set(name, plan)
}

function planOf(name: MethodName): Plan {
  const plan = PLANS_BY_NAME.get(name)
  assert(plan !== undefined, 'every method has a plan')
  return plan
}

/** Class and method id of the method payload that starts at `start`. @throws FRAME_ERROR when it is shorter than its ids */
export function methodIdAt(buffer: Uint8Array, start: number, end: number): MethodId {
  if (end - start < 4) {
    throw new WaybillError('FRAME_ERROR', `type ${FRAME.method}, all octets = ${shownBytes(buffer, start, end)}: unknown_frame`)
  }
  return (
    ((buffer[start] as number) << 24) |
    ((buffer[start + 1] as number) << 16) |
    ((buffer[start + 2] as number) << 8) |
    (buffer[start + 3] as number)
  )
}

/**
 * Decodes the method payload `buffer[start, end)` (ids and arguments). Bytes are copied: the result owns everything.
 * @throws COMMAND_INVALID when there is no such method
 * @throws FRAME_ERROR when its arguments are cut off, too long or not valid, as RabbitMQ says it, or a short string is not UTF-8
 */
export function decodeMethod(buffer: Uint8Array, start: number, end: number): Method {
  const id = methodIdAt(buffer, start, end)
  const plan = PLANS.get(id)
  if (plan === undefined) throw new WaybillError('COMMAND_INVALID', `there is no method ${id >>> 16}.${id & 0xffff}`)
  try {
    return decodeArguments(plan, new ByteReader(buffer, start + 4, end))
  } catch (error) {
    if (!(error instanceof WaybillError) || error.code !== 'SYNTAX_ERROR') throw error
    throw undecodable(error.message, buffer, start, end)
  }
}

/** The error of RabbitMQ for a method `buffer[start, end)` whose arguments cannot be read; what is wrong with them is its cause. */
export function undecodable(problem: string, buffer: Uint8Array, start: number, end: number): WaybillError {
  const cause = new WaybillError('SYNTAX_ERROR', problem)
  return new WaybillError('FRAME_ERROR', `cannot decode ${shownBytes(buffer, start + 4, end)}`, { cause })
}

function decodeArguments(plan: Plan, reader: ByteReader): Method {
  const method: Record<string, unknown> = { method: plan.name }
  let bits = 0
  let bitCount = 8
  for (const [name, kind] of plan.fields) {
    if (kind === 'bit' || kind === '(bit)') {
      if (bitCount === 8) {
        bits = reader.uint8()
        bitCount = 0
      }
      if (kind === 'bit') method[name] = (bits & (1 << bitCount)) !== 0
      bitCount++
      continue
    }
    bitCount = 8
    const value = readArgument(reader, kind)
    if (value !== undefined) method[name] = value
  }
  if (reader.remaining > 0) throw new WaybillError('SYNTAX_ERROR', `${reader.remaining} bytes follow the arguments`)
  return method as unknown as Method
}

/** @returns the value, or undefined for a reserved argument */
function readArgument(reader: ByteReader, kind: Exclude<ArgumentKind, 'bit' | '(bit)'>): unknown {
  switch (kind) {
    case 'octet':
      return reader.uint8()
    case 'short':
      return reader.uint16()
    case 'long':
      return reader.uint32()
    case 'longlong':
      return reader.uint32() * 2 ** 32 + reader.uint32()
    case 'shortstr':
    case 'replytext':
      return wellFormed(reader.text(reader.uint8()))
    case 'longstr':
      return reader.copy(reader.uint32())
    case 'longtext':
      return reader.text(reader.uint32())
    case 'table':
      return readTable(reader)
    case '(short)':
      reader.take(2)
      return undefined
    case '(shortstr)':
      reader.take(reader.uint8())
      return undefined
    case '(longstr)':
      reader.take(reader.uint32())
      return undefined
  }
}

/**
 * Names in methods are UTF-8, as in RabbitMQ.
 * @throws FRAME_ERROR when the decoded text is not
 */
export function wellFormed(text: string): string {
  if (!text.isWellFormed()) throw new WaybillError('FRAME_ERROR', 'Malformed UTF-8 in shortstr')
  return text
}

/** Appends a method payload: ids and arguments. @throws PRECONDITION_FAILED when a short string or a table exceeds its limit */
function writeMethod<Name extends MethodName>(writer: ByteWriter, name: Name, input: MethodInput<Name>): void {
  const plan = planOf(name)
  const values = input as Readonly<Record<string, unknown>>
  writer.uint32(plan.id)
  let bits = 0
  let bitCount = 0
  for (const [field, kind] of plan.fields) {
    if (kind === 'bit' || kind === '(bit)') {
      if (bitCount === 8) {
        writer.uint8(bits)
        bits = bitCount = 0
      }
      if (kind === 'bit' && values[field] === true) bits |= 1 << bitCount
      bitCount++
      continue
    }
    if (bitCount > 0) writer.uint8(bits)
    bits = bitCount = 0
    writeArgument(writer, field, kind, values[field])
  }
  if (bitCount > 0) writer.uint8(bits)
}

function writeArgument(writer: ByteWriter, field: string, kind: Exclude<ArgumentKind, 'bit' | '(bit)'>, value: unknown): void {
  switch (kind) {
    case 'octet':
      return writer.uint8(value as number)
    case 'short':
      return writer.uint16(value as number)
    case 'long':
      return writer.uint32(value as number)
    case 'longlong':
      return writer.uint64(value as number)
    case 'shortstr':
      return writeShort(writer, field, encodeText(value as string))
    case 'replytext':
      return writeShort(writer, field, encodeText(cutText(value as string)))
    case 'longstr':
      writer.uint32((value as Uint8Array).length)
      return writer.raw(value as Uint8Array)
    case 'longtext': {
      const sizeAt = writer.skip(4)
      return writer.setUint32(sizeAt, writer.text(value as string))
    }
    case 'table':
      return writeTable(writer, value as EncodableTable)
    case '(short)':
      return writer.uint16(0)
    case '(shortstr)':
      return writer.uint8(0)
    case '(longstr)':
      return writer.uint32(0)
  }
}

function writeShort(writer: ByteWriter, field: string, bytes: Uint8Array): void {
  if (bytes.length > LIMITS.nameSizeBytesMax)
    throw new WaybillError('PRECONDITION_FAILED', `the argument ${field} has ${bytes.length} bytes, at most 255 are possible`)
  writer.uint8(bytes.length)
  writer.raw(bytes)
}

/** The longest beginning of `text` that fits a short string, cut between characters. */
export function cutText(text: string): string {
  if (text.length * 3 <= LIMITS.nameSizeBytesMax) return text
  let sizeBytes = 0
  let length = 0
  for (const character of text) {
    sizeBytes += encodeText(character).length
    if (sizeBytes > LIMITS.nameSizeBytesMax) return text.slice(0, length)
    length += character.length
  }
  return text
}

/** Appends a whole method frame. @throws PRECONDITION_FAILED as {@link writeMethod} */
export function writeMethodFrame<Name extends MethodName>(writer: ByteWriter, channel: number, name: Name, input: MethodInput<Name>): void {
  const start = writer.length
  writer.uint8(FRAME.method)
  writer.uint16(channel)
  writer.uint32(0)
  writeMethod(writer, name, input)
  writer.setUint32(start + 3, writer.length - start - FRAME_HEAD_SIZE_BYTES)
  writer.uint8(FRAME_END)
}

/** The bytes of one method frame; the caller owns them. @throws PRECONDITION_FAILED as {@link writeMethod} */
export function encodeMethodFrame<Name extends MethodName>(channel: number, name: Name, input: MethodInput<Name>): Buffer {
  const writer = new ByteWriter()
  writeMethodFrame(writer, channel, name, input)
  return writer.copy()
}
