import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AMQP_FORM } from './amqp-form.ts'
import { decodeAmqpProperties, encodeAmqpProperties } from './amqp-properties.ts'
import { MessageForms } from './properties.ts'
import type { MessageProperties } from './properties.ts'

test('canonical properties survive the way through AMQP', () => {
  const properties: MessageProperties = {
    contentType: 'application/json',
    contentEncoding: 'gzip',
    headers: new Map<string, string | number>([['a', 'b'], ['n', 5]]), // prettier-ignore
    durable: true,
    priority: 9,
    correlationId: 'c',
    replyTo: 'r',
    expirationMs: 60_000,
    messageId: 'm',
    timestampMs: 1_700_000_000_000,
    type: 't',
    userId: 'u',
    appId: 'p',
  }
  const bytes = AMQP_FORM.encode(properties)
  assert.deepEqual(AMQP_FORM.decode(bytes, 0, bytes.length), properties)
})

test('values that AMQP cannot hold are brought into its range', () => {
  const decoded = decodeAmqpProperties(
    AMQP_FORM.encode({ headers: new Map(), durable: false, priority: 300, expirationMs: 1e30, timestampMs: -5 }),
  )
  assert.deepEqual(decoded, { deliveryMode: 1, priority: 255, expiration: '999999999999999', timestamp: 0 })
})

test('an expiration that is not a number is not carried over', () => {
  const bytes = encodeAmqpProperties({ expiration: 'soon' })
  assert.deepEqual(AMQP_FORM.decode(bytes, 0, bytes.length), { headers: new Map(), durable: false })
})

test('forms are found by their tag; an unknown one is a coded error', () => {
  const forms = new MessageForms([AMQP_FORM])
  assert.equal(forms.of(1), AMQP_FORM)
  assert.throws(() => forms.of(7), { code: 'STORAGE_VERSION' })
  assert.throws(() => new MessageForms([AMQP_FORM, AMQP_FORM]), { name: 'AssertionFailure' })
})
