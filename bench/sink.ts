/**
 * The ceiling of the load generator: a "broker" that does nothing but count. It speaks just enough AMQP for one producer and one
 * consumer with confirms, skips over every publish by its known size, and delivers prepared bytes. What the generator reaches
 * against it is what no broker on this machine can be measured above.
 *
 * It ends when its parent's channel closes.
 */
import { createServer } from 'node:net'
import type { Socket } from 'node:net'
import { FrameWriter, FRAME_BODY, FRAME_HEADER, FRAME_METHOD, bodyOf, methodFrame } from './load/frame-writer.ts'

const BATCH_COUNT = 512
const DELIVERIES_AHEAD_MAX = 5000

interface Consumer {
  readonly socket: Socket
  deliveryTag: number
  acknowledged: number
}

let consumer: Consumer | undefined
let waitingCount = 0
let batch = Buffer.alloc(0)
let deliveryBytes = 0
let tagOffset = 0

const prepare = (bodyBytes: number): void => {
  const writer = new FrameWriter()
  const method = writer.beginFrame(FRAME_METHOD, 1)
  writer.uint16(60).uint16(60).shortString('sink')
  tagOffset = writer.length
  writer.uint64(0).uint8(0).shortString('').shortString('queue')
  writer.endFrame(method)
  const header = writer.beginFrame(FRAME_HEADER, 1)
  writer.uint16(60).uint16(0).uint64(bodyBytes).uint16(0x1000).uint8(2)
  writer.endFrame(header)
  const body = writer.beginFrame(FRAME_BODY, 1)
  writer.raw(bodyOf(bodyBytes))
  writer.endFrame(body)
  const one = writer.finish()
  deliveryBytes = one.length
  batch = Buffer.concat(Array.from({ length: BATCH_COUNT }, () => one))
}

const deliver = (): void => {
  while (consumer !== undefined && waitingCount > 0) {
    const room = DELIVERIES_AHEAD_MAX - (consumer.deliveryTag - consumer.acknowledged)
    const count = Math.min(waitingCount, BATCH_COUNT, room)
    if (count <= 0) return
    const bytes = Buffer.from(batch.subarray(0, count * deliveryBytes))
    for (let index = 0; index < count; index += 1) {
      consumer.deliveryTag += 1
      bytes.writeUInt32BE(consumer.deliveryTag, index * deliveryBytes + tagOffset + 4)
    }
    consumer.socket.write(bytes)
    waitingCount -= count
  }
}

/** Answers to the calls a job makes; everything else is not for a sink. */
const answerCall = (socket: Socket, channel: number, method: number): void => {
  const reply = (classId: number, methodId: number, fill: (writer: FrameWriter) => void): void => {
    socket.write(methodFrame(channel, classId, methodId, fill))
  }
  if (method === 0x000a000b) reply(10, 30, (writer) => writer.uint16(2047).uint32(131072).uint16(0))
  else if (method === 0x000a0028) reply(10, 41, (writer) => writer.shortString(''))
  else if (method === 0x000a0032) reply(10, 51, () => undefined)
  else if (method === 0x0014000a) reply(20, 11, (writer) => writer.longString(''))
  else if (method === 0x0055000a) reply(85, 11, () => undefined)
  else if (method === 0x0032000a) reply(50, 11, (writer) => writer.shortString('queue').uint32(0).uint32(0))
  else if (method === 0x00320028) reply(50, 41, (writer) => writer.uint32(0))
  else if (method === 0x003c000a) reply(60, 11, () => undefined)
  else if (method === 0x003c0014) {
    consumer = { socket, deliveryTag: 0, acknowledged: 0 }
    reply(60, 21, (writer) => writer.shortString('sink'))
  }
}

const serve = (socket: Socket): void => {
  let rest = Buffer.alloc(0)
  let isGreeted = false
  let publishCount = 0
  let publishBytes = 0
  const readFrames = (bytes: Buffer): number => {
    let position = 0
    let published = 0
    while (position + 8 <= bytes.length) {
      const next = position + 8 + bytes.readUInt32BE(position + 3)
      if (bytes[position] === FRAME_METHOD && publishBytes > 0 && bytes.length - position >= publishBytes && bytes[position + 10] === 40) {
        // All publishes of a connection are alike: the first one gave the size.
        const count = Math.floor((bytes.length - position) / publishBytes)
        published += count
        position += count * publishBytes
        continue
      }
      if (next > bytes.length) break
      const method = bytes.readUInt32BE(position + 7)
      if (bytes[position] === FRAME_METHOD && method === 0x003c0028) {
        const bodyBytes = bytes.length >= next + 19 ? bytes.readUInt32BE(next + 15) : -1
        const headerBytes = bytes.length >= next + 7 ? bytes.readUInt32BE(next + 3) + 8 : -1
        const whole = next + headerBytes + bodyBytes + 8
        if (bodyBytes < 0 || whole > bytes.length) break
        publishBytes = whole - position
        prepare(bodyBytes)
        waitingCount = 0
        continue
      }
      if (bytes[position] === FRAME_METHOD && method === 0x003c0050 && consumer !== undefined) {
        consumer.acknowledged = bytes.readUInt32BE(position + 15)
      } else if (bytes[position] === FRAME_METHOD) answerCall(socket, bytes.readUInt16BE(position + 1), method)
      position = next
    }
    if (published > 0) {
      publishCount += published
      waitingCount += published
      socket.write(methodFrame(1, 60, 80, (writer) => writer.uint64(publishCount).uint8(1)))
    }
    deliver()
    return position
  }
  socket.setNoDelay(true)
  socket.on('error', () => socket.destroy())
  socket.on('data', (chunk) => {
    let bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    if (!isGreeted) {
      isGreeted = true
      bytes = bytes.subarray(8)
      const start = methodFrame(0, 10, 10, (writer) => writer.uint8(0).uint8(9).table({}).longString('PLAIN').longString('en_US'))
      socket.write(start)
    }
    rest = Buffer.from(bytes.subarray(readFrames(bytes)))
  })
}

const server = createServer(serve)
server.listen({ host: '127.0.0.1', port: Number(process.argv[2]) }, () => process.send?.('ready'))
process.on('disconnect', () => process.exit(0))
