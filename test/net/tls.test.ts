import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls'
import { loadTls, type TlsFiles, type TlsSettings } from '../../src/net/tls.ts'
import { listen, until, type Peer, type World } from './network.ts'

let folder = ''
const at = (name: string): string => join(folder, name)
const openssl = (...parameters: string[]): void => void execFileSync('openssl', parameters, { cwd: folder, stdio: 'pipe' })

/** An authority, two server certificates that it signed, a client's, and a stranger's. */
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'waybill-tls-'))
  selfSigned('authority', '/CN=Test Authority')
  selfSigned('stranger', '/CN=stranger')
  writeFileSync(at('names.txt'), 'subjectAltName=DNS:shop.example,email:shop@example.com\n')
  signed('server', '/CN=localhost')
  signed('second', '/CN=second.example')
  signed('client', '/O=Example/CN=shop')
  openssl('rsa', '-aes256', '-passout', 'pass:secret', '-in', 'server.key', '-out', 'locked.key')
})
after(() => rmSync(folder, { recursive: true }))

function selfSigned(name: string, subject: string): void {
  openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', subject, '-keyout', `${name}.key`, '-out', `${name}.crt`)
}

function signed(name: string, subject: string): void {
  openssl('req', '-newkey', 'rsa:2048', '-nodes', '-subj', subject, '-keyout', `${name}.key`, '-out', `${name}.csr`)
  openssl(
    'x509',
    '-req',
    '-in',
    `${name}.csr`,
    '-CA',
    'authority.crt',
    '-CAkey',
    'authority.key',
    '-CAcreateserial',
    '-days',
    '2',
    '-extfile',
    'names.txt',
    '-out',
    `${name}.crt`,
  )
}

function files(changes: Partial<TlsFiles> = {}): TlsFiles {
  return {
    certificateFile: at('server.crt'),
    keyFile: at('server.key'),
    passphrase: undefined,
    authorityFile: at('authority.crt'),
    verify: 'none',
    versionMin: 'TLSv1.2',
    ...changes,
  }
}

const load = (changes: Partial<TlsFiles> = {}): Promise<TlsSettings> => loadTls(files(changes), Date.now())
const echo = (peer: Peer, chunk: Buffer): void => peer.connection.send(chunk)

/** Sends a line and gives the answer and the server's certificate name; rejects when the server does not want us. */
async function exchange(world: World, options: ConnectionOptions = {}): Promise<{ answer: string; server: string; socket: TLSSocket }> {
  const socket = connect({
    host: '127.0.0.1',
    port: world.listener.port,
    ca: readFileSync(at('authority.crt')),
    checkServerIdentity: () => undefined,
    ...options,
  })
  try {
    return await new Promise((resolve, reject) => {
      socket.on('error', reject)
      socket.on('close', () => reject(new Error('closed')))
      socket.on('data', (chunk) => resolve({ answer: String(chunk), server: String(socket.getPeerCertificate().subject.CN), socket }))
      socket.write('hello')
    })
  } finally {
    socket.on('error', () => {})
  }
}

const client = (name: string): ConnectionOptions => ({ key: readFileSync(at(`${name}.key`)), cert: readFileSync(at(`${name}.crt`)) })

test('a TLS connection carries bytes both ways, and a large output arrives whole', async () => {
  await using world = await listen(
    (peer) => {
      for (let i = 0; i < 3_000; i++) peer.connection.send(Buffer.alloc(1_000, i & 0xff))
    },
    {},
    await load(),
  )
  const { socket } = await exchange(world)
  let sizeBytes = 0
  socket.on('data', (chunk: Buffer) => (sizeBytes += chunk.length))
  await until(() => (world.peers[0]?.connection.sentSizeBytes ?? 0) === 3_000_000, 'all is sent')
  await until(() => sizeBytes + 16_384 >= 3_000_000, 'all but the first record is seen by this listener')
  assert.equal(world.peers[0]?.connection.encryption?.protocol, 'TLSv1.3')
  assert.equal(world.peers[0].connection.encryption.peerCertificate, undefined)
  socket.destroy()
})

