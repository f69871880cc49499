import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { amqpProperties } from '../../test/arbitraries/fields.ts'
import { WaybillError } from '../base/errors.ts'
import { decodeText } from '../base/text.ts'
import { decodeAmqpProperties, encodeAmqpProperties, patchAmqpProperties, scanAmqpProperties } from './amqp-properties.ts'
import { AMQP_FORM } from './amqp-form.ts'
import { ABSENT, HEADER_FLAG, INVALID, MessageFacets } from './facets.ts'
import { field, integerOf } from './field.ts'

const coded = (error: unknown): boolean => error instanceof WaybillError && error.code === 'SYNTAX_ERROR'

const mutatedProperties = fc
  .tuple(amqpProperties, fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { maxLength: 3 }), fc.integer({ min: -2, max: 4 }))
  .map(([properties, changes, cut]) => {
    const bytes = encodeAmqpProperties(properties)
    for (const [at, value] of changes) bytes[at % bytes.length] = value
    return cut > 0 ? bytes.subarray(0, Math.max(0, bytes.length - cut)) : Buffer.concat([bytes, Buffer.alloc(-cut)])
  })

function scan(bytes: Uint8Array, start = 0, end = bytes.length): MessageFacets {
  const facets = new MessageFacets()
  scanAmqpProperties(bytes, start, end, facets)
  return facets
}

test('properties survive the round trip', () => {
  fc.assert(
    fc.property(amqpProperties, (properties) => {
      assert.deepEqual(decodeAmqpProperties(encodeAmqpProperties(properties)), properties)
    }),
  )
})

test('the scan finds what decoding finds, at any place in a buffer', () => {
  const facets = new MessageFacets()
  fc.assert(
    fc.property(amqpProperties, fc.nat(9), (properties, before) => {
      const encoded = encodeAmqpProperties(properties)
      const bytes = Buffer.concat([Buffer.alloc(before, 0xff), encoded, Buffer.alloc(2, 0xff)])
      scanAmqpProperties(bytes, before, before + encoded.length, facets)
      const text = (offset: number, length: number): string | undefined =>
        length === ABSENT ? undefined : decodeText(bytes, offset, offset + length)
      assert.equal(facets.persistent, properties.deliveryMode === 2)
      assert.equal(facets.priority, properties.priority ?? ABSENT)
      assert.equal(text(facets.correlationIdOffset, facets.correlationIdLength), properties.correlationId)
      assert.equal(text(facets.replyToOffset, facets.replyToLength), properties.replyTo)
      assert.equal(text(facets.expirationOffset, facets.expirationLength), properties.expiration)
      assert.equal(text(facets.messageIdOffset, facets.messageIdLength), properties.messageId)
      assert.equal(text(facets.userIdOffset, facets.userIdLength), properties.userId)
      assert.equal(facets.timestampSeconds, properties.timestamp === undefined ? ABSENT : Number(properties.timestamp))
      assert.equal(facets.headersLength !== ABSENT, properties.headers !== undefined)
      assert.equal((facets.headerFlags & HEADER_FLAG.cc) !== 0, properties.headers?.has('CC') ?? false)
      assert.equal((facets.headerFlags & HEADER_FLAG.bcc) !== 0, properties.headers?.has('BCC') ?? false)
      assert.equal((facets.headerFlags & HEADER_FLAG.delay) !== 0, properties.headers?.has('x-delay') ?? false)
      const delay = integerOf(properties.headers?.get('x-delay'))
      if (delay !== undefined) assert.equal(facets.delayMs, delay >= 0 ? Number(delay) : ABSENT)
      for (const name of ['CC', 'BCC', 'x-death', 'none']) {
        const at = AMQP_FORM.findHeader(bytes, facets, Buffer.from(name))
        assert.equal(at !== -1, properties.headers?.has(name) ?? false)
        if (name === 'CC') assert.equal(at, facets.ccOffset)
        if (name === 'BCC') assert.equal(at, facets.bccOffset)
        if (at !== -1) assert.deepEqual(AMQP_FORM.headerValue(bytes, facets, at), properties.headers?.toMap().get(name))
      }
    }),
  )
})

test('any bytes either scan and decode, or both are refused with a coded error', () => {
  let accepted = 0
  fc.assert(
    fc.property(fc.oneof(mutatedProperties, fc.uint8Array({ maxLength: 40 })), (bytes) => {
      const attempts = [() => scan(bytes), () => decodeAmqpProperties(bytes)].map((attempt) => {
        try {
          attempt()
          return true
        } catch (error) {
          assert.ok(coded(error), String(error))
          return false
        }
      })
      assert.equal(attempts[0], attempts[1])
      if (attempts[0] === true) {
        accepted++
        assert.deepEqual(encodeAmqpProperties(decodeAmqpProperties(bytes)), Buffer.from(bytes))
      }
    }),
    { numRuns: 3000 },
  )
  assert.ok(accepted > 100, 'the property was tried on valid properties')
})

