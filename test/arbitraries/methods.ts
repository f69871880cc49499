/** Arbitrary methods for property tests, made from the table of methods. */
import fc from 'fast-check'
import type { ArgumentKind, MethodName, MethodRow } from '../../src/protocols/amqp-0-9-1/method-table.ts'
import { METHODS } from '../../src/protocols/amqp-0-9-1/method-table.ts'
import type { Method } from '../../src/protocols/amqp-0-9-1/methods.ts'
import { shortText, tables } from './fields.ts'

const ARGUMENTS: Partial<Record<ArgumentKind, fc.Arbitrary<unknown>>> = {
  bit: fc.boolean(),
  octet: fc.integer({ min: 0, max: 255 }),
  short: fc.integer({ min: 0, max: 65535 }),
  long: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  longlong: fc.maxSafeNat(),
  shortstr: shortText,
  replytext: shortText,
  longstr: fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
  longtext: fc.string({ unit: 'binary', maxLength: 60 }),
  table: tables,
}

function methodOf(name: MethodName): fc.Arbitrary<Method> {
  const row: MethodRow = METHODS[name]
  const shape: Record<string, fc.Arbitrary<unknown>> = { method: fc.constant(name) }
  for (const [field, kind] of Object.entries(row.fields)) {
    const value = ARGUMENTS[kind]
    if (value !== undefined) shape[field] = value
  }
  return fc.record(shape, { noNullPrototype: true }) as unknown as fc.Arbitrary<Method>
}

export const METHOD_NAMES = Object.keys(METHODS) as MethodName[]

export const methods: fc.Arbitrary<Method> = fc.oneof(...METHOD_NAMES.map(methodOf))