test('a client certificate is verified and its names are given to the protocol', async () => {
  await using world = await listen(echo, {}, await load({ verify: 'require' }))
  const { socket } = await exchange(world, client('client'))
  assert.deepEqual(world.peers[0]?.connection.encryption?.peerCertificate, {
    distinguishedName: 'CN=shop,O=Example',
    commonName: 'shop',
    alternativeNames: ['shop.example', 'shop@example.com'],
  })
  socket.destroy()
})

test('verify "require" turns away clients without a valid certificate', async () => {
  await using world = await listen(echo, {}, await load({ verify: 'require' }))
  await assert.rejects(exchange(world))
  await assert.rejects(exchange(world, client('stranger')))
  await until(() => world.failures.length === 2, 'both are told to the log')
  assert.equal(world.peers.length, 0)
})

test('verify "request" accepts clients without a certificate, but not with one that nobody vouches for', async () => {
  await using world = await listen(echo, {}, await load({ verify: 'request' }))
  const without = await exchange(world)
  assert.equal(without.answer, 'hello')
  without.socket.destroy()
  await assert.rejects(exchange(world, client('stranger')))
  assert.equal(world.peers.length, 1)
})

test('bytes that are no TLS end that connection only', async () => {
  await using world = await listen(echo, {}, await load())
  const plain = await world.connect()
  plain.resume()
  plain.write('AMQP\0\0\x09\x01 and more')
  await until(() => world.failures.length === 1, 'the failure is told')
  const { answer, socket } = await exchange(world)
  assert.equal(answer, 'hello')
  socket.destroy()
})

test('new certificates serve new connections while old connections go on', async () => {
  await using world = await listen(echo, {}, await load())
  const before = await exchange(world)
  assert.equal(before.server, 'localhost')
  world.listener.useTls(await load({ certificateFile: at('second.crt'), keyFile: at('second.key') }))
  const after = await exchange(world)
  assert.equal(after.server, 'second.example')
  const again = new Promise((resolve) => before.socket.once('data', (chunk) => resolve(String(chunk))))
  before.socket.write('still here')
  assert.equal(await again, 'still here')
  before.socket.destroy()
  after.socket.destroy()
})

test('a wrong file is named together with what is wrong', async () => {
  const refused = (changes: Partial<TlsFiles>, message: RegExp): Promise<void> =>
    assert.rejects(load(changes), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'CONFIGURATION_INVALID')
      assert.match(error.message, message)
      return true
    })
  await refused({ certificateFile: at('nowhere.crt') }, /certificate .*nowhere\.crt: the file does not exist/)
  await refused({ keyFile: at('names.txt') }, /private key .*names\.txt: expected PEM/)
  await refused({ certificateFile: at('server.key') }, /certificate .*server\.key: cannot be read/)
  await refused({ keyFile: at('second.key') }, /second\.key does not belong to the certificate in .*server\.crt/)
  await refused({ keyFile: at('locked.key') }, /locked\.key: it is encrypted, and no passphrase/)
  await refused({ keyFile: at('locked.key'), passphrase: 'wrong' }, /locked\.key: the passphrase is wrong/)
  await refused({ authorityFile: undefined, verify: 'require' }, /no file with the authorities/)
})

test('an encrypted key opens with its passphrase', async () => {
  await using world = await listen(echo, {}, await load({ keyFile: at('locked.key'), passphrase: 'secret' }))
  const { answer, socket } = await exchange(world)
  assert.equal(answer, 'hello')
  socket.destroy()
})

test('an expired certificate is a warning', async () => {
  const settings = await loadTls(files(), Date.now() + 10 * 24 * 3600 * 1000)
  assert.match(settings.warnings[0] ?? '', /server\.crt expired on/)
})
