import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { fields, shortText, tables } from '../../test/arbitraries/fields.ts'
import { encodeText } from '../base/text.ts'
import { WaybillError } from '../base/errors.ts'
import { LIMITS } from '../base/limits.ts'
import { beginEntries, findTableEntry, integerAt, skipEntry } from './field-scan.ts'
import { decodeField, decodeTable, encodeTable } from './field-table.ts'
import { booleanOf, field, fieldOf, FieldTable, headerValueOf, integerOf, textOf } from './field.ts'
import type { Encodable } from './field.ts'

const coded = (error: unknown): boolean => error instanceof WaybillError && error.code === 'SYNTAX_ERROR'

/** Bytes that are nearly a table: a valid one with some bytes changed, so that errors deep inside are met. */
const mutatedTables = fc
  .tuple(tables, fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { maxLength: 4 }), fc.nat(6))
  .map(([table, changes, cut]) => {
    const bytes = encodeTable(table)
    for (const [at, value] of changes) if (bytes.length > 0) bytes[at % bytes.length] = value
    return bytes.subarray(0, Math.max(0, bytes.length - cut + 3))
  })

/** Walks over the entries as the scan of properties does. */
function validateEntries(bytes: Uint8Array, start: number, end: number): void {
  beginEntries()
  let at = start
  while (at < end) at = skipEntry(bytes, at, end)
}

test('a table survives the round trip with tags, order and duplicates', () => {
  fc.assert(
    fc.property(tables, (table) => {
      const decoded = decodeTable(encodeTable(table))
      assert.deepEqual(decoded, table)
    }),
  )
})

test('what was decoded encodes to the same bytes, whatever the bytes were', () => {
  let decodedCount = 0
  fc.assert(
    fc.property(fc.oneof(mutatedTables, fc.uint8Array({ maxLength: 60 })), (bytes) => {
      let table
      try {
        table = decodeTable(bytes)
      } catch (error) {
        assert.ok(coded(error), String(error))
        return
      }
      decodedCount++
      assert.deepEqual(encodeTable(table), Buffer.from(bytes))
    }),
    { numRuns: 3000 },
  )
  assert.ok(decodedCount > 100, 'the property was tried on valid tables')
})

test('walking over the bytes accepts exactly what decoding accepts', () => {
  fc.assert(
    fc.property(mutatedTables, (bytes) => {
      let decodes = true
      let walks = true
      if (bytes.length < 4 || bytes.readUInt32BE(0) !== bytes.length - 4) return
      try {
        decodeTable(bytes)
      } catch (error) {
        assert.ok(coded(error), String(error))
        decodes = false
      }
      try {
        validateEntries(bytes, 4, bytes.length)
      } catch (error) {
        assert.ok(coded(error), String(error))
        walks = false
      }
      assert.equal(walks, decodes)
    }),
    { numRuns: 3000 },
  )
})

test('finds the first entry of a name, or says that there is none', () => {
  fc.assert(
    fc.property(tables, shortText, (table, other) => {
      const bytes = encodeTable(table)
      for (const name of [...table.entries.map((entry) => entry.name), other, 'CC']) {
        const at = findTableEntry(bytes, 4, bytes.length, encodeText(name))
        const expected = table.get(name)
        if (expected === undefined) assert.equal(at, -1)
        else assert.deepEqual(decodeField(bytes, at, bytes.length), expected)
      }
    }),
  )
})

test('reads integers of every width in place', () => {
  fc.assert(
    fc.property(fields, (value) => {
      const bytes = encodeTable({ n: value })
      const at = findTableEntry(bytes, 4, bytes.length, Buffer.from('n'))
      const expected = integerOf(value)
      const actual = integerAt(bytes, at)
      if (expected === undefined) assert.ok(Number.isNaN(actual))
      else assert.ok(Math.abs(actual - Number(expected)) <= Math.abs(actual) * 2 ** -52, `${actual} is ${expected}`)
    }),
  )
})

test('each tag is written as the dialect says', () => {
  const cases: [Encodable, string][] = [
    [true, '7401'],
    [field('b', -1), '62ff'],
    [field('B', 255), '42ff'],
    [field('s', -2), '73fffe'],
    [field('u', 65534), '75fffe'],
    [-3, '49fffffffd'],
    [field('i', 4294967293), '69fffffffd'],
    [2 ** 40, '6c0000010000000000'],
    [-1n, '6cffffffffffffffff'],
    [9007199254740993n, '6c0020000000000001'],
    [field('L', -1), '4cffffffffffffffff'],
    [field('f', 1.5), '663fc00000'],
    [1.5, '643ff8000000000000'],
    [-0, '648000000000000000'],
    [{ scale: 2, unscaled: 314 }, '44020000013a'],
    ['hé', '530000000368c3a9'],
    [Uint8Array.of(1, 2), '78000000020102'],
    [new Date(1_700_000_000_999), '54000000006553f100'],
    [null, '56'],
    [[1, 'a'], '410000000b' + '4900000001' + '530000000161'],
    [new Map([['k', null]]), '4600000003' + '016b56'],
    [{ k: null }, '4600000003' + '016b56'],
  ]
  for (const [value, hex] of cases) assert.equal(encodeTable({ k: value }).subarray(6).toString('hex'), hex)
})

