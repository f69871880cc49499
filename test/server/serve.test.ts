import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { connect as connectSocket, createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { connect, type ChannelModel, type ConsumeMessage } from 'amqplib'
import { COMMAND, startServer, temporaryFolder, waybill, type ReadyServer } from './command.ts'

/** An AMQP connection that goes with the test; what ended it is kept. */
async function client(
  t: TestContext,
  server: ReadyServer,
): Promise<{ connection: ChannelModel; ended: Promise<Error & { code?: number }> }> {
  const connection = await connect(server.url)
  connection.on('error', () => {})
  const ended = new Promise<Error>((resolve) => connection.once('close', (error?: Error) => resolve(error ?? new Error('closed'))))
  t.after(() => connection.close().catch(() => {}))
  return { connection, ended }
}

test('a server listens, says that it is ready, and ends with 0 on SIGTERM and on SIGINT', async (t) => {
  const data = temporaryFolder(t)
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    const { program, port } = await startServer(t, ['--data', data])
    const socket = connectSocket(port, '127.0.0.1')
    await once(socket, 'connect')
    socket.destroy()
    process.kill(program.pid, signal)
    assert.equal(await program.ended, 0, program.output())
  }
})

test('a confirmed message survives the end of its server', async (t) => {
  const data = temporaryFolder(t)
  const first = await startServer(t, ['--data', data])
  const { connection } = await client(t, first)
  const channel = await connection.createConfirmChannel()
  await channel.assertQueue('q')
  channel.sendToQueue('q', Buffer.from('kept'), { persistent: true })
  await channel.waitForConfirms()
  connection.on('error', () => {})
  await first.program.stop()
  const second = await startServer(t, ['--data', data])
  const again = await (await client(t, second)).connection.createChannel()
  const message = await again.get('q', { noAck: true })
  assert.equal(message === false ? undefined : message.content.toString(), 'kept')
})

test('on SIGTERM clients are told 320, and an unsettled delivery that is settled in time is gone for good', async (t) => {
  const data = temporaryFolder(t)
  const server = await startServer(t, ['--data', data])
  const { connection, ended } = await client(t, server)
  const channel = await connection.createChannel()
  channel.on('error', () => {})
  await channel.assertQueue('q')
  channel.sendToQueue('q', Buffer.from('work'), { persistent: true })
  const delivery = await new Promise<ConsumeMessage | null>((resolve) => void channel.consume('q', resolve))
  process.kill(server.program.pid, 'SIGTERM')
  await server.program.waitFor(/waiting for deliveries to settle/, 10_000)
  const newcomer = connectSocket(server.port, '127.0.0.1')
  await assert.rejects(once(newcomer, 'connect'), { code: 'ECONNREFUSED' })
  channel.ack(delivery as ConsumeMessage)
  assert.equal((await ended).code, 320)
  assert.equal(await server.program.ended, 0, server.program.output())
  const second = await startServer(t, ['--data', data])
  const again = await (await client(t, second)).connection.createChannel()
  assert.equal(await again.get('q'), false)
})

test('a delivery that is not settled in the drain time goes back to its queue', async (t) => {
  const data = temporaryFolder(t)
  const server = await startServer(t, ['--data', data], { WAYBILL_DRAIN_TIME: '50ms' })
  const { connection, ended } = await client(t, server)
  const channel = await connection.createChannel()
  await channel.assertQueue('q')
  channel.sendToQueue('q', Buffer.from('work'), { persistent: true })
  await new Promise((resolve) => void channel.consume('q', resolve))
  process.kill(server.program.pid, 'SIGTERM')
  assert.equal((await ended).code, 320)
  assert.equal(await server.program.ended, 0, server.program.output())
  const second = await startServer(t, ['--data', data])
  const again = await (await client(t, second)).connection.createChannel()
  const message = await again.get('q', { noAck: true })
  assert.equal(message === false ? undefined : message.content.toString(), 'work')
})

