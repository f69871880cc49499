/**
 * The values in AMQP 0-9-1 field tables and field arrays, in the dialect that RabbitMQ and its clients speak [AMQP-0-9-1 4.2.5.5 and RabbitMQ's errata].
 *
 *     table    = size:uint32 *( name value )        size counts the bytes after itself
 *     name     = length:uint8 length*OCTET
 *     value    = tag:OCTET payload
 *
 *     tag  payload                               JS value
 *     t    uint8, 0 is false                     boolean
 *     b B  int8, uint8                           number
 *     s u  int16, uint16                         number
 *     I i  int32, uint32                         number
 *     l L  int64 (both signed)                   number, bigint beyond +-(2^53 - 1)
 *     f d  IEEE 754, 32 and 64 bits              number
 *     D    scale:uint8 unscaled:uint32           Decimal
 *     S    size:uint32 bytes                     string (lossless, see base/text.ts)
 *     x    size:uint32 bytes                     Uint8Array (a copy)
 *     T    uint64, seconds since 1970            number, bigint from 2^53 on
 *     A    size:uint32 *value                    Field[]
 *     F    table                                 FieldTable
 *     V    nothing                               null
 *
 * A decoded value keeps its tag, so that encoding it again gives the same bytes. Reading and writing: field-table.ts; walking over
 * the bytes without decoding: field-scan.ts.
 */
import { WaybillError } from '../base/errors.ts'
import { LIMITS } from '../base/limits.ts'
import { encodeText } from '../base/text.ts'
import type { Decimal, HeaderValue } from './header-value.ts'

/** The JS type of each tag's value. */
export interface FieldValues {
  readonly t: boolean
  readonly b: number
  readonly B: number
  readonly s: number
  readonly u: number
  readonly I: number
  readonly i: number
  readonly l: number | bigint
  readonly L: number | bigint
  readonly f: number
  readonly d: number
  readonly D: Decimal
  readonly S: string
  readonly x: Uint8Array
  readonly T: number | bigint
  readonly A: readonly Field[]
  readonly F: FieldTable
  readonly V: null
}

/** A type tag of RabbitMQ's dialect. */
export type FieldTag = keyof FieldValues

/** One tagged value. `raw` holds the payload where the value alone would not give the same bytes back (a boolean of 2, odd NaNs). */
export type Field = {
  readonly [Tag in FieldTag]: { readonly tag: Tag; readonly value: FieldValues[Tag]; readonly raw: Uint8Array | null }
}[FieldTag]

/** One entry of a table. */
export interface FieldEntry {
  readonly name: string
  readonly field: Field
}

/** What can be encoded: tagged fields as they are, plain values with the defaults of {@link fieldOf}. */
export type Encodable =
  | HeaderValue
  | undefined
  | Field
  | FieldTable
  | readonly Encodable[]
  | ReadonlyMap<string, Encodable>
  | { readonly [name: string]: Encodable }

/** What can be encoded as a table. */
export type EncodableTable = FieldTable | ReadonlyMap<string, Encodable> | { readonly [name: string]: Encodable }

/** A tagged value, for encoding where the default tag of the plain value is not the wanted one. */
export function field<Tag extends FieldTag>(tag: Tag, value: FieldValues[Tag]): Field {
  return { tag, value, raw: null } as unknown as Field
}

/** A decoded table: the entries in their order on the wire. Of entries with the same name the first one counts. */
export class FieldTable implements Iterable<FieldEntry> {
  readonly entries: readonly FieldEntry[]

  constructor(entries: readonly FieldEntry[] = []) {
    this.entries = entries
  }

  get size(): number {
    return this.entries.length
  }

  get(name: string): Field | undefined {
    for (const entry of this.entries) if (entry.name === name) return entry.field
    return undefined
  }

  has(name: string): boolean {
    return this.get(name) !== undefined
  }

  /** The neutral values by name. */
  toMap(): Map<string, HeaderValue> {
    const map = new Map<string, HeaderValue>()
    for (const { name, field: value } of this.entries) if (!map.has(name)) map.set(name, headerValueOf(value))
    return map
  }

  [Symbol.iterator](): Iterator<FieldEntry> {
    return this.entries[Symbol.iterator]()
  }
}