test('expiration is decimal milliseconds and nothing else', () => {
  const parsed = (expiration: string): number => scan(encodeAmqpProperties({ expiration })).expirationMs
  assert.equal(parsed('0'), 0)
  assert.equal(parsed('60000'), 60_000)
  assert.equal(parsed('999999999999999'), 999_999_999_999_999)
  for (const bad of ['', '-1', '1.5', ' 1', '1 ', '1e3', 'abc', '9999999999999999']) assert.equal(parsed(bad), INVALID, bad)
  assert.equal(scan(encodeAmqpProperties({})).expirationMs, ABSENT)
})

test('x-delay is read from any integer and from digits', () => {
  const delay = (value: Parameters<typeof encodeAmqpProperties>[0]['headers']): number =>
    scan(encodeAmqpProperties({ headers: value ?? {} })).delayMs
  assert.equal(delay({ 'x-delay': 5000 }), 5000)
  assert.equal(delay({ 'x-delay': field('u', 5000) }), 5000)
  assert.equal(delay({ 'x-delay': 315_360_000_000n }), 315_360_000_000)
  assert.equal(delay({ 'x-delay': '5000' }), 5000)
  assert.equal(delay({ 'x-delay': -5000 }), ABSENT)
  assert.equal(delay({ 'x-delay': 'soon' }), INVALID)
  assert.equal(delay({ 'x-delay': true }), INVALID)
  assert.equal(delay({ 'x-delays': 1 }), ABSENT)
})

test('a patch changes what it names and keeps every other byte', () => {
  fc.assert(
    fc.property(amqpProperties, (properties) => {
      const bytes = encodeAmqpProperties(properties)
      assert.deepEqual(patchAmqpProperties(bytes, 0, bytes.length, {}), bytes)
      const patched = decodeAmqpProperties(
        patchAmqpProperties(bytes, 0, bytes.length, {
          removeExpiration: true,
          replyTo: 'there',
          headers: new Map<string, bigint | undefined>([
            ['x-delivery-count', 3n],
            ['CC', undefined],
          ]),
        }),
      )
      const { expiration: _expiration, headers: newHeaders, replyTo, ...rest } = patched
      const { expiration: _old, headers: oldHeaders, replyTo: _oldReplyTo, ...oldRest } = properties
      assert.deepEqual(rest, oldRest)
      assert.equal(patched.expiration, undefined)
      assert.equal(replyTo, 'there')
      assert.deepEqual(newHeaders?.get('x-delivery-count'), field('l', 3))
      const untouched = (oldHeaders?.entries ?? []).filter((entry) => entry.name !== 'CC' && entry.name !== 'x-delivery-count')
      assert.deepEqual(
        newHeaders?.entries.filter((entry) => entry.name !== 'x-delivery-count'),
        untouched,
      )
    }),
  )
})

test('a patched header keeps its place, its duplicates go, a removed one leaves no table where there was none', () => {
  const bytes = encodeAmqpProperties({ headers: new Map([['a', 1], ['b', 2], ['c', 3]]), appId: 'x' }) // prettier-ignore
  const patched = patchAmqpProperties(bytes, 0, bytes.length, { headers: new Map([['b', 'two'], ['d', 'four']]) }) // prettier-ignore
  assert.deepEqual([...(decodeAmqpProperties(patched).headers?.toMap() ?? [])], [['a', 1], ['b', 'two'], ['c', 3], ['d', 'four']]) // prettier-ignore
  const none = encodeAmqpProperties({ appId: 'x' })
  assert.deepEqual(patchAmqpProperties(none, 0, none.length, { headers: new Map([['b', undefined]]) }), none)
})

test('patching bytes that are not properties is a coded error', () => {
  fc.assert(
    fc.property(mutatedProperties, (bytes) => {
      try {
        patchAmqpProperties(bytes, 0, bytes.length, { removeExpiration: true, headers: new Map([['a', 1]]) })
      } catch (error) {
        assert.ok(coded(error), String(error))
      }
    }),
  )
})

test('flags that name no property and bytes after the last one are syntax errors', () => {
  assert.throws(() => scan(Buffer.from('0001', 'hex')), coded)
  assert.throws(() => scan(Buffer.from('0002', 'hex')), coded)
  assert.throws(() => scan(Buffer.from('000000', 'hex')), coded)
  assert.throws(() => scan(Buffer.from('00', 'hex')), coded)
  assert.throws(() => scan(Buffer.from('10000201', 'hex')), coded)
})

test('properties too long for a short string are refused when encoding', () => {
  assert.throws(() => encodeAmqpProperties({ messageId: 'x'.repeat(256) }), { code: 'PRECONDITION_FAILED' })
})