test('a second signal ends the server at once', async (t) => {
  const server = await startServer(t, ['--data', temporaryFolder(t)], { WAYBILL_DRAIN_TIME: '1h' })
  const { connection } = await client(t, server)
  connection.on('error', () => {})
  const channel = await connection.createChannel()
  await channel.assertQueue('q')
  channel.sendToQueue('q', Buffer.from('work'))
  await new Promise((resolve) => void channel.consume('q', resolve))
  process.kill(server.program.pid, 'SIGTERM')
  await server.program.waitFor(/waiting for deliveries to settle/, 10_000)
  // npm passes on what the terminal sent already: at once, a second signal is the same one.
  process.kill(server.program.pid, 'SIGTERM')
  const startMs = performance.now()
  const again = setInterval(() => process.kill(server.program.pid, 'SIGTERM'), 50)
  const code = await server.program.ended.finally(() => clearInterval(again))
  assert.equal(code, 143, server.program.output())
  assert.ok(performance.now() - startMs > 200, 'not at once')
})

test('a second server on the same data is refused with a sentence and exit code 75', async (t) => {
  const data = temporaryFolder(t)
  const { program } = await startServer(t, ['--data', data])
  const second = await waybill(['serve', '--amqp', '0', '--data', data])
  assert.equal(second.code, 75)
  assert.equal(
    second.stderr,
    `waybill: the data folder ${data} is in use by process ${program.pid}. Stop the other server, or choose another folder with --data.\n`,
  )
})

test('after kill -9 the next server starts on the same data', async (t) => {
  const data = temporaryFolder(t)
  const { program } = await startServer(t, ['--data', data])
  process.kill(program.pid, 'SIGKILL')
  await program.ended
  await startServer(t, ['--data', data])
})

test('a port in use is a sentence and exit code 69, and the data folder is free again', async (t) => {
  const data = temporaryFolder(t)
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  t.after(() => other.close())
  const { port } = other.address() as AddressInfo
  const result = await waybill(['serve', '--amqp', String(port), '--data', data])
  assert.equal(result.code, 69)
  assert.equal(
    result.stderr,
    `waybill: the address 127.0.0.1:${port} is in use by another program. Stop the other program, or choose another port.\n`,
  )
  await startServer(t, ['--data', data])
})

test('a data folder that cannot be made is a sentence and exit code 73', async (t) => {
  const folder = temporaryFolder(t)
  writeFileSync(join(folder, 'file'), '')
  const result = await waybill(['serve', '--amqp', '0', '--data', join(folder, 'file', 'data')])
  assert.equal(result.code, 73)
  assert.match(result.stderr, /^waybill: the data folder .*\/file\/data cannot be written: .*\n$/)
})

test('a data folder without permission to write is a sentence and exit code 73', (t) => {
  const folder = temporaryFolder(t)
  chmodSync(folder, 0o555)
  // Root may write everywhere: the server runs as nobody then.
  const nobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {}
  const parameters = [...COMMAND, 'serve', '--amqp', '0', '--data', join(folder, 'data')]
  const result = spawnSync(process.execPath, parameters, { ...nobody, encoding: 'utf8', cwd: '/', timeout: 30_000 })
  if (result.error !== undefined) throw result.error
  assert.equal(result.status, 73, result.stderr)
  assert.match(result.stderr, /^waybill: the data folder .* cannot be written: EACCES.*\n$/)
})

