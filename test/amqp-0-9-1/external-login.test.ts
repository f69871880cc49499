import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { connect, type TLSSocket } from 'node:tls'
import { Authentication } from '../../src/admin/authentication.ts'
import { GUEST, Users } from '../../src/admin/users.ts'
import { SystemClock } from '../../src/base/clock.ts'
import { SystemRandom } from '../../src/base/random.ts'
import { Turn } from '../../src/base/turn.ts'
import { Network } from '../../src/net/listener.ts'
import { NodeSockets } from '../../src/net/node-sockets.ts'
import { Pressure } from '../../src/net/pressure.ts'
import { loadTls } from '../../src/net/tls.ts'
import { AmqpServer } from '../../src/protocols/amqp-0-9-1/amqp-server.ts'
import { AmqpWorld } from './amqp-world.ts'
import { startOk } from './login.ts'
import { PROTOCOL_HEADER, RawClient } from './raw-client.ts'

const ANSWER_MS = 20_000

let folder = ''
const at = (name: string): string => join(folder, name)
const openssl = (parameters: string): void => void execFileSync('openssl', parameters.split(' '), { cwd: folder, stdio: 'pipe' })

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'waybill-external-'))
  openssl('req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout authority.key -out authority.crt')
  for (const name of ['server', 'shop']) {
    openssl(`req -newkey rsa:2048 -nodes -subj /CN=${name} -keyout ${name}.key -out ${name}.csr`)
    openssl(`x509 -req -in ${name}.csr -CA authority.crt -CAkey authority.key -CAcreateserial -days 2 -out ${name}.crt`)
  }
})
after(() => rmSync(folder, { recursive: true }))

/** A listener with TLS that asks for certificates; its users are guest and the one of the certificate. */
async function listen(): Promise<{ port: number; stop: () => Promise<void> }> {
  const { broker } = await AmqpWorld.start()
  const clock = new SystemClock()
  const turn = new Turn(clock)
  const random = new SystemRandom()
  const shop = { ...GUEST, name: 'shop', secret: { kind: 'none' }, loopbackOnly: false } as const
  const authentication = new Authentication({ users: new Users([GUEST, shop]), clock, random, isLoopback: () => true })
  const amqp = new AmqpServer({
    broker,
    turn,
    clock,
    random,
    authenticator: authentication,
    authorizer: authentication,
    pressure: new Pressure(),
    settings: { version: '0.0.0', frameSizeBytesMax: 131_072, channelsMax: 2047, heartbeatSeconds: 0, messageSizeBytesMax: 1 << 24 },
  })
  const network = new Network({ turn, clock, sockets: new NodeSockets() })
  const files = {
    certificateFile: at('server.crt'),
    keyFile: at('server.key'),
    passphrase: undefined,
    authorityFile: at('authority.crt'),
    verify: 'request',
    versionMin: 'TLSv1.2',
  } as const
  const tls = await loadTls(files, Date.now())
  const listener = await network.listen({ name: 'amqps', host: '127.0.0.1', port: 0, tls }, (connection) => amqp.accept(connection))
  return {
    port: listener.port,
    stop: async () => {
      await network.stopListening()
      network.destroyConnections()
      await network.empty()
    },
  }
}

async function secure(port: number, name: string | undefined): Promise<RawClient> {
  const identity = name === undefined ? {} : { cert: readFileSync(at(`${name}.crt`)), key: readFileSync(at(`${name}.key`)) }
  const socket = await new Promise<TLSSocket>((resolve, reject) => {
    const connecting = connect({
      host: '127.0.0.1',
      port,
      ca: readFileSync(at('authority.crt')),
      checkServerIdentity: () => undefined,
      ...identity,
    })
    connecting.once('secureConnect', () => resolve(connecting))
    connecting.once('error', reject)
  })
  return RawClient.over(socket)
}

/** What the server answers to a login with EXTERNAL. */
async function loginByCertificate(client: RawClient): Promise<string | undefined> {
  client.sendBytes(PROTOCOL_HEADER)
  client.sendMethod(0, 'connection.start-ok', { ...startOk(), mechanism: 'EXTERNAL', response: '' })
  await client.until(() => client.arrivals.length >= 2, ANSWER_MS)
  return client.arrivals[1]?.name
}

test('a client logs in with EXTERNAL as the user whom its certificate names', async () => {
  const { port, stop } = await listen()
  const client = await secure(port, 'shop')
  assert.equal(await loginByCertificate(client), 'connection.tune')
  assert.match(client.arrivals[0]?.arguments['mechanisms'] as string, /\bEXTERNAL\b/)
  client.sendMethod(0, 'connection.tune-ok', { 'channel-max': 10, 'frame-max': 4096 })
  client.sendMethod(0, 'connection.open', { 'virtual-host': '/' })
  client.sendMethod(1, 'channel.open')
  client.sendPublish(1, { exchange: 'amq.fanout' }, { 'user-id': 'shop' }, Buffer.from('m'))
  client.sendMethod(1, 'queue.declare', { queue: '' })
  await client.until(() => client.arrivals.some((arrival) => arrival.name === 'queue.declare-ok'), ANSWER_MS)
  assert.deepEqual(
    client.arrivals.slice(2).map((arrival) => arrival.name),
    ['connection.open-ok', 'channel.open-ok', 'queue.declare-ok'],
  )
  client.destroy()
  await stop()
})

test('without a certificate EXTERNAL is neither offered nor taken, and a password is', async () => {
  const { port, stop } = await listen()
  const stranger = await secure(port, undefined)
  assert.equal(await loginByCertificate(stranger), undefined)
  assert.doesNotMatch(stranger.arrivals[0]?.arguments['mechanisms'] as string, /EXTERNAL/)
  assert.notEqual(stranger.end, 'open')
  const guest = await secure(port, undefined)
  guest.sendBytes(PROTOCOL_HEADER)
  guest.sendMethod(0, 'connection.start-ok', startOk())
  await guest.until(() => guest.arrivals.length >= 2, ANSWER_MS)
  assert.equal(guest.arrivals[1]?.name, 'connection.tune')
  guest.destroy()
  await stop()
})
