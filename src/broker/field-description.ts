/**
 * Field values in the words of RabbitMQ's error texts, which people search the web for: its names of the types, and its notation of values.
 */
import { encodeText } from '../base/text.ts'
import type { Field, FieldTag } from '../message/field.ts'

const TYPE_NAMES: Readonly<Record<FieldTag, string>> = {
  t: 'bool',
  b: 'byte',
  B: 'unsignedbyte',
  s: 'short',
  u: 'unsignedshort',
  I: 'signedint',
  i: 'unsignedint',
  l: 'long',
  L: 'long',
  f: 'float',
  d: 'double',
  D: 'decimal',
  S: 'longstr',
  x: 'binary',
  T: 'timestamp',
  A: 'array',
  F: 'table',
  V: 'void',
}

/** The name of the value's type. */
export function typeName(field: Field): string {
  return TYPE_NAMES[field.tag]
}

/** The value in Erlang's notation: `<<"text">>`, `<<1,2>>`, `12`, `1.5`, `true`, `{2,314}`, `[{longstr,<<"a">>}]`. */
export function formatField(field: Field): string {
  switch (field.tag) {
    case 'S':
      return formatText(field.value)
    case 'x':
      return formatBytes(field.value)
    case 'f':
    case 'd':
      return formatFloat(field.value)
    case 'D':
      return `{${field.value.scale},${field.value.unscaled}}`
    case 'A':
      return `[${field.value.map((item) => `{${typeName(item)},${formatField(item)}}`).join(',')}]`
    case 'F':
      return `[${field.value.entries.map(({ name, field: value }) => `{${formatText(name)},${typeName(value)},${formatField(value)}}`).join(',')}]`
    case 'V':
      return 'undefined'
    default:
      return String(field.value)
  }
}

/** A text in Erlang's notation of a binary. */
export function formatText(text: string): string {
  return formatBytes(encodeText(text))
}

/** Bytes in Erlang's notation of a binary: as text when all of them can be printed. */
export function formatBytes(bytes: Uint8Array): string {
  let printable = true
  for (const byte of bytes) {
    if ((byte < 0x20 || byte > 0x7e) && (byte < 0x08 || byte > 0x0d) && byte !== 0x1b) printable = false
  }
  if (bytes.length === 0) return '<<>>'
  if (!printable) return `<<${bytes.join(',')}>>`
  return `<<${JSON.stringify(Buffer.from(bytes).toString('latin1'))}>>`
}

/** Erlang always writes a decimal point. */
function formatFloat(value: number): string {
  return Number.isInteger(value) && Math.abs(value) < 1e15 ? value.toFixed(1) : String(value)
}