test('keeps bytes that have no value of their own: odd booleans and NaNs', () => {
  for (const hex of ['016b7402', '016b667fc00001', '016b64fff8000000000001', '016b667f800001']) {
    const size = (hex.length / 2).toString(16).padStart(8, '0')
    const bytes = Buffer.from(size + hex, 'hex')
    assert.equal(encodeTable(decodeTable(bytes)).toString('hex'), size + hex)
  }
})

test('a key named __proto__ is a key like any other', () => {
  const table = decodeTable(encodeTable(new Map([['__proto__', 'x']])))
  assert.equal(textOf(table.get('__proto__')), 'x')
  assert.equal(table.toMap().get('__proto__'), 'x')
  assert.equal(({} as Record<string, unknown>)['x'], undefined)
})

test('nesting beyond the limit is an error in decoding, walking and encoding', () => {
  let bytes = Buffer.alloc(0)
  for (let depth = 0; depth < LIMITS.headerNestingMax + 1; depth++) {
    const size = Buffer.alloc(4)
    size.writeUInt32BE(bytes.length)
    bytes = Buffer.concat([Buffer.from('016b46', 'hex'), size, bytes])
  }
  const size = Buffer.alloc(4)
  size.writeUInt32BE(bytes.length)
  assert.throws(() => decodeTable(Buffer.concat([size, bytes])), coded)
  assert.throws(() => validateEntries(bytes, 0, bytes.length), coded)
  let value: Encodable = []
  for (let depth = 0; depth < LIMITS.headerNestingMax + 1; depth++) value = [value]
  assert.throws(() => encodeTable({ deep: value }), { code: 'PRECONDITION_FAILED' })
  const circular: { self?: Encodable } = {}
  circular.self = circular
  assert.throws(() => encodeTable(circular), { code: 'PRECONDITION_FAILED' })
})

test('entries beyond the limit are an error, also when they take one byte each', () => {
  const array = Buffer.alloc(LIMITS.headerEntriesMax + 1, 0x56)
  const entry = Buffer.concat([Buffer.from('016b41', 'hex'), Buffer.alloc(4), array])
  entry.writeUInt32BE(array.length, 3)
  const table = Buffer.concat([Buffer.alloc(4), entry])
  table.writeUInt32BE(entry.length)
  assert.throws(() => decodeTable(table), coded)
  assert.throws(() => validateEntries(table, 4, table.length), coded)
})

test('a declared length beyond the bytes is an error and allocates nothing', () => {
  for (const hex of [
    '7fffffff',
    'ffffffff',
    '00000007016b78ffffffff',
    '00000007016b41ffffffff',
    '00000007016b46ffffffff',
    '00000007016b53ffffffff',
    '00000003ff6b56',
  ])
    assert.throws(() => decodeTable(Buffer.from(hex, 'hex')), coded, hex)
})

test('unknown tags, names too long and dates before 1970 are coded errors', () => {
  assert.throws(() => decodeTable(Buffer.from('00000003016b7a', 'hex')), coded)
  assert.throws(() => encodeTable({ ['n'.repeat(256)]: 1 }), { code: 'PRECONDITION_FAILED' })
  assert.throws(() => encodeTable({ n: new Date(-1000) }), { code: 'PRECONDITION_FAILED' })
  assert.throws(() => encodeTable({ n: 2n ** 63n }), { code: 'PRECONDITION_FAILED' })
})

test('neutral values: dates, bytes that are no text, nested maps; typed access by tag', () => {
  assert.deepEqual(headerValueOf(field('T', 1_700_000_000)), new Date(1_700_000_000_000))
  assert.equal(headerValueOf(field('T', 2n ** 60n)), 2n ** 60n)
  assert.deepEqual(headerValueOf(decodeField(Buffer.from('5300000001ff', 'hex'), 0, 6)), Buffer.of(0xff))
  assert.deepEqual(headerValueOf(fieldOf({ a: [1, null] })), new Map([['a', [1, null]]]))
  assert.equal(integerOf(field('d', 1)), undefined)
  assert.equal(integerOf(undefined), undefined)
  assert.equal(booleanOf(field('t', true)), true)
  assert.equal(booleanOf(field('S', 'true')), undefined)
  const table = new FieldTable([
    { name: 'a', field: field('I', 1) },
    { name: 'a', field: field('I', 2) },
  ])
  assert.deepEqual(table.toMap(), new Map([['a', 1]]))
  assert.equal(table.size, 2)
  assert.equal(table.has('b'), false)
})
