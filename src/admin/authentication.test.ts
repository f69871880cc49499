import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Clock } from '../base/clock.ts'
import type { PeerFacts } from '../base/identity.ts'
import { checkPassword, hashPassword, parsePasswordHash, type PasswordHash } from '../base/password-hash.ts'
import { SeededRandom } from '../base/random.ts'
import { Authentication } from './authentication.ts'
import { GUEST, Users, type User } from './users.ts'

const LOCAL: PeerFacts = { remoteAddress: '127.0.0.1', encrypted: false, certificateNames: [] }
const REMOTE: PeerFacts = { ...LOCAL, remoteAddress: '192.0.2.7' }
const HASH: PasswordHash = { logCost: 14, blockSize: 8, parallelization: 1, salt: Buffer.alloc(16), hash: Buffer.alloc(32) }

function user(name: string, changes: Partial<User> = {}): User {
  return { name, secret: { kind: 'none' }, loopbackOnly: false, certificateNames: [], tags: [], permissions: undefined, ...changes }
}

interface World {
  readonly authentication: Authentication
  readonly checks: string[]
  readonly refusals: string[]
  passMs(ms: number): void
}

/** Hashes match the password "right"; `hold` decides when a check answers. */
function create(users: readonly User[], hold: () => Promise<void> = async () => {}): World {
  let nowMs = 0
  const clock = { now: () => nowMs, monotonic: () => nowMs } as unknown as Clock
  const checks: string[] = []
  const refusals: string[] = []
  const authentication = new Authentication({
    users: new Users(users),
    clock,
    random: new SeededRandom(1),
    isLoopback: (address) => address.startsWith('127.'),
    refused: (reason, peer) => refusals.push(`${peer.remoteAddress}: ${reason}`),
    check: async (password) => {
      checks.push(password)
      await hold()
      return password === 'right'
    },
  })
  return { authentication, checks, refusals, passMs: (ms) => (nowMs += ms) }
}

const login = (world: World, name: string, password: string, peer = REMOTE): Promise<object> =>
  world.authentication.authenticate({ kind: 'password', user: name, password }, peer)

test('guest is let in from this machine and from nowhere else', async () => {
  const world = create([GUEST])
  assert.deepEqual(await login(world, 'guest', 'guest', LOCAL), { user: 'guest', tags: ['administrator'] })
  assert.deepEqual(await login(world, 'guest', 'guest'), { refused: "user 'guest' can only connect from this machine, not from 192.0.2.7" })
  assert.deepEqual(await login(world, 'guest', 'Guest', LOCAL), { refused: "wrong password for user 'guest'" })
  assert.deepEqual(world.refusals, [
    "192.0.2.7: user 'guest' can only connect from this machine, not from 192.0.2.7",
    "127.0.0.1: wrong password for user 'guest'",
  ])
})

test('a hashed password is checked once and then remembered for a while', async () => {
  const world = create([user('shop', { secret: { kind: 'hash', hash: HASH } })])
  for (let i = 0; i < 1_000; i++) assert.deepEqual(await login(world, 'shop', 'right'), { user: 'shop', tags: [] })
  assert.equal(world.checks.length, 1)
  world.passMs(11 * 60_000)
  await login(world, 'shop', 'right')
  assert.equal(world.checks.length, 2)
})

test('a thousand logins at the same moment share one check', async () => {
  const world = create([user('shop', { secret: { kind: 'hash', hash: HASH } })])
  const answers = await Promise.all(Array.from({ length: 1_000 }, () => login(world, 'shop', 'right')))
  assert.ok(answers.every((answer) => 'user' in answer))
  assert.equal(world.checks.length, 1)
})

test('a wrong password is never remembered, neither as right nor as wrong', async () => {
  const world = create([user('shop', { secret: { kind: 'hash', hash: HASH } })])
  for (let i = 0; i < 3; i++) assert.deepEqual(await login(world, 'shop', 'wrong'), { refused: "wrong password for user 'shop'" })
  assert.equal(world.checks.length, 3)
})