/** A folder on a file system of its own of so many KiB; undefined where that is not possible. */
function smallDisk(t: TestContext, sizeKib: number): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'waybill-disk-'))
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeKib}k`, 'tmpfs', folder]).status === 0
  t.after(() => {
    // Lazily: a server that uses it may end after this.
    if (mounted) spawnSync('umount', ['--lazy', folder])
    rmdirSync(folder)
  })
  if (mounted) return folder
  t.skip('a small file system can be mounted by root on Linux only')
  return undefined
}

test('a full disk at the start is a sentence and exit code 73', async (t) => {
  const folder = smallDisk(t, 64)
  if (folder === undefined) return
  writeFileSync(join(folder, 'filling'), Buffer.alloc(64 * 1024))
  const result = await waybill(['serve', '--amqp', '0', '--data', folder])
  assert.equal(result.code, 73, result.stderr)
  assert.match(result.stderr, /^waybill: .*(full|no space left|cannot be written).*\n$/)
  assert.doesNotMatch(result.stderr, /\n.*at /)
})

test('a disk that runs full pauses publishers, and what was confirmed is there after a restart', async (t) => {
  const folder = smallDisk(t, 80 * 1024)
  if (folder === undefined) return
  const server = await startServer(t, ['--data', join(folder, 'data')], { WAYBILL_DISK_PAUSE_BELOW_FREE: '0' })
  const { connection } = await client(t, server)
  const blocked = new Promise<string>((resolve) => connection.once('blocked', resolve))
  const channel = await connection.createConfirmChannel()
  await channel.assertQueue('q')
  let confirmedCount = 0
  let paused = false
  void blocked.then(() => (paused = true))
  for (let i = 0; i < 2_000 && !paused; i++) {
    channel.sendToQueue('q', Buffer.alloc(100_000, i), { persistent: true }, (error: unknown) => {
      if (error === null || error === undefined) confirmedCount++
    })
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  assert.equal(await blocked, 'low on disk')
  await server.program.waitFor(/publishers are paused reason="low on disk"/, 10_000)
  assert.ok(confirmedCount > 10, `${confirmedCount} confirmed`)
  const other = await client(t, server)
  const reader = await other.connection.createChannel()
  const message = await reader.get('q', { noAck: true })
  assert.notEqual(message, false, 'consumers go on')
  connection.on('error', () => {})
  other.connection.on('error', () => {})
  process.kill(server.program.pid, 'SIGKILL')
  await server.program.ended
  spawnSync('mount', ['-o', 'remount,size=200m', folder])
  const second = await startServer(t, ['--data', join(folder, 'data')])
  const again = await (await client(t, second)).connection.createChannel()
  const { messageCount } = await again.checkQueue('q')
  assert.ok(messageCount >= confirmedCount - 1, `${messageCount} of ${confirmedCount} confirmed`)
})

test('a damaged journal stops the start with file and offset and exit code 74, and nothing is changed', async (t) => {
  const data = temporaryFolder(t)
  const first = await startServer(t, ['--data', data])
  const { connection } = await client(t, first)
  connection.on('error', () => {})
  const channel = await connection.createConfirmChannel()
  await channel.assertQueue('q')
  // Damage in the very last commit could be a torn write; it is done to one before it.
  for (let i = 0; i < 100; i++) {
    channel.sendToQueue('q', Buffer.alloc(1_000, i), { persistent: true })
    await channel.waitForConfirms()
  }
  process.kill(first.program.pid, 'SIGKILL')
  await first.program.ended
  const segment = join(data, 'journal', readdirSync(join(data, 'journal'))[0] as string)
  const bytes = readFileSync(segment)
  const at = bytes.indexOf(Buffer.alloc(500, 50))
  bytes[at] = (bytes[at] as number) ^ 1
  writeFileSync(segment, bytes)
  const second = await waybill(['serve', '--amqp', '0', '--data', data])
  assert.equal(second.code, 74, second.stderr)
  assert.match(second.stderr, /^waybill: .*journal.*\d+/)
  assert.doesNotMatch(second.stderr, /\n\s+at /)
  assert.deepEqual(readFileSync(segment), bytes)
})

test('a wrong configuration names file, line and column, what was expected and what was found, and exits with 78', async (t) => {
  const folder = temporaryFolder(t)
  const file = join(folder, 'waybill.yaml')
  writeFileSync(file, 'listners:\n  amqp: 5673\nlimits:\n  messageSize: 64 megs\n')
  const result = await waybill(['serve', '--config', file])
  assert.equal(result.code, 78)
  assert.equal(
    result.stderr,
    `waybill: ${file}, line 1, column 1: unknown setting "listners"; did you mean "listeners"?\n` +
      `waybill: ${file}, line 4, column 16: "limits.messageSize": expected a size from 1 KiB to 56 MiB, such as "64MiB", found "64 megs".\n` +
      'Correct the place that the text names.\n',
  )
  const flag = await waybill(['serve', '--amqp', 'somewhere'])
  assert.equal(flag.code, 78)
  assert.match(flag.stderr, /^waybill: --amqp: "listeners\.amqp": expected a list of addresses/)
  assert.equal((await waybill(['serve', '--amqp'])).code, 64)
  assert.equal((await waybill(['serve', '--port', '1'])).code, 64)
  const absent = await waybill(['serve'], { env: { WAYBILL_CONFIG: join(folder, 'absent.yaml') } })
  assert.equal(absent.code, 78)
  assert.match(absent.stderr, /absent\.yaml: the file does not exist/)
})

test('file, environment and flags are laid over each other, and secrets come from files', async (t) => {
  const folder = temporaryFolder(t)
  mkdirSync(join(folder, 'secrets'))
  const hashed = await waybill(['hash-password'], { input: 'letmein\n' })
  writeFileSync(join(folder, 'secrets/shop'), hashed.stdout)
  const file = join(folder, 'waybill.yaml')
  writeFileSync(
    file,
    'data: from-file\nguest: false\nnamespaces: [/, shop]\nlog: {format: json, level: debug}\nusers:\n  shop:\n    passwordFile: secrets/shop\n    permissions:\n      - {namespace: shop, configure: ["*"], write: ["*"], read: ["*"]}\n',
  )
  const { program, port } = await startServer(t, ['--config', file], { WAYBILL_LOG_LEVEL: 'info' })
  assert.match(program.output(), /^\{"level":"info".*"msg":"started"/m)
  assert.ok(readdirSync(join(folder, 'from-file')).includes('journal'), 'data is relative to the file')
  const connection = await connect(`amqp://shop:letmein@127.0.0.1:${port}/shop`)
  await connection.close()
  await assert.rejects(connect(`amqp://shop:wrong@127.0.0.1:${port}/shop`), /ACCESS.REFUSED/)
  await assert.rejects(connect(`amqp://shop:letmein@127.0.0.1:${port}/`), /./)
  await assert.rejects(connect(`amqp://guest:guest@127.0.0.1:${port}/`), /ACCESS.REFUSED/)
  await program.waitFor(/"msg":"a login was refused"/, 10_000)
  assert.match(program.output(), /"remoteAddress":"127\.0\.0\.1","reason":"wrong password for user 'shop'"/)
})

