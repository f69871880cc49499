import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { amqpProperties, shortText } from '../../../test/arbitraries/fields.ts'
import { encodeText } from '../../base/text.ts'
import { encodeAmqpProperties } from '../../message/amqp-properties.ts'
import { ContentWriter, DeliverPrefix } from './deliveries.ts'
import type { ContentSource } from './deliveries.ts'
import { FrameReader } from './frame-reader.ts'
import { FRAME } from './grammar.ts'
import { decodeMethod } from './methods.ts'
import type { Method } from './methods.ts'
import { ContentHeader, readContentHeader } from './publishing.ts'

interface Content {
  readonly channel: number
  readonly method: Method
  readonly properties: Buffer
  readonly body: Buffer
  readonly frameSizesBytes: readonly number[]
}

/** Reads back one content from frames. */
function readContent(bytes: Buffer): Content {
  const frames: { type: number; channel: number; payload: Buffer }[] = []
  const reader = new FrameReader(
    {
      greeting: () => true,
      frame: (type, channel, buffer, start, end) => frames.push({ type, channel, payload: Buffer.from(buffer.subarray(start, end)) }),
    },
    2 ** 20,
  )
  reader.push(Buffer.from('AMQP\0\0\x09\x01', 'latin1'))
  reader.push(bytes)
  assert.equal(reader.gatheredSizeBytes, 0)
  const [method, header, ...body] = frames
  assert.ok(method !== undefined && header !== undefined)
  assert.equal(method.type, FRAME.method)
  assert.equal(header.type, FRAME.header)
  assert.ok(frames.every((frame) => frame.channel === method.channel))
  assert.ok(body.every((frame) => frame.type === FRAME.body && frame.payload.length > 0))
  const into = new ContentHeader()
  readContentHeader(header.payload, 0, header.payload.length, into)
  assert.equal(into.classId, 60)
  const content = Buffer.concat(body.map((frame) => frame.payload))
  assert.equal(content.length, into.bodySizeBytes)
  return {
    channel: method.channel,
    method: decodeMethod(method.payload, 0, method.payload.length),
    properties: header.payload.subarray(into.propertiesStart),
    body: content,
    frameSizesBytes: body.map((frame) => frame.payload.length + 8),
  }
}

function sourceOf(exchange: string, routingKey: string, properties: Buffer, body: Uint8Array, before: number): ContentSource {
  const parts = [exchange, routingKey].map(encodeText).map((text) => Buffer.concat([Buffer.of(text.length), text]))
  const address = Buffer.concat(parts)
  const buffer = Buffer.concat([Buffer.alloc(before, 0xaa), address, properties, body, Buffer.alloc(9, 0xbb)])
  const propertiesStart = before + address.length
  const bodyStart = propertiesStart + properties.length
  return { buffer, addressStart: before, propertiesStart, bodyStart, bodyEnd: bodyStart + body.length }
}

const contents = fc
  .record({
    exchange: shortText,
    routingKey: shortText,
    properties: amqpProperties.map(encodeAmqpProperties),
    body: fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.integer({ min: 0, max: 20_000 }).map((size) => new Uint8Array(size).fill(size & 0xff)),
    ),
    before: fc.nat(40),
    offset: fc.nat(40),
    channel: fc.integer({ min: 1, max: 65535 }),
    deliveryTag: fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER })),
    redelivered: fc.boolean(),
    replaced: fc.option(amqpProperties.map(encodeAmqpProperties), { nil: undefined }),
    frameSizeBytesMax: fc.constantFrom(4096, 4097, 131072),
  })
  .map((input) => ({ ...input, source: sourceOf(input.exchange, input.routingKey, input.properties, input.body, input.before) }))

/** Writes into a buffer of exactly the announced size and checks that the bytes before it stay. */
function written(offset: number, sizeBytes: number, write: (target: Buffer) => number): Buffer {
  const target = Buffer.alloc(offset + sizeBytes, 0xee)
  assert.equal(write(target), target.length)
  assert.ok(target.subarray(0, offset).every((byte) => byte === 0xee))
  return target.subarray(offset)
}

