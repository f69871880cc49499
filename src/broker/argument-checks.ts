/**
 * Checks of single argument values. A check returns undefined for a good value, else what is wrong as a term in the notation of RabbitMQ's
 * error texts, such as `{value_negative,-1}`.
 */
import { LIMITS } from '../base/limits.ts'
import type { Field, FieldTable } from '../message/field.ts'
import { integerOf } from '../message/field.ts'
import { typeName } from './field-description.ts'

/** Looks at one value; `all` are the arguments that it stands among. */
export type ArgumentCheck = (field: Field, all: FieldTable) => string | undefined

/** The value of an argument that its check has passed: a number, text or boolean. */
export function valueOf(field: Field): number | string | boolean {
  const integer = integerOf(field)
  if (integer !== undefined) return Number(integer)
  if (field.tag === 'f' || field.tag === 'd' || field.tag === 'S' || field.tag === 't') return field.value
  return ''
}

const unacceptable = (field: Field): string => `{unacceptable_type,${typeName(field)}}`

export const anything: ArgumentCheck = () => undefined

export const anyInteger: ArgumentCheck = (field) =>
  integerOf(field) === undefined ? `"expected integer, got ${typeName(field)}"` : undefined

export const naturalNumber: ArgumentCheck = (field, all) =>
  anyInteger(field, all) ?? ((valueOf(field) as number) < 0 ? `{value_negative,${integerOf(field)}}` : undefined)

const positiveInteger: ArgumentCheck = (field, all) => (integerOf(field) === 0 ? '{value_zero,0}' : naturalNumber(field, all))

/** A number of milliseconds, at most ten years. */
export const duration: ArgumentCheck = (field, all) =>
  naturalNumber(field, all) ?? ((valueOf(field) as number) > LIMITS.timeToLiveMsMax ? `{value_too_large,${integerOf(field)}}` : undefined)

export const positiveDuration: ArgumentCheck = (field, all) => (integerOf(field) === 0 ? '{value_zero,0}' : duration(field, all))

export const groupSize: ArgumentCheck = positiveInteger

export const priority: ArgumentCheck = (field, all) =>
  naturalNumber(field, all) ?? ((valueOf(field) as number) > LIMITS.priorityMax ? `{max_value_exceeded,${integerOf(field)}}` : undefined)

export const bool: ArgumentCheck = (field) => (field.tag === 't' ? undefined : unacceptable(field))

const text: ArgumentCheck = (field) => (field.tag === 'S' ? undefined : unacceptable(field))

/** The name of something: what is longer fits no address. */
export const shortText: ArgumentCheck = (field, all) =>
  text(field, all) ?? (Buffer.byteLength(field.value as string) > LIMITS.nameSizeBytesMax ? 'value_too_long' : undefined)

export const nonEmptyText: ArgumentCheck = (field, all) => text(field, all) ?? (field.value === '' ? 'value_empty' : undefined)

/** Accepts the words alone; `problem` says what any other text is. */
export function oneOf(words: readonly string[], problem: (word: string) => string): ArgumentCheck {
  return (field, all) => text(field, all) ?? (words.includes(field.value as string) ? undefined : problem(field.value as string))
}

/** Accepts the numbers alone; `problem` says what any other natural number is. */
export function oneNumberOf(numbers: readonly number[], problem: (number: number) => string): ArgumentCheck {
  return (field, all) =>
    naturalNumber(field, all) ?? (numbers.includes(valueOf(field) as number) ? undefined : problem(valueOf(field) as number))
}

/** Accepts any number from `min` on. */
export function numberFrom(min: number): ArgumentCheck {
  return (field) => {
    const value = valueOf(field)
    if (typeof value !== 'number') return `"expected number, got ${typeName(field)}"`
    return value >= min && value < Infinity ? undefined : `{value_too_small,${value}}`
  }
}
