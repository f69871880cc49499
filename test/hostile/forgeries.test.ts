/** Headers that the server reads or writes itself, forged by a publisher: whatever they are, the message goes its way and the server goes on. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { arrivalOf, call } from '../amqp-0-9-1/login.ts'
import type { Arguments, RawClient } from '../amqp-0-9-1/raw-client.ts'
import { type FieldValue, type Table, typed } from '../amqp-0-9-1/wire-value.ts'
import { Siege } from './siege.ts'

const siege = Siege.forFile()

async function visitor(): Promise<RawClient> {
  const client = await siege().client()
  await call(client, 1, 'channel.open')
  return client
}

const DEATH: Table = {
  count: typed('l', 3n),
  reason: 'expired',
  queue: 'chain-0',
  time: typed('T', 1_700_000_000n),
  exchange: '',
  'routing-keys': ['chain-0'],
}

/** Values where a list of deaths is expected. */
const DEATHS: readonly (readonly [name: string, value: FieldValue])[] = [
  ['a text', 'expired'],
  ['a number', 7],
  ['nothing', null],
  ['a table', DEATH],
  ['an empty list', []],
  ['a list of texts', ['a', 'b']],
  ['a list of lists', [[[[DEATH]]]]],
  ['an empty death', [{}]],
  ['a death without a queue', [{ count: 1, reason: 'rejected' }]],
  ['a death whose parts have other types', [{ count: 'many', reason: 5, queue: ['x'], time: 'now', exchange: {}, 'routing-keys': 'one' }]],
  ['a count of 2^63 - 1', [{ ...DEATH, count: typed('l', 2n ** 63n - 1n) }]],
  ['a negative count', [{ ...DEATH, count: typed('l', -5n) }]],
  ['a count that is no number', [{ ...DEATH, count: typed('d', Number.NaN) }]],
  ['a time of 2^64 - 1', [{ ...DEATH, time: typed('T', 2n ** 64n - 1n) }]],
  ['a reason nobody knows', [{ ...DEATH, reason: '__proto__' }]],
  ['510 deaths', Array.from({ length: 510 }, (_, i) => ({ ...DEATH, queue: `q${i}` }))],
  ['bytes for names', [{ ...DEATH, queue: Buffer.from([0xff, 0xfe]), exchange: Buffer.from([0x80]) }]],
  ['a name of 10,000 characters', [{ ...DEATH, queue: 'q'.repeat(10_000), 'routing-keys': ['k'.repeat(10_000)] }]],
]