test('a delivery carries tag, flag, address, properties and body, in frames within the limit, in exactly the announced size', () => {
  fc.assert(
    fc.property(contents, shortText, (c, consumerTag) => {
      const writer = new ContentWriter(c.frameSizeBytesMax)
      const prefix = new DeliverPrefix(c.channel, consumerTag)
      assert.equal(prefix.channel, c.channel)
      const size = writer.deliverSizeBytes(prefix, c.source, c.replaced)
      const bytes = written(c.offset, size, (target) =>
        writer.writeDeliver(target, c.offset, prefix, c.deliveryTag, c.redelivered, c.source, c.replaced),
      )
      const content = readContent(bytes)
      assert.equal(content.channel, c.channel)
      assert.deepEqual(content.method, {
        method: 'basic.deliver',
        consumerTag,
        deliveryTag: c.deliveryTag,
        redelivered: c.redelivered,
        exchange: c.exchange,
        routingKey: c.routingKey,
      })
      assert.deepEqual(content.properties, c.replaced ?? c.properties)
      assert.deepEqual(content.body, Buffer.from(c.body))
      assert.ok(content.frameSizesBytes.every((frameSize) => frameSize <= c.frameSizeBytesMax))
      assert.equal(content.frameSizesBytes.length, Math.ceil(c.body.length / (c.frameSizeBytesMax - 8)))
    }),
    { numRuns: 400 },
  )
})

test('get-ok, return and publish carry the same content', () => {
  fc.assert(
    fc.property(contents, (c) => {
      const { source, replaced, exchange, routingKey } = c
      const writer = new ContentWriter(c.frameSizeBytesMax)
      const text = encodeText('NO_ROUTE')
      const got = readContent(
        written(c.offset, writer.getOkSizeBytes(source, replaced), (target) =>
          writer.writeGetOk(target, c.offset, c.channel, c.deliveryTag, c.redelivered, 7, source, replaced),
        ),
      )
      const { deliveryTag, redelivered } = c
      assert.deepEqual(got.method, { method: 'basic.get-ok', deliveryTag, redelivered, exchange, routingKey, messageCount: 7 })
      const returned = readContent(
        written(c.offset, writer.returnSizeBytes(text, source, replaced), (target) =>
          writer.writeReturn(target, c.offset, c.channel, 312, text, source, replaced),
        ),
      )
      assert.deepEqual(returned.method, { method: 'basic.return', replyCode: 312, replyText: 'NO_ROUTE', exchange, routingKey })
      const published = readContent(
        written(c.offset, writer.publishSizeBytes(source), (target) => writer.writePublish(target, c.offset, c.channel, true, source)),
      )
      assert.deepEqual(published.method, { method: 'basic.publish', exchange, routingKey, mandatory: true, immediate: false })
      assert.deepEqual(published.properties, c.properties)
      for (const content of [got, returned]) assert.deepEqual(content.properties, replaced ?? c.properties)
      for (const content of [got, returned, published]) assert.deepEqual(content.body, Buffer.from(c.body))
    }),
    { numRuns: 200 },
  )
})

test('one writer serves many buffers in turn, and lets go of them', () => {
  const writer = new ContentWriter(4096)
  const prefix = new DeliverPrefix(3, 'tag')
  for (let i = 0; i < 20; i++) {
    const body = Buffer.alloc(i * 10, i)
    const source = sourceOf('x', `key-${i}`, encodeAmqpProperties({ deliveryMode: 2 }), body, i)
    const target = Buffer.alloc(writer.deliverSizeBytes(prefix, source, undefined))
    writer.writeDeliver(target, 0, prefix, i + 1, false, source, undefined)
    assert.deepEqual(readContent(target).body, body)
    if (i % 5 === 0) writer.release()
  }
})

test('a buffer that is too small is a bug, not a cut message', () => {
  const writer = new ContentWriter(4096)
  const prefix = new DeliverPrefix(1, 'tag')
  const source = sourceOf('', 'q', encodeAmqpProperties({}), Buffer.alloc(500), 0)
  const size = writer.deliverSizeBytes(prefix, source, undefined)
  assert.throws(() => writer.writeDeliver(Buffer.alloc(size - 1), 0, prefix, 1, false, source, undefined))
  assert.throws(() => new DeliverPrefix(1, 'x'.repeat(256)), { name: 'AssertionFailure' })
})
