import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { LIMITS } from '../../src/base/limits.ts'
import { PAUSE } from '../../src/net/connection.ts'
import { listen, until, type Peer } from './network.ts'

function echo(peer: Peer, chunk: Buffer): void {
  peer.connection.send(chunk)
}

async function readAll(socket: NodeJS.ReadableStream): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of socket) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

test('many small messages in one turn leave in one write and arrive in order', async () => {
  await using world = await listen((peer) => {
    for (let i = 0; i < 5_000; i++) {
      const at = peer.connection.reserveOutput(8)
      peer.connection.output.writeUInt32BE(i, at)
      peer.connection.output.writeUInt32BE(~i >>> 0, at + 4)
      peer.connection.advanceOutput(8)
    }
    peer.connection.close()
  })
  const socket = await world.connect()
  socket.write('go')
  const received = await readAll(socket)
  assert.equal(received.length, 40_000)
  for (let i = 0; i < 5_000; i++) assert.equal(received.readUInt32BE(i * 8), i)
  assert.equal(world.peers[0]?.connection.writeCount, 1)
})

test('an echo of 64 MiB through a slow reader keeps the bytes and bounds the memory', async () => {
  await using world = await listen(echo)
  const socket = await world.connect()
  const block = Buffer.alloc(1024 * 1024)
  for (let i = 0; i < block.length; i++) block[i] = (i * 31 + (i >> 8)) & 0xff
  let receivedSizeBytes = 0
  let largestOutputSizeBytes = 0
  let wrong = 0
  socket.pause()
  socket.on('data', (chunk: Buffer) => {
    for (let i = 0; i < chunk.length; i += 97) if (chunk[i] !== block[(receivedSizeBytes + i) % block.length]) wrong++
    receivedSizeBytes += chunk.length
    largestOutputSizeBytes = Math.max(largestOutputSizeBytes, world.peers[0]?.connection.outputSizeBytes ?? 0)
  })
  for (let i = 0; i < 64; i++) socket.write(block)
  await until(() => world.peers[0] !== undefined && (world.peers[0].connection.pausedFor & PAUSE.output) !== 0, 'input is paused')
  socket.resume()
  await until(() => receivedSizeBytes === 64 * block.length, 'everything is back')
  assert.equal(wrong, 0)
  assert.ok(largestOutputSizeBytes < LIMITS.outputSizeBytesPauseInput * 2, `${largestOutputSizeBytes} bytes waited`)
  await until(() => world.peers[0]?.connection.pausedFor === 0, 'input is read again')
})

test('a paused connection receives nothing until it is resumed', async () => {
  await using world = await listen((peer) => peer.connection.pauseInput(PAUSE.publisher))
  const socket = await world.connect()
  socket.write('first')
  await until(() => world.peers[0]?.receivedSizeBytes === 5, 'the first bytes came')
  await new Promise<void>((resolve) => socket.write('second', () => resolve()))
  // Another connection makes a whole round trip meanwhile: the paused one would have been read by then.
  const other = await world.connect()
  other.write('x')
  await until(() => world.peers[1]?.receivedSizeBytes === 1, 'the other connection is served')
  assert.equal(world.peers[0]?.receivedSizeBytes, 5)
  world.peers[0].connection.resumeInput(PAUSE.publisher)
  await until(() => world.peers[0]?.receivedSizeBytes === 11, 'the second bytes came')
})

test('a peer that ends its side gets the answer and is gone from both sides', async () => {
  await using world = await listen(echo)
  const socket = await world.connect()
  socket.end('last words')
  assert.equal((await readAll(socket)).toString(), 'last words')
  await world.network.empty()
  assert.equal(world.peers[0]?.cause, 'peer-ended')
  assert.equal(world.network.handshakeCount, 0)
})

test('a reset ends the connection and nothing else', async () => {
  await using world = await listen(echo)
  const socket = await world.connect()
  const other = await world.connect()
  socket.write('x')
  await once(socket, 'data')
  socket.resetAndDestroy()
  await until(() => world.network.connectionCount === 1, 'the connection is gone')
  assert.equal(world.peers[0]?.cause, 'failed')
  other.write('still here')
  assert.equal(String((await once(other, 'data'))[0]), 'still here')
})

test('a connection that says nothing is ended when the handshake time is over', async () => {
  await using world = await listen(echo, { handshakeTimeoutMs: 20 })
  const socket = await world.connect()
  socket.resume()
  await once(socket, 'end')
  await until(() => world.peers[0]?.cause === 'handshake-timeout', 'the cause is told')
})

test('connections above the limit are refused, and accepted again when others have gone', async () => {
  await using world = await listen(echo, { connectionsMax: 2 })
  const first = await world.connect()
  await world.connect()
  await until(() => world.network.connectionCount === 2, 'two are in')
  const third = await world.connect()
  third.resume()
  await until(() => third.readableEnded || third.destroyed, 'the third is turned away')
  assert.deepEqual(world.refused, ['connections'])
  first.destroy()
  await until(() => world.network.connectionCount === 1, 'one is gone')
  const fourth = await world.connect()
  fourth.write('hello')
  assert.equal(String((await once(fourth, 'data'))[0]), 'hello')
})

test('a second listener on the same port says that the address is in use', async () => {
  await using world = await listen(echo)
  const again = world.network.listen({ name: 'again', host: '127.0.0.1', port: world.listener.port }, () => {
    throw new Error('nothing may connect')
  })
  await assert.rejects(again, {
    code: 'ADDRESS_IN_USE',
    message: `the address 127.0.0.1:${world.listener.port} is in use by another program`,
  })
  await assert.rejects(
    world.network.listen({ name: 'elsewhere', host: '192.0.2.1', port: 0 }, () => {
      throw new Error('nothing may connect')
    }),
    { code: 'ADDRESS_REFUSED' },
  )
})