/** The integer that a field holds, whatever its width (timestamps excluded), or undefined. */
export function integerOf(value: Field | undefined): number | bigint | undefined {
  if (value === undefined) return undefined
  switch (value.tag) {
    case 'b':
    case 'B':
    case 's':
    case 'u':
    case 'I':
    case 'i':
    case 'l':
    case 'L':
      return value.value
    default:
      return undefined
  }
}

/** The text that a field holds, or undefined. */
export function textOf(value: Field | undefined): string | undefined {
  return value?.tag === 'S' ? value.value : undefined
}

/** The boolean that a field holds, or undefined. */
export function booleanOf(value: Field | undefined): boolean | undefined {
  return value?.tag === 't' ? value.value : undefined
}

/** The neutral value of a field: integers of any width become number or bigint, a timestamp a Date, a string that is not UTF-8 its bytes. */
export function headerValueOf(value: Field): HeaderValue {
  switch (value.tag) {
    case 'S':
      return value.value.isWellFormed() ? value.value : encodeText(value.value)
    case 'T': {
      const date = new Date(Number(value.value) * 1000)
      return Number.isNaN(date.getTime()) ? value.value : date
    }
    case 'A':
      return value.value.map(headerValueOf)
    case 'F':
      return value.value.toMap()
    default:
      return value.value
  }
}

const INT32_MIN = -(2 ** 31)
const INT32_MAX = 2 ** 31 - 1

/**
 * The field of a plain value, with these defaults: boolean t; integer I, or l outside 32 bits; bigint l; other numbers d; string S;
 * bytes x; Date T; Decimal D; null and undefined V; array A; Map, object and FieldTable F.
 * @throws PRECONDITION_FAILED for a bigint outside 64 bits, a date before 1970 or nesting beyond the limit
 */
export function fieldOf(value: Encodable, depth = 0): Field {
  if (depth > LIMITS.headerNestingMax)
    throw new WaybillError('PRECONDITION_FAILED', `a header is nested deeper than ${LIMITS.headerNestingMax}`)
  switch (typeof value) {
    case 'undefined':
      return field('V', null)
    case 'boolean':
      return field('t', value)
    case 'string':
      return field('S', value)
    case 'bigint':
      if (BigInt.asIntN(64, value) !== value)
        throw new WaybillError('PRECONDITION_FAILED', `the header value ${value} does not fit 64 bits`)
      return field('l', value)
    case 'number':
      if (!Number.isSafeInteger(value) || Object.is(value, -0)) return field('d', value)
      return value >= INT32_MIN && value <= INT32_MAX ? field('I', value) : field('l', value)
    default:
      return fieldOfObject(value, depth)
  }
}

function fieldOfObject(value: Exclude<Encodable, undefined | boolean | string | bigint | number>, depth: number): Field {
  if (value === null) return field('V', null)
  if (value instanceof Uint8Array) return field('x', value)
  if (value instanceof FieldTable) return field('F', value)
  if (value instanceof Date) {
    const seconds = Math.floor(value.getTime() / 1000)
    if (!(seconds >= 0)) throw new WaybillError('PRECONDITION_FAILED', 'a date in a header must not be before 1970')
    return field('T', seconds)
  }
  if (Array.isArray(value)) {
    return field(
      'A',
      (value as readonly Encodable[]).map((item) => fieldOf(item, depth + 1)),
    )
  }
  if (isField(value)) return value
  if (isDecimal(value)) return field('D', value)
  return field('F', tableOf(value as ReadonlyMap<string, Encodable> | { readonly [name: string]: Encodable }, depth + 1))
}

/** The table of a Map or an object (its own enumerable keys). Entries whose value is undefined are left out. */
export function tableOf(source: EncodableTable, depth = 0): FieldTable {
  if (source instanceof FieldTable) return source
  const entries: FieldEntry[] = []
  const pairs: Iterable<[string, Encodable]> =
    source instanceof Map
      ? (source as ReadonlyMap<string, Encodable>).entries()
      : Object.entries(source as { readonly [name: string]: Encodable })
  for (const [name, value] of pairs) if (value !== undefined) entries.push({ name, field: fieldOf(value, depth) })
  return new FieldTable(entries)
}

function isField(value: object): value is Field {
  return 'tag' in value && 'raw' in value && 'value' in value
}

function isDecimal(value: object): value is Decimal {
  return 'scale' in value && 'unscaled' in value && typeof value.scale === 'number' && typeof value.unscaled === 'number'
}
