/**
 * Nanoseconds per message of the AMQP codec's hot paths, best of several rounds: `node bench/micro/amqp-codec.ts`.
 * Run it with `--trace-gc` to see that none of them leaves garbage.
 */
import { encodeAmqpProperties, scanAmqpProperties } from '../../src/message/amqp-properties.ts'
import { MessageFacets } from '../../src/message/facets.ts'
import { ContentWriter, DeliverPrefix } from '../../src/protocols/amqp-0-9-1/deliveries.ts'
import type { ContentSource } from '../../src/protocols/amqp-0-9-1/deliveries.ts'
import { FrameReader } from '../../src/protocols/amqp-0-9-1/frame-reader.ts'
import { FRAME, PROTOCOL_HEADER } from '../../src/protocols/amqp-0-9-1/grammar.ts'
import { ContentHeader, PublishArguments, readContentHeader, readPublish } from '../../src/protocols/amqp-0-9-1/publishing.ts'
import { readSettlement, Settlement, writeAck } from '../../src/protocols/amqp-0-9-1/settlements.ts'

const ROUNDS = 9
const MESSAGES_PER_ROUND = 1_000_000

function measure(name: string, run: (count: number) => void): void {
  run(MESSAGES_PER_ROUND / 5)
  let bestNs = Infinity
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now()
    run(MESSAGES_PER_ROUND)
    bestNs = Math.min(bestNs, ((performance.now() - start) * 1e6) / MESSAGES_PER_ROUND)
  }
  process.stdout.write(`${name.padEnd(58)} ${bestNs.toFixed(1).padStart(7)} ns\n`)
}

const TYPICAL = encodeAmqpProperties({ contentType: 'application/json', deliveryMode: 2 })
const RICH = encodeAmqpProperties({
  contentType: 'application/json',
  headers: { 'x-tenant': 'acme', attempt: 3 },
  deliveryMode: 2,
  correlationId: '0b3e5c9e-8b0e-4a7c-9d0f-3f0f7f2c8a11',
  messageId: '5f9d6a4e-1c9b-4f7e-8a43-8f1a2b3c4d5e',
  timestamp: 1_700_000_000,
  type: 'OrderCreated',
  appId: 'shop',
})

/** Several copies at different offsets of a large buffer, as in a socket's chunk. */
function placed(bytes: Uint8Array): { buffer: Buffer; offsets: number[] } {
  const buffer = Buffer.alloc(64 * 1024)
  const offsets: number[] = []
  for (let at = 3; at + bytes.length < buffer.length && offsets.length < 256; at += bytes.length + 5) {
    buffer.set(bytes, at)
    offsets.push(at)
  }
  return { buffer, offsets }
}

function scanOf(bytes: Buffer): (count: number) => void {
  const { buffer, offsets } = placed(bytes)
  const facets = new MessageFacets()
  return (count) => {
    for (let i = 0; i < count; i++) {
      const at = offsets[i % offsets.length] as number
      scanAmqpProperties(buffer, at, at + bytes.length, facets)
    }
  }
}

function sourceOf(properties: Buffer, bodySizeBytes: number): ContentSource[] {
  const address = Buffer.from('\x06orders\x0dorder.created', 'latin1')
  const message = Buffer.concat([address, properties, Buffer.alloc(bodySizeBytes, 0x61)])
  const { buffer, offsets } = placed(message)
  return offsets.map((at) => ({
    buffer,
    addressStart: at,
    propertiesStart: at + address.length,
    bodyStart: at + address.length + properties.length,
    bodyEnd: at + message.length,
  }))
}

function deliverOf(bodySizeBytes: number): (count: number) => void {
  const sources = sourceOf(TYPICAL, bodySizeBytes)
  const writer = new ContentWriter(131_072)
  const prefix = new DeliverPrefix(1, 'amq.ctag-5f9d6a4e1c9b4f7e8a43')
  const targets = Array.from({ length: 4 }, () => Buffer.allocUnsafeSlow(256 * 1024))
  let tag = 0
  return (count) => {
    let target = targets[0] as Buffer
    let at = 0
    for (let i = 0; i < count; i++) {
      const source = sources[i % sources.length] as ContentSource
      if (at + writer.deliverSizeBytes(prefix, source, undefined) > target.length) {
        target = targets[i & 3] as Buffer
        at = 0
      }
      at = writer.writeDeliver(target, at, prefix, ++tag, false, source, undefined)
    }
  }
}

/** A stream of whole publishes, cut into frames and read as a session does up to the properties. */
function publishOf(bodySizeBytes: number): (count: number) => void {
  const sources = sourceOf(TYPICAL, bodySizeBytes)
  const writer = new ContentWriter(131_072)
  const chunk = Buffer.allocUnsafeSlow(64 * 1024)
  let length = 0
  let messages = 0
  for (const source of sources) {
    if (length + writer.publishSizeBytes(source) > chunk.length) break
    length = writer.writePublish(chunk, length, 1, false, source)
    messages++
  }
  const publish = new PublishArguments()
  const header = new ContentHeader()
  const facets = new MessageFacets()
  const reader = new FrameReader(
    {
      greeting: () => true,
      frame(type, _channel, buffer, start, end) {
        if (type === FRAME.method) readPublish(buffer, start, end, publish)
        else if (type === FRAME.header) {
          readContentHeader(buffer, start, end, header)
          scanAmqpProperties(buffer, header.propertiesStart, header.propertiesEnd, facets)
        }
      },
    },
    131_072,
  )
  reader.push(Buffer.from(PROTOCOL_HEADER))
  const filled = chunk.subarray(0, length)
  return (count) => {
    for (let i = 0; i < count; i += messages) reader.push(filled)
  }
}

function ackOf(): (count: number) => void {
  const target = Buffer.alloc(64 * 1024)
  const settlement = new Settlement()
  return (count) => {
    let at = 0
    for (let i = 1; i <= count; i++) {
      if (at + 21 > target.length) at = 0
      const start = at
      at = writeAck(target, at, 1, i, true)
      readSettlement(target, start + 7, at - 1, settlement)
    }
  }
}

measure('scan: content-type, delivery-mode', scanOf(TYPICAL))
measure('scan: nine properties, two headers', scanOf(RICH))
measure('read publish, header, properties, 100 B body, 3 frames', publishOf(100))
measure('write deliver, 100 B', deliverOf(100))
measure('write deliver, 1 KB', deliverOf(1024))
measure('write ack and read it', ackOf())