test('a flood of different passwords is bounded and checked one at a time', async () => {
  let running = 0
  let mostRunning = 0
  let release = (): void => {}
  const held = new Promise<void>((resolve) => (release = resolve))
  const world = create([user('shop', { secret: { kind: 'hash', hash: HASH } })], async () => {
    mostRunning = Math.max(mostRunning, ++running)
    await held
    running--
  })
  const answers = Promise.all(Array.from({ length: 1_000 }, (_, i) => login(world, 'shop', `guess ${i}`)))
  release()
  const refusals = (await answers) as { refused: string }[]
  assert.equal(mostRunning, 1)
  assert.equal(refusals.filter((answer) => answer.refused === 'too many passwords are being checked').length, 1_000 - 256)
})

test('an unknown user costs a check too, and is refused even with a password that another user has', async () => {
  const world = create([user('shop', { secret: { kind: 'hash', hash: HASH } })])
  assert.deepEqual(await login(world, 'nobody', 'right'), { refused: "there is no user 'nobody'" })
  assert.deepEqual(await login(world, 'nobody', 'right'), { refused: "there is no user 'nobody'" })
  assert.equal(world.checks.length, 2)
})

test('a user without a password is let in by its certificate only', async () => {
  const world = create([user('shop', { certificateNames: ['CN=shop,O=Example'] }), user('billing')])
  const byCertificate = (...names: string[]): Promise<object> =>
    world.authentication.authenticate({ kind: 'certificate' }, { ...REMOTE, encrypted: true, certificateNames: names })
  assert.deepEqual(await login(world, 'shop', ''), { refused: "wrong password for user 'shop'" })
  assert.deepEqual(await byCertificate('CN=shop,O=Example', 'billing'), { user: 'shop', tags: [] })
  assert.deepEqual(await byCertificate('CN=billing', 'billing'), { user: 'billing', tags: [] })
  assert.deepEqual(await byCertificate('stranger'), { refused: "no user has the certificate name 'stranger'" })
  assert.deepEqual(await byCertificate(), { refused: 'the connection has no verified certificate' })
})

test('permissions are those of the namespaces that match, and nothing by default', () => {
  const rules = [
    { namespace: 'shop', configure: [], write: ['orders.*'], read: ['orders.*', 'invoices'] },
    { namespace: 'sh*', configure: ['tmp-*'], write: [], read: [] },
  ]
  const { authentication } = create([user('clerk', { permissions: rules }), GUEST])
  const clerk = { user: 'clerk', tags: [] }
  assert.equal(authentication.permissionsOf(clerk, '/'), undefined)
  const permissions = authentication.permissionsOf(clerk, 'shop')
  assert.equal(permissions?.full, false)
  assert.equal(permissions.mayWrite('orders.created'), true)
  assert.equal(permissions.mayWrite('invoices'), false)
  assert.equal(permissions.mayRead('invoices'), true)
  assert.equal(permissions.mayConfigure('tmp-1'), true)
  assert.equal(permissions.mayConfigure('orders.created'), false)
  assert.equal(authentication.permissionsOf({ user: 'guest', tags: [] }, '/')?.full, true)
  assert.equal(authentication.permissionsOf({ user: 'gone', tags: [] }, '/'), undefined)
})

test('a hash made here is checked here, and is what the standard form says', async () => {
  const text = await hashPassword('correct horse', new SeededRandom(7))
  assert.match(text, /^\$scrypt\$ln=14,r=8,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/)
  const hash = parsePasswordHash(text)
  assert.ok(hash !== undefined)
  assert.equal(await checkPassword('correct horse', hash), true)
  assert.equal(await checkPassword('correct hors', hash), false)
})

test('a hash that is no scrypt hash, or too costly to check, is not accepted', () => {
  const tail = '$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2g'
  assert.ok(parsePasswordHash(`$scrypt$ln=14,r=8,p=1${tail}`) !== undefined)
  for (const text of [
    '',
    'secret',
    `$scrypt$ln=30,r=8,p=1${tail}`,
    `$scrypt$ln=2,r=8,p=1${tail}`,
    '$2b$10$abc',
    '$scrypt$ln=14,r=8,p=1$$',
  ]) {
    assert.equal(parsePasswordHash(text), undefined, text)
  }
})