test('memory above its mark pauses publishers and lets consumers go on', async (t) => {
  const server = await startServer(t, ['--data', temporaryFolder(t)], { WAYBILL_MEMORY_PAUSE_ABOVE: '160MiB' })
  const { connection } = await client(t, server)
  const blocked = new Promise<string>((resolve) => connection.once('blocked', resolve))
  const channel = await connection.createChannel()
  await channel.assertQueue('q', { durable: false })
  let sentCount = 0
  let paused = false
  void blocked.then(() => (paused = true))
  for (; sentCount < 2_000 && !paused; sentCount++) {
    if (!channel.sendToQueue('q', Buffer.alloc(200_000))) await Promise.race([once(channel, 'drain'), blocked])
  }
  assert.equal(await blocked, 'low on memory')
  const unblocked = new Promise<void>((resolve) => connection.once('unblocked', resolve))
  const reader = await (await client(t, server)).connection.createChannel()
  await reader.prefetch(50)
  await reader.consume('q', (message) => reader.ack(message as ConsumeMessage))
  await unblocked
})

test('output that nobody reads any more does not end the server', async (t) => {
  const child = spawn(process.execPath, [...COMMAND, 'serve', '--amqp', '0', '--data', temporaryFolder(t)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.after(() => child.kill('SIGKILL'))
  let port: string | undefined
  for await (const chunk of child.stdout) {
    port = /^ready: amqp:\/\/127\.0\.0\.1:(\d+)/m.exec(String(chunk))?.[1]
    // Leaving the loop closes the pipe.
    if (port !== undefined) break
  }
  child.stderr.destroy()
  for (let i = 0; i < 3; i++) await assert.rejects(connect(`amqp://guest:wrong@127.0.0.1:${String(port)}`))
  const connection = await connect(`amqp://guest:guest@127.0.0.1:${String(port)}`)
  await connection.close()
  assert.equal(child.exitCode, null)
})
