/** Ways around permissions that other brokers left open: each ends with ACCESS_REFUSED, and changes nothing. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { call } from '../amqp-0-9-1/login.ts'
import type { Arguments, RawClient } from '../amqp-0-9-1/raw-client.ts'
import { endingOf, Siege } from './siege.ts'

const siege = Siege.forFile({
  users: {
    owner: { password: 'owner' },
    guest: { password: 'guest' },
    visitor: { password: 'visitor', permissions: [{ configure: ['my-*'], write: ['my-*'], read: ['my-*'] }] },
    reader: { password: 'reader', permissions: [{ read: ['secret*'] }] },
  },
})

async function as(user: string): Promise<RawClient> {
  const client = await siege().client({ user, password: user })
  await call(client, 1, 'channel.open')
  return client
}

async function prepare(): Promise<RawClient> {
  const owner = await as('owner')
  await call(owner, 1, 'queue.declare', { queue: 'secret', durable: true })
  await call(owner, 1, 'queue.purge', { queue: 'secret' })
  await call(owner, 1, 'exchange.declare', { exchange: 'secret-x', type: 'fanout', durable: true })
  await call(owner, 1, 'queue.bind', { queue: 'secret', exchange: 'secret-x' })
  return owner
}

const REFUSED: readonly (readonly [way: string, method: string, values: Arguments])[] = [
  ['looking whether a queue exists', 'queue.declare', { queue: 'secret', passive: true }],
  ['looking whether a queue exists that does not', 'queue.declare', { queue: 'secret-no', passive: true }],
  ['looking whether an exchange exists', 'exchange.declare', { exchange: 'secret-x', type: 'fanout', passive: true }],
  ['declaring it again', 'queue.declare', { queue: 'secret', durable: true }],
  ['an alternate exchange', 'exchange.declare', { exchange: 'my-x', type: 'fanout', arguments: { 'alternate-exchange': 'secret-x' } }],
  ['a dead-letter exchange', 'queue.declare', { queue: 'my-q', arguments: { 'x-dead-letter-exchange': 'secret-x' } }],
  ['the default exchange for dead letters', 'queue.declare', { queue: 'my-q', arguments: { 'x-dead-letter-exchange': '' } }],
  ['a binding to it', 'queue.bind', { queue: 'secret', exchange: 'amq.fanout' }],
  ['a binding from it', 'exchange.bind', { source: 'secret-x', destination: 'my-x' }],
  ['unbinding it', 'queue.unbind', { queue: 'secret', exchange: 'secret-x' }],
  ['deleting the queue', 'queue.delete', { queue: 'secret' }],
  ['deleting a queue that does not exist', 'queue.delete', { queue: 'secret-no' }],
  ['deleting the exchange', 'exchange.delete', { exchange: 'secret-x' }],
  ['purging it', 'queue.purge', { queue: 'secret' }],
  ['reading one message', 'basic.get', { queue: 'secret' }],
  ['consuming', 'basic.consume', { queue: 'secret' }],
  ['a name with a line feed that is taken out', 'queue.delete', { queue: 'sec\nret' }],
]

for (const [way, method, values] of REFUSED) {
  test(`refuses ${way} to somebody without permission`, async () => {
    const owner = await prepare()
    owner.sendPublish(1, { 'routing-key': 'secret' }, {}, Buffer.from('keep'))
    const visitor = await as('visitor')
    visitor.sendMethod(1, method, values)
    assert.deepEqual(await endingOf(visitor), { closes: 'channel', code: 403 })
    const { arguments: args } = await call(owner, 1, 'queue.declare', { queue: 'secret', passive: true })
    assert.equal(Number(args['message-count']), 1)
    visitor.destroy()
    owner.destroy()
  })
}

test('refuses publishing through any way to somebody without permission', async () => {
  const owner = await prepare()
  for (const [exchange, routingKey, properties] of [
    ['', 'secret', {}],
    ['secret-x', '', {}],
    ['', 'my-q', { headers: { CC: ['secret'] } }],
    ['', 'my-q', { headers: { BCC: ['secret'] } }],
  ] as const) {
    const visitor = await as('visitor')
    visitor.sendPublish(1, { exchange, 'routing-key': routingKey }, properties, Buffer.from('forged'))
    assert.deepEqual(await endingOf(visitor), { closes: 'channel', code: 403 }, `${exchange} ${routingKey}`)
    visitor.destroy()
  }
  const { arguments: args } = await call(owner, 1, 'queue.declare', { queue: 'secret', passive: true })
  assert.equal(Number(args['message-count']), 0)
  owner.destroy()
})

test('lets somebody look at a queue who may do anything at all with it', async () => {
  const owner = await prepare()
  const reader = await as('reader')
  await call(reader, 1, 'queue.declare', { queue: 'secret', passive: true })
  await call(reader, 1, 'exchange.declare', { exchange: 'secret-x', passive: true })
  reader.destroy()
  owner.destroy()
})
