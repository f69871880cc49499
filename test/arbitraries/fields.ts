/** Arbitrary field tables and properties for property tests. */
import fc from 'fast-check'
import { field, FieldTable } from '../../src/message/field.ts'
import type { Field } from '../../src/message/field.ts'
import type { AmqpProperties } from '../../src/message/amqp-properties.ts'
import { encodeText } from '../../src/base/text.ts'

/** Decoding makes plain objects, and deep equality compares prototypes. */
const PLAIN = { noNullPrototype: true } as const

/** Text of at most 255 bytes. */
export const shortText = fc.string({ unit: 'binary', maxLength: 60 }).filter((text) => encodeText(text).length <= 255)

const uint64 = fc.oneof(fc.maxSafeNat(), fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n - 1n }))
const int64 = fc.oneof(
  fc.maxSafeInteger(),
  fc.bigInt({ min: 2n ** 53n, max: 2n ** 63n - 1n }),
  fc.bigInt({ min: -(2n ** 63n), max: -(2n ** 53n) }),
)
const uint32 = fc.integer({ min: 0, max: 2 ** 32 - 1 })

const { field: anyField } = fc.letrec<{ field: Field; table: FieldTable }>((tie) => ({
  field: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.boolean().map((value) => field('t', value)),
    fc.integer({ min: -128, max: 127 }).map((value) => field('b', value)),
    fc.integer({ min: 0, max: 255 }).map((value) => field('B', value)),
    fc.integer({ min: -32768, max: 32767 }).map((value) => field('s', value)),
    fc.integer({ min: 0, max: 65535 }).map((value) => field('u', value)),
    fc.integer().map((value) => field('I', value)),
    uint32.map((value) => field('i', value)),
    int64.map((value) => field('l', value)),
    int64.map((value) => field('L', value)),
    fc.float({ noNaN: true }).map((value) => field('f', value)),
    fc.double({ noNaN: true }).map((value) => field('d', value)),
    fc.record({ scale: fc.integer({ min: 0, max: 255 }), unscaled: uint32 }, PLAIN).map((value) => field('D', value)),
    fc.string({ unit: 'binary', maxLength: 80 }).map((value) => field('S', value)),
    fc.uint8Array({ maxLength: 40 }).map((value) => field('x', Buffer.from(value))),
    uint64.map((value) => field('T', value)),
    fc.constant(field('V', null)),
    fc.array(tie('field'), { maxLength: 4 }).map((value) => field('A', value)),
    tie('table').map((value) => field('F', value)),
  ),
  table: fc.array(fc.record({ name: shortText, field: tie('field') }, PLAIN), { maxLength: 5 }).map((entries) => new FieldTable(entries)),
}))

export const fields: fc.Arbitrary<Field> = anyField

export const tables: fc.Arbitrary<FieldTable> = fc
  .array(fc.record({ name: fc.oneof(shortText, fc.constantFrom('CC', 'BCC', 'x-delay', 'x-death', '__proto__')), field: fields }, PLAIN), {
    maxLength: 6,
  })
  .map((entries) => new FieldTable(entries))

export const amqpProperties: fc.Arbitrary<AmqpProperties> = fc.record(
  {
    contentType: shortText,
    contentEncoding: shortText,
    headers: tables,
    deliveryMode: fc.integer({ min: 0, max: 255 }),
    priority: fc.integer({ min: 0, max: 255 }),
    correlationId: shortText,
    replyTo: shortText,
    expiration: fc.oneof(fc.nat().map(String), shortText),
    messageId: shortText,
    timestamp: uint64,
    type: shortText,
    userId: shortText,
    appId: shortText,
    clusterId: shortText,
  },
  { requiredKeys: [], noNullPrototype: true },
)
