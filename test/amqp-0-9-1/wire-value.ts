/**
 * Values on the wire of AMQP 0-9-1, both ways, as the tests' own client encodes and decodes them.
 *
 * A field of a table keeps its type: `typed('b', 5)` is a signed octet. A plain JavaScript value is encoded as clients
 * commonly do: text `S`, integer `I` (or `l` when it needs 64 bits), other number `d`, boolean `t`, null `V`, array `A`, object `F`,
 * Uint8Array `x`. Everything decoded is `Typed`, so that a transcript shows a type that differs.
 */

import type { ArgumentKind } from './method-table.ts'

/** A field value with its type letter, as RabbitMQ's errata to the specification has them. */
export class Typed {
  readonly type: string
  readonly value: FieldContent

  constructor(type: string, value: FieldContent) {
    this.type = type
    this.value = value
  }
}

/** What a typed value holds. */
export type FieldContent = string | number | bigint | boolean | null | Uint8Array | readonly FieldValue[] | Table

/** A value in a table or an array. */
export type FieldValue = Typed | FieldContent

/** A field table. */
export interface Table {
  readonly [name: string]: FieldValue
}

/** The value of a method's argument or of a property. */
export type ArgumentValue = string | number | bigint | boolean | Uint8Array | Table

/** A field value with an explicit type letter. */
export function typed(type: string, value: FieldContent): Typed {
  return new Typed(type, value)
}

/** Collects bytes; the client of a test has no need to be fast. */
export class ByteSink {
  readonly #parts: Buffer[] = []

  unsigned(value: number | bigint, sizeBytes: number): this {
    const bytes = Buffer.alloc(sizeBytes)
    let rest = BigInt.asUintN(sizeBytes * 8, BigInt(value))
    for (let index = sizeBytes - 1; index >= 0; index--) {
      bytes[index] = Number(rest & 0xffn)
      rest >>= 8n
    }
    return this.bytes(bytes)
  }

  bytes(value: Uint8Array): this {
    this.#parts.push(Buffer.from(value))
    return this
  }

  shortString(value: string | Uint8Array): this {
    const bytes = Buffer.from(value as string)
    if (bytes.length > 255) throw new Error('a short string has at most 255 bytes')
    return this.unsigned(bytes.length, 1).bytes(bytes)
  }

  longString(value: string | Uint8Array): this {
    const bytes = Buffer.from(value as string)
    return this.unsigned(bytes.length, 4).bytes(bytes)
  }

  table(table: Table): this {
    const inner = new ByteSink()
    for (const [name, value] of Object.entries(table)) inner.shortString(name).field(value)
    return this.longString(inner.finish())
  }

  field(value: FieldValue): this {
    const { type, value: content } = value instanceof Typed ? value : new Typed(typeLetterOf(value), value)
    this.bytes(Buffer.from(type, 'latin1'))
    return this.#content(type, content)
  }

  #content(type: string, content: FieldContent): this {
    switch (type) {
      case 't':
        return this.unsigned(content === true ? 1 : 0, 1)
      case 'b':
      case 'B':
        return this.unsigned(content as number, 1)
      case 's':
      case 'u':
        return this.unsigned(content as number, 2)
      case 'I':
      case 'i':
        return this.unsigned(content as number, 4)
      case 'l':
      case 'L':
      case 'T':
        return this.unsigned(content as number | bigint, 8)
      case 'f': {
        const bytes = Buffer.alloc(4)
        bytes.writeFloatBE(content as number)
        return this.bytes(bytes)
      }
      case 'd': {
        const bytes = Buffer.alloc(8)
        bytes.writeDoubleBE(content as number)
        return this.bytes(bytes)
      }
      case 'S':
      case 'x':
        return this.longString(content as string | Uint8Array)
      case 'A': {
        const inner = new ByteSink()
        for (const element of content as readonly FieldValue[]) inner.field(element)
        return this.longString(inner.finish())
      }
      case 'F':
        return this.table(content as Table)
      case 'D': // Decimal: the content is the five bytes.
        return this.bytes(content as Uint8Array)
      case 'V':
        return this
      default:
        return content instanceof Uint8Array ? this.bytes(content) : this
    }
  }

  argument(kind: ArgumentKind, value: ArgumentValue): this {
    switch (kind) {
      case 'octet':
        return this.unsigned(value as number, 1)
      case 'short':
        return this.unsigned(value as number, 2)
      case 'long':
        return this.unsigned(value as number, 4)
      case 'longlong':
      case 'timestamp':
        return this.unsigned(value as number | bigint, 8)
      case 'shortstr':
        return this.shortString(value as string)
      case 'longstr':
        return this.longString(value as string)
      case 'table':
        return this.table(value as Table)
      case 'bit':
        throw new Error('bits are packed by the caller')
    }
  }

  finish(): Buffer {
    return Buffer.concat(this.#parts)
  }
}

