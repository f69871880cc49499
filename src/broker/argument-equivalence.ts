/**
 * Declaring again what exists: everything that counts must be equivalent to what it was declared as. Integers of different widths with the
 * same value are. The texts are RabbitMQ's.
 */
import { WaybillError } from '../base/errors.ts'
import type { Field } from '../message/field.ts'
import { integerOf } from '../message/field.ts'
import { sameField } from './binding-arguments.ts'
import { formatField, typeName } from './field-description.ts'

/** @throws PRECONDITION_FAILED when a property (durable, auto_delete, type, ...) differs from what it is */
export function checkSameProperty(resource: string, property: string, received: string | boolean, current: string | boolean): void {
  if (received !== current) fail(resource, property, `'${received}'`, `'${current}'`)
}

/** @throws PRECONDITION_FAILED when an argument differs from what it is */
export function checkSameArgument(resource: string, name: string, received: Field | undefined, current: Field | undefined): void {
  if (received === undefined && current === undefined) return
  if (received === undefined || current === undefined) return fail(resource, name, withType(received), withType(current))
  if (!isEquivalent(received, current)) fail(resource, name, `'${plain(received)}'`, `'${plain(current)}'`)
}

function isEquivalent(a: Field, b: Field): boolean {
  const integer = integerOf(a)
  if (integer !== undefined) return integer === integerOf(b)
  if (a.tag === 'f' || a.tag === 'd') return (b.tag === 'f' || b.tag === 'd') && a.value === b.value
  return sameField(a, b)
}

function withType(field: Field | undefined): string {
  return field === undefined ? 'none' : `the value '${plain(field)}' of type '${typeName(field)}'`
}

/** A text as it is, everything else in Erlang's notation. */
function plain(field: Field): string {
  return field.tag === 'S' ? field.value : formatField(field)
}

function fail(resource: string, name: string, received: string, current: string): never {
  throw new WaybillError(
    'PRECONDITION_FAILED',
    `inequivalent arg '${name}' for ${resource}: received ${received} but current is ${current}`,
  )
}
