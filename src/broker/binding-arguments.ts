/**
 * The arguments of a binding are part of its identity: equal if the same names have values of the same types and contents, in any order.
 */
import type { Field } from '../message/field.ts'
import { FieldTable } from '../message/field.ts'

/** No argument at all. */
export const NO_ARGUMENTS: FieldTable = new FieldTable()

/** A number that is equal for equal arguments. */
export function digestArguments(args: FieldTable): number {
  let digest = args.size
  // A sum, so that the order of the names does not count.
  for (const { name, field } of args.entries) digest = (digest + Math.imul(digestText(name), 31) + digestField(field)) | 0
  return digest
}

/** True if both have the same names with values of the same types and contents. */
export function sameArguments(a: FieldTable, b: FieldTable): boolean {
  if (a === b) return true
  if (a.size !== b.size) return false
  const left = sortedEntries(a)
  const right = sortedEntries(b)
  return left.every((entry, i) => entry.name === right[i]?.name && sameField(entry.field, right[i].field))
}

/** True if two values have the same type and content; `l` and `L` are one type. */
export function sameField(a: Field, b: Field): boolean {
  switch (a.tag) {
    case 'l':
    case 'L':
      return (b.tag === 'l' || b.tag === 'L') && a.value === b.value
    case 'x':
      return b.tag === 'x' && sameBytes(a.value, b.value)
    case 'D':
      return b.tag === 'D' && a.value.scale === b.value.scale && a.value.unscaled === b.value.unscaled
    case 'A':
      return b.tag === 'A' && a.value.length === b.value.length && a.value.every((item, i) => sameField(item, b.value[i] as Field))
    case 'F':
      return b.tag === 'F' && sameArguments(a.value, b.value)
    default:
      return a.tag === b.tag && Object.is(a.value, b.value)
  }
}

/** True if both hold the same bytes. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

/** Sorted by name; entries of the same name keep their order. */
function sortedEntries(args: FieldTable): FieldTable['entries'] {
  if (args.size < 2) return args.entries
  return args.entries.toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
}

function digestText(text: string): number {
  let digest = 17
  for (let i = 0; i < text.length; i++) digest = (Math.imul(digest, 31) + text.charCodeAt(i)) | 0
  return digest
}

/** Composite values count by their type alone; they are rare. */
function digestField(value: Field): number {
  return typeof value.value === 'object' ? 1 : digestText(String(value.value))
}
