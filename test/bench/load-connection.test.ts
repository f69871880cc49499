import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { test } from 'node:test'
import fc from 'fast-check'
import { LoadConnection } from '../../bench/load/connection.ts'
import type { Target } from '../../bench/load/connection.ts'
import { FRAME_BODY, FRAME_HEADER, FRAME_METHOD, FrameWriter, bodyOf, methodFrame } from '../../bench/load/frame-writer.ts'
import { Receiver } from '../../bench/load/receiver.ts'
import type { Traffic } from '../../bench/load/job.ts'
import { waitUntil } from '../../bench/load/interval.ts'

/** Tells the peer that somebody listens. */
const GO = Buffer.from('go')

/** A peer that lets everybody in and then sends what it is given, cut into the given chunks. */
const startPeer = async (stream: Buffer, chunkSizes: readonly number[]): Promise<{ target: Target; close: () => void }> => {
  const sendCut = (socket: Socket): void => {
    let offset = 0
    let turn = 0
    const next = (): void => {
      if (offset >= stream.length) return
      const end = offset + (chunkSizes[turn % chunkSizes.length] ?? 1)
      turn += 1
      socket.write(stream.subarray(offset, end), () => setImmediate(next))
      offset = end
    }
    next()
  }
  const replies = [
    methodFrame(0, 10, 10, (writer) => writer.uint8(0).uint8(9).table({}).longString('PLAIN').longString('en_US')),
    methodFrame(0, 10, 30, (writer) => writer.uint16(2047).uint32(131072).uint16(0)),
    methodFrame(0, 10, 41, (writer) => writer.shortString('')),
  ]
  const server = createServer((socket) => {
    socket.setNoDelay(true)
    socket.on('error', () => socket.destroy())
    let turn = 0
    socket.on('data', (chunk) => {
      const reply = replies[turn]
      turn += 1
      if (reply !== undefined) socket.write(reply)
      if (chunk.equals(GO)) sendCut(socket)
    })
  })
  server.listen({ host: '127.0.0.1', port: 0 })
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return { target: { host: '127.0.0.1', port, user: 'guest', password: 'guest', virtualHost: '/' }, close: () => server.close() }
}

const deliveryOf = (deliveryTag: number, body: Uint8Array): Buffer => {
  const writer = new FrameWriter()
  const method = writer.beginFrame(FRAME_METHOD, 1)
  writer.uint16(60).uint16(60).shortString('tag').uint64(deliveryTag).uint8(0).shortString('').shortString('queue')
  writer.endFrame(method)
  const header = writer.beginFrame(FRAME_HEADER, 1)
  writer.uint16(60).uint16(0).uint64(body.length).uint16(0x1000).uint8(2)
  writer.endFrame(header)
  if (body.length > 0) {
    const frame = writer.beginFrame(FRAME_BODY, 1)
    writer.raw(body)
    writer.endFrame(frame)
  }
  return writer.finish()
}

const trafficOf = (bodyBytes: number): Traffic => ({
  bodyBytes,
  window: 1,
  confirms: false,
  durable: false,
  automaticAck: true,
  prefetchCount: 0,
  ackEvery: 1,
})

test('counts every delivery however the stream is cut into chunks', async () => {
  const chunkSizes = fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 12 })
  const property = fc.asyncProperty(chunkSizes, fc.constantFrom(0, 1, 100), async (sizes, bodyBytes) => {
    const body = bodyOf(bodyBytes)
    const count = 40
    const stream = Buffer.concat(Array.from({ length: count }, (_, index) => deliveryOf(index + 1, body)))
    const peer = await startPeer(stream, sizes)
    const connection = await LoadConnection.open(peer.target, 2048)
    const receiver = new Receiver(connection, trafficOf(bodyBytes), bodyBytes === 0 ? undefined : body, () => undefined)
    try {
      connection.write(GO)
      await waitUntil(
        () => receiver.deliveredCount === count,
        5000,
        () => `${receiver.deliveredCount} of ${count} came`,
      )
    } finally {
      connection.destroy()
      peer.close()
    }
  })
  await fc.assert(property, { numRuns: 25 })
})

test('refuses a message whose bytes are not those that were sent', () => {
  const body = bodyOf(100)
  const changed = Buffer.from(body)
  changed[99] = (changed[99] ?? 0) ^ 1
  const view = new DataView(changed.buffer, changed.byteOffset, changed.length)
  const receiver = new Receiver({} as LoadConnection, trafficOf(100), body, () => undefined)
  assert.throws(() => receiver.onDelivery(1, 1, view, 0, 100), /other bytes/)
  assert.throws(() => receiver.onDelivery(1, 1, view, 0, 99), /99 bytes/)
})

test('a broken frame end fails the connection instead of being counted', async () => {
  const stream = deliveryOf(1, bodyOf(10))
  stream[stream.length - 1] = 0
  const peer = await startPeer(stream, [1000])
  const connection = await LoadConnection.open(peer.target)
  connection.write(GO)
  const failure = await new Promise<Error>((resolve) => connection.onFailure(resolve))
  assert.match(failure.message, /0xCE/)
  peer.close()
})