function typeLetterOf(value: FieldContent): string {
  if (value === null) return 'V'
  if (typeof value === 'string') return 'S'
  if (typeof value === 'boolean') return 't'
  if (typeof value === 'bigint') return 'l'
  if (typeof value === 'number') return !Number.isInteger(value) ? 'd' : Math.abs(value) < 2 ** 31 ? 'I' : 'l'
  if (value instanceof Uint8Array) return 'x'
  return Array.isArray(value) ? 'A' : 'F'
}

/** Reads values from bytes; running over the end is an error of the server under test. */
export class ByteSource {
  readonly #bytes: Buffer
  #position = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get left(): number {
    return this.#bytes.length - this.#position
  }

  take(sizeBytes: number): Buffer {
    if (sizeBytes > this.left) throw new Error(`the server sent ${this.left} bytes where ${sizeBytes} were announced`)
    this.#position += sizeBytes
    return this.#bytes.subarray(this.#position - sizeBytes, this.#position)
  }

  unsigned(sizeBytes: number): number {
    return this.take(sizeBytes).readUIntBE(0, sizeBytes)
  }

  shortString(): string {
    return this.take(this.unsigned(1)).toString('utf8')
  }

  longString(): string {
    return this.take(this.unsigned(4)).toString('utf8')
  }

  table(): Table {
    const inner = new ByteSource(this.take(this.unsigned(4)))
    const table: Record<string, FieldValue> = {}
    while (inner.left > 0) {
      const name = inner.shortString()
      table[name] = inner.field()
    }
    return table
  }

  field(): Typed {
    const type = this.take(1).toString('latin1')
    return new Typed(type, this.#content(type))
  }

  #content(type: string): FieldContent {
    switch (type) {
      case 't':
        return this.unsigned(1) !== 0
      case 'b':
        return this.take(1).readInt8()
      case 'B':
        return this.unsigned(1)
      case 's':
        return this.take(2).readInt16BE()
      case 'u':
        return this.unsigned(2)
      case 'I':
        return this.take(4).readInt32BE()
      case 'i':
        return this.unsigned(4)
      case 'l':
      case 'L':
        return this.take(8).readBigInt64BE()
      case 'T':
        return this.take(8).readBigUInt64BE()
      case 'f':
        return this.take(4).readFloatBE()
      case 'd':
        return this.take(8).readDoubleBE()
      case 'D':
        return Buffer.from(this.take(5))
      case 'S':
        return this.longString()
      case 'x':
        return Buffer.from(this.take(this.unsigned(4)))
      case 'A': {
        const inner = new ByteSource(this.take(this.unsigned(4)))
        const elements: FieldValue[] = []
        while (inner.left > 0) elements.push(inner.field())
        return elements
      }
      case 'F':
        return this.table()
      case 'V':
        return null
      default:
        throw new Error(`the server sent a field of unknown type ${JSON.stringify(type)}`)
    }
  }

  argument(kind: ArgumentKind): ArgumentValue {
    switch (kind) {
      case 'octet':
        return this.unsigned(1)
      case 'short':
        return this.unsigned(2)
      case 'long':
        return this.unsigned(4)
      case 'longlong':
      case 'timestamp':
        return this.take(8).readBigUInt64BE()
      case 'shortstr':
        return this.shortString()
      case 'longstr':
        return this.longString()
      case 'table':
        return this.table()
      case 'bit':
        throw new Error('bits are unpacked by the caller')
    }
  }
}
