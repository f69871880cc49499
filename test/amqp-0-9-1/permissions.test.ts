import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { User } from '../../src/admin/users.ts'
import { GUEST } from '../../src/admin/users.ts'
import { AmqpWorld } from './amqp-world.ts'
import type { Arguments } from './raw-client.ts'

const CLERK: User = {
  ...GUEST,
  name: 'clerk',
  secret: { kind: 'password', password: 'secret' },
  tags: [],
  permissions: [{ namespace: '/', configure: ['mine-*'], write: ['mine-*', 'inbox'], read: ['mine-*'] }],
}
const STRANGER: User = { ...CLERK, name: 'stranger', permissions: [] }

const REFUSED: readonly (readonly [method: string, values: Arguments, text: string])[] = [
  ['queue.declare', { queue: 'theirs' }, "configure access to queue 'theirs'"],
  ['queue.declare', { queue: 'mine-1', arguments: { 'x-dead-letter-exchange': 'theirs' } }, "write access to exchange 'theirs'"],
  ['queue.delete', { queue: 'theirs' }, "configure access to queue 'theirs'"],
  ['queue.purge', { queue: 'inbox' }, "read access to queue 'inbox'"],
  ['queue.bind', { queue: 'mine-1', exchange: 'amq.topic' }, "read access to exchange 'amq.topic'"],
  ['queue.bind', { queue: 'theirs', exchange: 'mine-x' }, "write access to queue 'theirs'"],
  ['exchange.declare', { exchange: 'theirs', type: 'direct' }, "configure access to exchange 'theirs'"],
  ['exchange.delete', { exchange: 'theirs' }, "configure access to exchange 'theirs'"],
  ['exchange.bind', { destination: 'theirs', source: 'mine-x' }, "write access to exchange 'theirs'"],
  ['exchange.bind', { destination: 'mine-x', source: 'theirs' }, "read access to exchange 'theirs'"],
  ['basic.consume', { queue: 'inbox' }, "read access to queue 'inbox'"],
  ['basic.get', { queue: 'inbox' }, "read access to queue 'inbox'"],
]

for (const [method, values, what] of REFUSED) {
  test(`${method} ${JSON.stringify(values)} is refused without ${what}`, async () => {
    const world = await AmqpWorld.start({ users: [GUEST, CLERK] })
    const client = await world.client({ user: 'clerk', password: 'secret' })
    const text = `channel.close 403 ACCESS_REFUSED - ${what} in vhost '/' refused for user 'clerk'`
    assert.deepEqual(await client.call(method, values), [text])
  })
}

test('publishing is refused on an exchange that may not be written to, at each new address', async () => {
  const world = await AmqpWorld.start({ users: [GUEST, CLERK] })
  const client = await world.client({ user: 'clerk', password: 'secret' })
  client.publish('k', 'm', {}, { exchange: 'amq.topic' })
  const text = "ACCESS_REFUSED - write access to exchange 'amq.topic' in vhost '/' refused for user 'clerk'"
  assert.deepEqual(await client.settle(), [`channel.close 403 ${text}`])
  client.raw.sendMethod(1, 'channel.close-ok')
  client.raw.sendMethod(1, 'channel.open')
  client.publish('inbox', 'm')
  const defaultText = "ACCESS_REFUSED - write access to exchange 'amq.default' in vhost '/' refused for user 'clerk'"
  assert.deepEqual(await client.settle(), ['channel.open-ok', `channel.close 403 ${defaultText}`])
})

test('what is permitted works', async () => {
  const world = await AmqpWorld.start({ users: [GUEST, CLERK] })
  const client = await world.client({ user: 'clerk', password: 'secret' })
  assert.deepEqual(await client.call('exchange.declare', { exchange: 'mine-x', type: 'fanout' }), ['exchange.declare-ok'])
  assert.deepEqual(await client.call('queue.declare', { queue: 'mine-q' }), ['queue.declare-ok'])
  assert.deepEqual(await client.call('queue.bind', { queue: 'mine-q', exchange: 'mine-x' }), ['queue.bind-ok'])
  client.publish('k', 'm', {}, { exchange: 'mine-x' })
  assert.deepEqual(await client.call('basic.get', { queue: 'mine-q', 'no-ack': true }), ['basic.get-ok 1 m'])
})

test('a user id that is not the own is refused, unless the user may impersonate', async () => {
  const impersonator: User = { ...GUEST, name: 'bridge', tags: ['impersonator'] }
  const world = await AmqpWorld.start({ users: [GUEST, impersonator] })
  const guest = await world.client()
  guest.publish('q', 'm', { 'user-id': 'somebody' })
  const text = "PRECONDITION_FAILED - user_id property set to 'somebody' but authenticated user was 'guest'"
  assert.deepEqual(await guest.settle(), [`channel.close 406 ${text}`])
  const bridge = await world.client({ user: 'bridge' })
  await bridge.call('queue.declare', { queue: 'q' })
  bridge.publish('q', 'm', { 'user-id': 'somebody' })
  assert.deepEqual(await bridge.call('basic.get', { queue: 'q', 'no-ack': true }), ['basic.get-ok 1 m'])
})

test('a user who may nothing in the virtual host is turned away', async () => {
  const world = await AmqpWorld.start({ users: [GUEST, STRANGER] })
  const raw = world.connect()
  const { PROTOCOL_HEADER } = await import('./raw-client.ts')
  const { startOk } = await import('./login.ts')
  raw.sendBytes(PROTOCOL_HEADER)
  raw.sendMethod(0, 'connection.start-ok', startOk('stranger', 'secret'))
  await world.settle()
  raw.sendMethod(0, 'connection.tune-ok', { 'channel-max': 10, 'frame-max': 4096 })
  raw.sendMethod(0, 'connection.open', { 'virtual-host': '/' })
  await world.settle()
  const close = raw.arrivals.at(-1)
  assert.equal(close?.arguments['reply-text'], "NOT_ALLOWED - access to vhost '/' refused for user 'stranger'")
  assert.equal(close?.arguments['reply-code'], 530)
})
