import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { field, tableOf } from '../message/field.ts'
import type { Encodable } from '../message/field.ts'
import { formatField, typeName } from './field-description.ts'
import { HeadersMatcher } from './headers-matcher.ts'

type Table = Record<string, Encodable>

const matches = (args: Table, headers: Table): boolean => new HeadersMatcher(tableOf(args)).matches(tableOf(headers))

describe('HeadersMatcher', () => {
  const cases: [args: Table, matching: Table[], other: Table[]][] = [
    [{}, [{}, { a: 1 }], []],
    [{ 'x-match': 'all' }, [{}, { a: 1 }], []],
    [{ 'x-match': 'any' }, [], [{}, { a: 1 }]],
    [
      { a: 1, b: 'x' },
      [
        { a: 1, b: 'x' },
        { b: 'x', c: 0, a: 1 },
      ],
      [{}, { a: 1 }, { a: 1, b: 'y' }],
    ],
    [{ 'x-match': 'any', a: 1, b: 'x' }, [{ a: 1 }, { b: 'x' }, { a: 2, b: 'x' }], [{}, { a: 2, b: 'y' }]],
    // Names that start with "x-" count only when asked for.
    [{ a: 1, 'x-b': 2 }, [{ a: 1 }, { a: 1, 'x-b': 3 }], [{ 'x-b': 2 }]],
    [{ 'x-match': 'any', 'x-b': 2 }, [], [{ 'x-b': 2 }]],
    [{ 'x-match': 'all-with-x', a: 1, 'x-b': 2 }, [{ a: 1, 'x-b': 2 }], [{ a: 1 }, { a: 1, 'x-b': 3 }]],
    [{ 'x-match': 'any-with-x', a: 1, 'x-b': 2 }, [{ 'x-b': 2 }, { a: 1 }], [{ 'x-b': 3 }, {}]],
    // No value asks for presence.
    [{ a: null }, [{ a: 1 }, { a: 'x' }, { a: null }, { a: [1] }], [{}, { b: 1 }]],
    [{ a: 1 }, [], [{ a: null }]],
    // Integers are equal by value, and never equal to floating point numbers or texts.
    [
      { a: field('b', 5) },
      [{ a: field('l', 5) }, { a: field('u', 5) }, { a: 5 }],
      [{ a: 5.5 }, { a: field('d', 5) }, { a: '5' }, { a: true }],
    ],
    [{ a: 2n ** 60n }, [{ a: 2n ** 60n }], [{ a: 2n ** 60n + 1n }]],
    [{ a: field('d', 1.5) }, [{ a: field('f', 1.5) }], [{ a: 1 }, { a: '1.5' }]],
    [{ a: true }, [{ a: true }], [{ a: false }, { a: 1 }, { a: 'true' }]],
    [{ a: 'text' }, [{ a: 'text' }, { a: Buffer.from('text') }], [{ a: 'Text' }, { a: '' }]],
    [{ a: Buffer.from([1, 255]) }, [{ a: Buffer.from([1, 255]) }], [{ a: Buffer.from([1]) }, { a: 'x' }]],
    [{ a: field('T', 5) }, [{ a: field('T', 5) }], [{ a: 5 }, { a: field('T', 6) }]],
    [{ a: { scale: 1, unscaled: 15 } }, [{ a: { scale: 1, unscaled: 15 } }], [{ a: { scale: 2, unscaled: 15 } }, { a: 1.5 }]],
    [{ a: [1, { b: 'x' }] }, [{ a: [1, { b: 'x' }] }], [{ a: [1] }, { a: [1, { b: 'y' }] }]],
  ]
  for (const [args, matching, other] of cases) {
    const shown = [...tableOf(args)].map(({ name, field: value }) => `${name} = ${typeName(value)} ${formatField(value)}`).join(', ')
    it(`matches ${shown || 'nothing asked for'} as RabbitMQ does`, () => {
      for (const headers of matching) assert.equal(matches(args, headers), true, Object.keys(headers).join())
      for (const headers of other) assert.equal(matches(args, headers), false, Object.keys(headers).join())
    })
  }

  it('refuses another x-match with the text of RabbitMQ', () => {
    const refuses = (value: Encodable, message: string): void =>
      assert.throws(() => new HeadersMatcher(tableOf({ 'x-match': value })), { code: 'PRECONDITION_FAILED', message })
    refuses('some', 'Invalid x-match field value <<"some">>; expected all, any, all-with-x, or any-with-x')
    refuses('', 'Invalid x-match field value <<>>; expected all, any, all-with-x, or any-with-x')
    refuses('é', 'Invalid x-match field value <<195,169>>; expected all, any, all-with-x, or any-with-x')
    refuses(5, 'Invalid x-match field type signedint (value 5); expected longstr')
    refuses([1, 'a'], 'Invalid x-match field type array (value [{signedint,1},{longstr,<<"a">>}]); expected longstr')
    refuses({ a: 1.5 }, 'Invalid x-match field type table (value [{<<"a">>,double,1.5}]); expected longstr')
    refuses(Buffer.from([0, 1]), 'Invalid x-match field type binary (value <<0,1>>); expected longstr')
    refuses(null, 'Invalid x-match field type void (value undefined); expected longstr')
    refuses(2, 'Invalid x-match field type signedint (value 2); expected longstr')
  })
})
