import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ErrorCode, ERRORS, WaybillError } from '../../base/errors.ts'
import { replyTo } from './error-mapping.ts'

/** The codes that have a meaning for a channel in the specification: the others close the connection [AMQP-0-9-1 1.2]. */
const SOFT = [311, 313, 403, 404, 405, 406, 506]

test('every error of the broker has a reply code and a text that begins with its name', () => {
  for (const code of Object.keys(ERRORS) as ErrorCode[]) {
    const reply = replyTo(new WaybillError(code, 'what happened'))
    assert.ok(reply.replyCode >= 300 && reply.replyCode < 600, code)
    assert.match(reply.replyText, /^[A-Z_]+ - what happened$/)
  }
})

test('only codes that the specification calls soft close a channel alone', () => {
  for (const code of Object.keys(ERRORS) as ErrorCode[]) {
    const reply = replyTo(new WaybillError(code))
    if (reply.closes === 'channel' && ERRORS[code].closes === 'channel') assert.ok(SOFT.includes(reply.replyCode), code)
  }
})

test('errors are told as RabbitMQ does', () => {
  const told = (code: ErrorCode): unknown => replyTo(new WaybillError(code, 'x'))
  assert.deepEqual(told('NOT_FOUND'), { closes: 'channel', replyCode: 404, replyText: 'NOT_FOUND - x' })
  assert.deepEqual(told('MESSAGE_TOO_LARGE'), { closes: 'channel', replyCode: 406, replyText: 'PRECONDITION_FAILED - x' })
  assert.deepEqual(told('INVALID_PATH'), { closes: 'connection', replyCode: 530, replyText: 'NOT_ALLOWED - x' })
  assert.deepEqual(told('AUTHENTICATION_FAILED'), { closes: 'connection', replyCode: 403, replyText: 'ACCESS_REFUSED - x' })
  assert.deepEqual(told('STORAGE_FAILED'), { closes: 'connection', replyCode: 541, replyText: 'INTERNAL_ERROR - x' })
})
