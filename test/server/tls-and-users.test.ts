import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { connect, credentials, type ChannelModel } from 'amqplib'
import { hashPassword } from '../../src/base/password-hash.ts'
import { SystemRandom } from '../../src/base/random.ts'
import { startServer, startWaybillCommand, temporaryFolder } from './command.ts'

/** An authority and certificates for a server, its successor, and a client, in a folder. */
function certificates(folder: string): void {
  const openssl = (...parameters: string[]): void => void execFileSync('openssl', parameters, { cwd: folder, stdio: 'pipe' })
  openssl(
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-days',
    '2',
    '-subj',
    '/CN=Authority',
    '-keyout',
    'authority.key',
    '-out',
    'authority.crt',
  )
  for (const [name, subject] of [
    ['server', '/CN=localhost'],
    ['next', '/CN=next'],
    ['client', '/O=Example/CN=shop'],
  ] as const) {
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
      '-out',
      `${name}.crt`,
    )
  }
}

async function connected(t: TestContext, url: string, options: object = {}): Promise<ChannelModel> {
  const connection = await connect(url, options)
  connection.on('error', () => {})
  t.after(() => connection.close().catch(() => {}))
  return connection
}

/** The common name in the certificate that a server shows. */
async function shownName(port: string): Promise<string> {
  const socket = connectTls({ port: Number(port), host: '127.0.0.1', rejectUnauthorized: false })
  await new Promise((resolve) => socket.once('secureConnect', resolve))
  const name = String(socket.getPeerCertificate().subject.CN)
  socket.destroy()
  return name
}

test('amqps: a certificate logs in, and SIGHUP brings a new server certificate without a restart', async (t) => {
  const folder = temporaryFolder(t)
  certificates(folder)
  writeFileSync(
    join(folder, 'waybill.yaml'),
    `data: data
listeners: {amqp: [], amqps: [0]}
tls: {certificate: server.crt, key: server.key, authority: authority.crt, verify: request}
users: {shop: {certificateNames: ["CN=shop,O=Example"]}}
`,
  )
  const program = startWaybillCommand(['serve', '--config', join(folder, 'waybill.yaml')])
  t.after(() => program.stop())
  const [, port = ''] = await program.waitFor(/^ready: amqps:\/\/127\.0\.0\.1:(\d+)$/m, 30_000)
  const read = (name: string): Buffer => readFileSync(join(folder, name))
  const trust = { ca: [read('authority.crt')], checkServerIdentity: () => undefined }
  const url = `amqps://127.0.0.1:${port}`
  const external = { ...trust, cert: read('client.crt'), key: read('client.key'), credentials: credentials.external() }
  const byCertificate = await connected(t, url, external)
  const channel = await byCertificate.createChannel()
  await channel.assertQueue('q')
  const byPassword = await connected(t, `amqps://guest:guest@127.0.0.1:${port}`, trust)
  await byPassword.close()
  await assert.rejects(connect(url, { ...trust, credentials: credentials.external() }))

  assert.equal(await shownName(port), 'localhost')
  copyFileSync(join(folder, 'next.crt'), join(folder, 'server.crt'))
  process.kill(program.pid, 'SIGHUP')
  await program.waitFor(/the certificates in use stay: .*does not belong/, 10_000)
  assert.equal(await shownName(port), 'localhost')
  copyFileSync(join(folder, 'next.key'), join(folder, 'server.key'))
  process.kill(program.pid, 'SIGHUP')
  await program.waitFor(/certificates were read again/, 10_000)
  assert.equal(await shownName(port), 'next')
  assert.equal((await channel.checkQueue('q')).messageCount, 0, 'the old connection goes on')
})

test('a user may do what its permissions say and nothing else', async (t) => {
  const folder = temporaryFolder(t)
  writeFileSync(
    join(folder, 'waybill.yaml'),
    `namespaces: [/, shop]
users:
  clerk:
    passwordHash: ${await hashPassword('secret', new SystemRandom())}
    permissions: [{namespace: /, configure: ["clerk-*"], write: ["clerk-*", "amq.default"], read: ["clerk-*"]}]
`,
  )
  const { port, url } = await startServer(t, ['--data', join(folder, 'data'), '--config', join(folder, 'waybill.yaml')])
  const guest = await (await connected(t, url)).createChannel()
  await guest.assertQueue('orders')
  const clerk = await connected(t, `amqp://clerk:secret@127.0.0.1:${port}`)
  const refused = async (work: (channel: Awaited<ReturnType<ChannelModel['createChannel']>>) => Promise<unknown>): Promise<void> => {
    const channel = await clerk.createChannel()
    channel.on('error', () => {})
    await assert.rejects(work(channel), { code: 403 })
  }
  const channel = await clerk.createChannel()
  await channel.assertQueue('clerk-1')
  channel.sendToQueue('clerk-1', Buffer.from('x'))
  assert.notEqual(await channel.get('clerk-1', { noAck: true }), false)
  await refused((own) => own.assertQueue('mine'))
  await refused((own) => own.get('orders'))
  await refused((own) => own.deleteQueue('orders'))
  await refused((own) => own.purgeQueue('orders'))
  await refused((own) => own.bindQueue('clerk-1', 'amq.topic', '#'))
  await assert.rejects(connect(`amqp://clerk:secret@127.0.0.1:${port}/shop`))
})

test('a thousand logins with a hashed password in a row cost one check', async (t) => {
  const folder = temporaryFolder(t)
  writeFileSync(join(folder, 'secret'), await hashPassword('secret', new SystemRandom()))
  const { port } = await startServer(t, ['--data', join(folder, 'data')], {
    WAYBILL_USERS: JSON.stringify({ shop: { passwordFile: join(folder, 'secret') } }),
  })
  const start = performance.now()
  for (let i = 0; i < 1_000; i += 50) {
    const connections = await Promise.all(Array.from({ length: 50 }, () => connect(`amqp://shop:secret@127.0.0.1:${port}`)))
    await Promise.all(connections.map((connection) => connection.close()))
  }
  // One check takes some 40 ms: a check for each would take at least 40 s.
  assert.ok(performance.now() - start < 20_000)
})

test('a bug ends the server with its stack and exit code 70, and the next start finds everything that was confirmed', async (t) => {
  const folder = temporaryFolder(t)
  const data = join(folder, 'data')
  const bug = join(folder, 'bug.mjs')
  writeFileSync(bug, "process.on('SIGUSR2', () => { throw new Error('planted bug') })")
  const server = await startServer(t, ['--data', data], { NODE_OPTIONS: `--import=${bug}` })
  const connection = await connected(t, server.url)
  const channel = await connection.createConfirmChannel()
  channel.on('error', () => {})
  await channel.assertQueue('q')
  channel.sendToQueue('q', Buffer.from('kept'), { persistent: true })
  await channel.waitForConfirms()
  process.kill(server.program.pid, 'SIGUSR2')
  assert.equal(await server.program.ended, 70)
  assert.match(server.program.output(), /waybill: a bug: Error: planted bug\n\s+at /)
  const second = await startServer(t, ['--data', data])
  const again = await (await connected(t, second.url)).createChannel()
  assert.equal((await again.checkQueue('q')).messageCount, 1)
})
