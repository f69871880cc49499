import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { shortText } from '../../../test/arbitraries/fields.ts'
import { WaybillError } from '../../base/errors.ts'
import { decodeText } from '../../base/text.ts'
import { decodeMethod, encodeMethodFrame } from './methods.ts'
import { ContentHeader, PublishArguments, readContentHeader, readPublish } from './publishing.ts'
import { ACK_FRAME_SIZE_BYTES, readSettlement, Settlement, writeAck, writeNack } from './settlements.ts'

const frameError = (error: unknown): error is WaybillError => error instanceof WaybillError && error.code === 'FRAME_ERROR'

test('basic.publish is read in place as decoding reads it', () => {
  const into = new PublishArguments()
  fc.assert(
    fc.property(shortText, shortText, fc.boolean(), fc.boolean(), fc.nat(9), (exchange, routingKey, mandatory, immediate, before) => {
      const frame = encodeMethodFrame(1, 'basic.publish', { exchange, routingKey, mandatory, immediate })
      const bytes = Buffer.concat([Buffer.alloc(before, 0xff), frame])
      readPublish(bytes, before + 7, bytes.length - 1, into)
      assert.equal(decodeText(bytes, into.exchangeStart, into.exchangeEnd), exchange)
      assert.equal(decodeText(bytes, into.routingKeyStart, into.addressEnd), routingKey)
      assert.equal(into.addressStart, into.exchangeStart - 1)
      assert.equal(into.mandatory, mandatory)
      assert.equal(into.immediate, immediate)
    }),
  )
})

test('any bytes are accepted by the fast path exactly when decoding accepts them', () => {
  const frame = encodeMethodFrame(1, 'basic.publish', { exchange: 'amq.topic', routingKey: 'a.b', mandatory: true, immediate: false })
  const payload = frame.subarray(7, frame.length - 1)
  fc.assert(
    fc.property(
      fc.nat(payload.length),
      fc.array(fc.tuple(fc.integer({ min: 4, max: payload.length - 1 }), fc.nat(255)), { maxLength: 3 }),
      (cut, changes) => {
        const bytes = Buffer.from(payload)
        for (const [at, value] of changes) bytes[at] = value
        const end = Math.max(4, bytes.length - (cut < 4 ? cut : 0))
        const outcomes = [() => readPublish(bytes, 0, end, new PublishArguments()), () => decodeMethod(bytes, 0, end)].map((attempt) => {
          try {
            attempt()
            return 'accepted'
          } catch (error) {
            if (!frameError(error)) throw error
            return error.message.includes('UTF-8') ? 'not UTF-8' : 'refused'
          }
        })
        // The fast path leaves UTF-8 to its caller.
        if (outcomes[1] !== 'not UTF-8') assert.equal(outcomes[0], outcomes[1])
      },
    ),
    { numRuns: 1000 },
  )
})

test('a content header gives the size and the place of the properties', () => {
  const into = new ContentHeader()
  const bytes = Buffer.from('ffff' + '003c0000' + '0000000100000002' + '1000' + '02', 'hex')
  readContentHeader(bytes, 2, bytes.length, into)
  assert.deepEqual(
    Object.entries(into),
    Object.entries({ classId: 60, weight: 0, bodySizeBytes: 2 ** 32 + 2, propertiesStart: 14, propertiesEnd: 17 }),
  )
  for (let end = 2; end < 14; end++) assert.throws(() => readContentHeader(bytes, 2, end, into), frameError)
})

test('settlements are read in place as decoding reads them', () => {
  const into = new Settlement()
  fc.assert(
    fc.property(fc.maxSafeNat(), fc.boolean(), fc.boolean(), (deliveryTag, multiple, requeue) => {
      const read = (frame: Buffer): unknown => {
        readSettlement(frame, 7, frame.length - 1, into)
        return { deliveryTag: into.deliveryTag, multiple: into.multiple, requeue: into.requeue }
      }
      assert.deepEqual(read(encodeMethodFrame(1, 'basic.ack', { deliveryTag, multiple })), { deliveryTag, multiple, requeue: false })
      assert.deepEqual(read(encodeMethodFrame(1, 'basic.nack', { deliveryTag, multiple, requeue })), { deliveryTag, multiple, requeue })
      assert.deepEqual(read(encodeMethodFrame(1, 'basic.reject', { deliveryTag, requeue })), { deliveryTag, multiple: false, requeue })
    }),
  )
  assert.throws(() => readSettlement(Buffer.alloc(30), 0, 12, into), frameError)
  assert.throws(() => readSettlement(Buffer.alloc(30), 0, 14, into), frameError)
})

test('confirms are written as encoding writes them', () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), fc.boolean(), fc.nat(65535), (deliveryTag, multiple, channel) => {
      const target = Buffer.alloc(ACK_FRAME_SIZE_BYTES * 2, 0xee)
      const at = writeAck(target, 0, channel, deliveryTag, multiple)
      assert.equal(writeNack(target, at, channel, deliveryTag, multiple), target.length)
      const expected = [
        encodeMethodFrame(channel, 'basic.ack', { deliveryTag, multiple }),
        encodeMethodFrame(channel, 'basic.nack', { deliveryTag, multiple, requeue: false }),
      ]
      assert.deepEqual(target, Buffer.concat(expected))
    }),
  )
  assert.throws(() => writeAck(Buffer.alloc(20), 0, 1, 1, false), { name: 'AssertionFailure' })
  assert.throws(() => writeAck(Buffer.alloc(30), 0, 1, 2 ** 53, false), { name: 'AssertionFailure' })
})
