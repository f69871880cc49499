import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { METHOD_NAMES, methods } from '../../../test/arbitraries/methods.ts'
import { WaybillError } from '../../base/errors.ts'
import { METHOD } from './grammar.ts'
import { type MethodName, METHODS } from './method-table.ts'
import { cutText, decodeMethod, encodeMethodFrame, methodIdAt } from './methods.ts'
import type { Method, MethodInput } from './methods.ts'

const refused = (error: unknown): boolean =>
  error instanceof WaybillError && (error.code === 'FRAME_ERROR' || error.code === 'COMMAND_INVALID')

const idOf = (name: MethodName): number => (METHODS[name].classId << 16) | METHODS[name].methodId

function encode(method: Method, channel = 0): Buffer {
  return encodeMethodFrame(channel, method.method, method as unknown as MethodInput<MethodName>)
}

test('every method survives the round trip', () => {
  fc.assert(
    fc.property(methods, fc.nat(65535), (method, channel) => {
      const frame = encode(method, channel)
      assert.equal(frame[0], 1)
      assert.equal(frame.readUInt16BE(1), channel)
      assert.equal(frame.readUInt32BE(3), frame.length - 8)
      assert.equal(frame.at(-1), 0xce)
      assert.equal(methodIdAt(frame, 7, frame.length - 1), idOf(method.method))
      assert.deepEqual(decodeMethod(frame, 7, frame.length - 1), method)
    }),
    { numRuns: 1500 },
  )
})

test('any bytes are a method or refused with a coded error', () => {
  let decoded = 0
  const mutated = fc
    .tuple(methods, fc.array(fc.tuple(fc.nat(300), fc.nat(255)), { maxLength: 3 }), fc.nat(3))
    .map(([method, changes, cut]) => {
      const frame = encode(method)
      const payload = frame.subarray(7, Math.max(7, frame.length - 1 - cut))
      for (const [at, value] of changes) if (payload.length > 0) payload[at % payload.length] = value
      return payload
    })
  fc.assert(
    fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 40 })), (bytes) => {
      try {
        decodeMethod(bytes, 0, bytes.length)
        decoded++
      } catch (error) {
        assert.ok(refused(error), String(error))
      }
    }),
    { numRuns: 3000 },
  )
  assert.ok(decoded > 100, 'the property was tried on valid methods')
})

test('bits share octets, the lowest first [AMQP-0-9-1 4.2.5.2]', () => {
  const frame = encodeMethodFrame(1, 'queue.declare', {
    queue: 'q',
    passive: false,
    durable: true,
    exclusive: false,
    autoDelete: true,
    noWait: true,
    arguments: {},
  })
  assert.equal(frame.toString('hex'), '0100010000000d' + '0032000a' + '0000' + '0171' + '1a' + '00000000' + 'ce')
})

test('the names and ids of the fast paths agree with the table', () => {
  const dashed = (name: string): string => name.replace(/([A-Z])/g, (letter) => '-' + letter.toLowerCase()).replace('-', '.')
  for (const [name, id] of Object.entries(METHOD)) assert.equal(id, idOf(dashed(name) as MethodName))
  assert.equal(new Set(METHOD_NAMES.map(idOf)).size, METHOD_NAMES.length)
  assert.equal(METHOD_NAMES.length, 66)
})

test('an unknown method is COMMAND_INVALID, bytes too many or too few a FRAME_ERROR', () => {
  assert.throws(() => decodeMethod(Buffer.from('003c00c8', 'hex'), 0, 4), { code: 'COMMAND_INVALID' })
  assert.throws(() => decodeMethod(Buffer.from('005a000a00', 'hex'), 0, 5), { code: 'FRAME_ERROR' })
  assert.throws(() => decodeMethod(Buffer.from('005a00', 'hex'), 0, 3), { code: 'FRAME_ERROR' })
})

test('a reply text is cut to what fits, between characters; a name that is too long is refused', () => {
  const frame = encodeMethodFrame(1, 'channel.close', { replyCode: 404, replyText: 'é'.repeat(300), classId: 50, methodId: 10 })
  const decoded = decodeMethod(frame, 7, frame.length - 1)
  assert.ok(decoded.method === 'channel.close')
  assert.equal(decoded.replyText, 'é'.repeat(127))
  assert.equal(cutText('short'), 'short')
  assert.equal(cutText('x'.repeat(255)), 'x'.repeat(255))
  assert.equal(cutText('x'.repeat(256)), 'x'.repeat(255))
  assert.throws(() => encodeMethodFrame(1, 'basic.cancel', { consumerTag: 'x'.repeat(256), noWait: false }), {
    code: 'PRECONDITION_FAILED',
  })
})

test('a name that is not UTF-8 is a FRAME_ERROR, as in RabbitMQ', () => {
  const frame = encodeMethodFrame(1, 'basic.cancel-ok', { consumerTag: 'abc' })
  frame[12] = 0xff
  assert.throws(() => decodeMethod(frame, 7, frame.length - 1), { code: 'FRAME_ERROR' })
})

test('a bad table in a method is a FRAME_ERROR with its cause', () => {
  const frame = encodeMethodFrame(1, 'queue.declare', {
    queue: 'q',
    passive: false,
    durable: false,
    exclusive: false,
    autoDelete: false,
    noWait: false,
    arguments: { x: 1 },
  })
  frame[frame.length - 6] = 0x3f
  assert.throws(
    () => decodeMethod(frame, 7, frame.length - 1),
    (error) => error instanceof WaybillError && error.code === 'FRAME_ERROR' && error.cause instanceof WaybillError,
  )
})
