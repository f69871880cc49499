import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeTable } from '../../message/field-table.ts'
import type { EncodableTable } from '../../message/field.ts'
import { offeredMechanisms, parseResponse } from './sasl.ts'

const plain = (text: string): unknown => parseResponse('PLAIN', Buffer.from(text), false)
const amqPlain = (table: EncodableTable): unknown => parseResponse('AMQPLAIN', encodeTable(table).subarray(4), false)

test('PLAIN gives user and password, which may be anything but NUL', () => {
  assert.deepEqual(plain('\0guest\0geheim wört'), { kind: 'password', user: 'guest', password: 'geheim wört' })
  assert.deepEqual(plain('\0guest\0'), { kind: 'password', user: 'guest', password: '' })
})

test('a PLAIN response that is malformed, or names an authorisation identity, says nothing', () => {
  for (const text of ['', 'guest', 'guest\0guest', 'other\0guest\0guest', '\0a\0b\0c', '\0guest']) assert.equal(plain(text), undefined)
})

test('AMQPLAIN gives user and password from a table without its size', () => {
  assert.deepEqual(amqPlain({ LOGIN: 'guest', PASSWORD: 'secret', more: 1 }), { kind: 'password', user: 'guest', password: 'secret' })
  assert.equal(amqPlain({ LOGIN: 'guest' }), undefined)
  assert.equal(amqPlain({ LOGIN: 'guest', PASSWORD: 5 }), undefined)
  assert.equal(parseResponse('AMQPLAIN', Buffer.from([5, 1]), false), undefined)
})

test('EXTERNAL is offered and taken only where a certificate was verified', () => {
  assert.deepEqual(parseResponse('EXTERNAL', Buffer.alloc(0), true), { kind: 'certificate' })
  assert.equal(parseResponse('EXTERNAL', Buffer.alloc(0), false), undefined)
  assert.equal(offeredMechanisms(true), 'PLAIN AMQPLAIN EXTERNAL')
  assert.equal(offeredMechanisms(false), 'PLAIN AMQPLAIN')
})

test('a mechanism nobody knows says nothing', () => {
  assert.equal(parseResponse('SCRAM-SHA-256', Buffer.from('\0guest\0guest'), true), undefined)
})
