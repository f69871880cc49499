import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LIMITS } from '../../base/limits.ts'
import { AMQP_FORM } from '../../message/amqp-form.ts'
import { type AmqpProperties, encodeAmqpProperties } from '../../message/amqp-properties.ts'
import { MessageFacets } from '../../message/facets.ts'
import type { EncodableTable } from '../../message/field.ts'
import { checkDelay, checkUserId, parseCopyKeys, parseExpiration } from './message-checks.ts'

function scanned(properties: AmqpProperties<EncodableTable>): { bytes: Buffer; facets: MessageFacets } {
  const bytes = encodeAmqpProperties(properties)
  const facets = new MessageFacets()
  AMQP_FORM.scan(bytes, 0, bytes.length, facets)
  return { bytes, facets }
}

function expirationOf(expiration: string): number {
  const { bytes, facets } = scanned({ expiration })
  return parseExpiration(bytes, facets)
}

test('an expiration is a number of milliseconds, as RabbitMQ reads it', () => {
  assert.equal(expirationOf('0'), 0)
  assert.equal(expirationOf('+500'), 500)
  assert.equal(expirationOf('000000000000000060000'), 60_000)
  assert.equal(expirationOf(String(LIMITS.timeToLiveMsMax)), LIMITS.timeToLiveMsMax)
})

for (const [expiration, problem] of [
  ['', 'no_integer'],
  ['soon', 'no_integer'],
  [' 100', 'no_integer'],
  ['-1', '{value_negative,-1}'],
  ['1.5', '{leftover_string,".5"}'],
  ['100\n', '{leftover_string,"\n"}'],
  ['346896000000', '{value_too_large,346896000000}'],
] as const) {
  test(`an expiration of ${JSON.stringify(expiration)} is refused with ${problem}`, () => {
    const message = `invalid expiration '${expiration}': ${problem}`
    assert.throws(() => expirationOf(expiration), { code: 'PRECONDITION_FAILED', message })
  })
}

test('CC and BCC are arrays of keys; what is not text in them is no key', () => {
  const { bytes, facets } = scanned({ headers: { CC: ['a', 5, 'b'], BCC: 'alone' } })
  assert.deepEqual(parseCopyKeys(bytes, facets, 'CC', facets.ccOffset), ['a', 'b'])
  const message = 'invalid message: {unacceptable_type_in_header,"BCC",longstr}'
  assert.throws(() => parseCopyKeys(bytes, facets, 'BCC', facets.bccOffset), { code: 'PRECONDITION_FAILED', message })
})

test('a user id must be the own, but for those who may impersonate', () => {
  const { bytes, facets } = scanned({ userId: 'anna' })
  checkUserId(bytes, facets, { user: 'anna', tags: [] })
  checkUserId(bytes, facets, { user: 'bridge', tags: ['impersonator'] })
  assert.throws(() => checkUserId(bytes, facets, { user: 'bob', tags: ['administrator'] }), { code: 'PRECONDITION_FAILED' })
})

test('a delay of more than ten years is refused', () => {
  checkDelay(LIMITS.delayMsMax)
  assert.throws(() => checkDelay(LIMITS.delayMsMax + 1), { code: 'PRECONDITION_FAILED' })
})