/** Declares chain-0 -> chain-1 -> ... -> the last, each expiring into the next, and consumes from the last. */
async function chain(client: RawClient, length: number): Promise<void> {
  for (let i = 0; i < length; i++) {
    const next = { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': `chain-${i + 1}`, 'x-message-ttl': 1 }
    await call(client, 1, 'queue.declare', { queue: `chain-${i}`, exclusive: true, arguments: i + 1 < length ? next : {} })
  }
  await call(client, 1, 'basic.consume', { queue: `chain-${length - 1}`, 'consumer-tag': 'end' })
}

/** Sends a message down the chain, and waits until it comes out. */
async function sendDown(client: RawClient, properties: Arguments): Promise<Table> {
  const from = client.arrivals.length
  client.sendPublish(1, { 'routing-key': 'chain-0' }, properties, Buffer.from('body'))
  const { properties: arrived, body } = await arrivalOf(client, 1, 'basic.deliver', from)
  assert.equal(body?.toString(), 'body')
  return (arrived?.['headers'] ?? {}) as Table
}

for (const [name, value] of DEATHS) {
  test(`dead-letters a message whose history is ${name}`, async () => {
    const client = await visitor()
    await chain(client, 3)
    const headers = await sendDown(client, { headers: { 'x-death': value }, 'delivery-mode': 2 })
    assert.ok(headers['x-death'] !== undefined)
    client.destroy()
  })
}

test('dead-letters messages whose other headers of the server are forged', async () => {
  const client = await visitor()
  await chain(client, 3)
  const odd: FieldValue[] = [
    'text',
    -1,
    typed('l', 2n ** 63n - 1n),
    null,
    [1, 2],
    { a: 1 },
    Buffer.from([0xff]),
    typed('d', Number.NaN),
    true,
  ]
  for (const value of odd) {
    const headers: Record<string, FieldValue> = {}
    for (const name of ['x-first-death-reason', 'x-first-death-queue', 'x-first-death-exchange', 'x-last-death-reason'])
      headers[name] = value
    headers['x-delivery-count'] = value
    headers['x-acquired-count'] = value
    await sendDown(client, { headers })
  }
  client.destroy()
})

test('takes a message with as many headers as are allowed through the whole chain', async () => {
  const client = await visitor()
  await chain(client, 6)
  for (const count of [4_000, 4_080, 4_090, 4_095, 4_096]) {
    const headers = Object.fromEntries(Array.from({ length: count }, (_, i) => [`h${i}`, null]))
    const arrived = await sendDown(client, { headers })
    assert.ok(Object.keys(arrived).length >= count, `${count} headers`)
  }
  client.destroy()
})

test('counts deliveries of a message with as many headers as are allowed', async () => {
  const client = await visitor()
  await call(client, 1, 'queue.declare', { queue: 'counting', exclusive: true, arguments: { 'x-delivery-limit': 3 } })
  const headers = Object.fromEntries(Array.from({ length: 4_096 }, (_, i) => [`h${i}`, null]))
  await call(client, 1, 'basic.consume', { queue: 'counting' })
  let from = client.arrivals.length
  client.sendPublish(1, { 'routing-key': 'counting' }, { headers }, Buffer.from('x'))
  for (let attempt = 0; attempt < 3; attempt++) {
    const { arguments: args } = await arrivalOf(client, 1, 'basic.deliver', from)
    from = client.arrivals.length
    client.sendMethod(1, 'basic.nack', { 'delivery-tag': Number(args['delivery-tag']), requeue: true })
  }
  client.destroy()
})

test('keeps one old delivery without keeping room for the million after it', async () => {
  await siege().withstand(async () => {
    const client = await visitor()
    await call(client, 1, 'queue.declare', { queue: 'stuck', exclusive: true })
    await call(client, 1, 'basic.consume', { queue: 'stuck' })
    client.keepsArrivals = false
    let last = 0
    client.onArrival = ({ name, arguments: args }) => {
      if (name === 'basic.deliver') last = Number(args['delivery-tag'])
    }
    const wave = 2_000
    for (let sent = 0; sent < 100_000; sent += wave) {
      for (let i = 0; i < wave; i++) client.sendPublish(1, { 'routing-key': 'stuck' }, {}, Buffer.from('x'))
      assert.ok(await client.until(() => last === sent + wave, 30_000))
      for (let tag = Math.max(2, sent + 1); tag <= last; tag++) client.sendMethod(1, 'basic.ack', { 'delivery-tag': tag })
    }
    client.destroy()
  })
})

test('forgets consumers, channels and queues that come and go', async () => {
  await siege().withstand(async () => {
    const client = await visitor()
    await call(client, 1, 'queue.declare', { queue: 'revolving', exclusive: true })
    for (let i = 0; i < 20_000; i++) {
      client.sendMethod(1, 'basic.consume', { queue: 'revolving', 'consumer-tag': 'c', nowait: true })
      client.sendMethod(1, 'basic.cancel', { 'consumer-tag': 'c', nowait: true })
      client.sendMethod(2, 'channel.open')
      client.sendMethod(2, 'channel.close', { 'reply-code': 200 })
      if (i % 500 === 0) await client.flushed()
    }
    await call(client, 3, 'channel.open')
    for (let i = 0; i < 5_000; i++) {
      client.sendMethod(1, 'queue.declare', { queue: `brief-${i}`, durable: true, nowait: true })
      client.sendMethod(1, 'queue.delete', { queue: `brief-${i}`, nowait: true })
    }
    await call(client, 1, 'queue.declare', { queue: 'revolving', passive: true })
    client.destroy()
  })
})
