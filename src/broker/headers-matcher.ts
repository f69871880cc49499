/**
 * The condition of a binding to a headers exchange, as RabbitMQ has it:
 *
 *   x-match = all (the default) | any | all-with-x | any-with-x
 *
 * Every other argument asks for a header with its name and value. Names that start with "x-" count only with the last two; an argument
 * without a value (void) asks for the mere presence of the header. Integers are equal by value whatever their width, so are floating point
 * numbers; an integer and a floating point number are never equal. "all" of nothing matches, "any" of nothing doesn't.
 */
import { WaybillError } from '../base/errors.ts'
import { encodeText } from '../base/text.ts'
import type { Field, FieldTable } from '../message/field.ts'
import { integerOf } from '../message/field.ts'
import { sameBytes, sameField } from './binding-arguments.ts'
import { typeName, formatField } from './field-description.ts'

/** The headers of the message being routed. They are decoded only when something asks for one. */
export interface HeadersAccess {
  /** The value of the header `name`, or undefined if the message does not have it. */
  get(name: string): Field | undefined
}

/** What a message must satisfy besides the routing key of a binding. */
export interface BindingCondition {
  matches(headers: HeadersAccess): boolean
}

/** Compiled once per binding. */
export class HeadersMatcher implements BindingCondition {
  readonly #any: boolean
  readonly #names: string[] = []
  readonly #values: Field[] = []

  /** @throws PRECONDITION_FAILED when `x-match` is none of the four words */
  constructor(args: FieldTable) {
    const mode = matchMode(args.get('x-match'))
    this.#any = mode === 'any' || mode === 'any-with-x'
    const withX = mode === 'all-with-x' || mode === 'any-with-x'
    for (const { name, field } of args.entries) {
      if (name === 'x-match' || (!withX && name.startsWith('x-'))) continue
      this.#names.push(name)
      this.#values.push(field)
    }
  }

  matches(headers: HeadersAccess): boolean {
    const any = this.#any
    for (let i = 0; i < this.#names.length; i++) {
      const actual = headers.get(this.#names[i] as string)
      const matched = actual !== undefined && satisfies(this.#values[i] as Field, actual)
      if (matched === any) return any
    }
    return !any
  }
}

function matchMode(field: Field | undefined): string {
  if (field === undefined) return 'all'
  if (field.tag !== 'S') {
    throw new WaybillError(
      'PRECONDITION_FAILED',
      `Invalid x-match field type ${typeName(field)} (value ${formatField(field)}); expected longstr`,
    )
  }
  if (field.value === 'all' || field.value === 'any' || field.value === 'all-with-x' || field.value === 'any-with-x') return field.value
  throw new WaybillError(
    'PRECONDITION_FAILED',
    `Invalid x-match field value ${formatField(field)}; expected all, any, all-with-x, or any-with-x`,
  )
}

/** True if the header `actual` is what the argument `wanted` asks for. */
function satisfies(wanted: Field, actual: Field): boolean {
  switch (wanted.tag) {
    case 'V':
      return true
    case 'f':
    case 'd':
      return (actual.tag === 'f' || actual.tag === 'd') && wanted.value === actual.value
    case 'S':
      if (actual.tag === 'x') return sameBytes(encodeText(wanted.value), actual.value)
      return actual.tag === 'S' && wanted.value === actual.value
    case 'x':
      if (actual.tag === 'S') return sameBytes(wanted.value, encodeText(actual.value))
      return sameField(wanted, actual)
    default: {
      const integer = integerOf(wanted)
      return integer === undefined ? sameField(wanted, actual) : integer === integerOf(actual)
    }
  }
}
