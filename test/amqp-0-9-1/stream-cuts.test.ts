import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { AmqpWorld } from './amqp-world.ts'
import { encodeHeader, encodeMethod, frame, FRAME } from './raw-client.ts'

interface Message {
  readonly channel: number
  readonly key: string
  readonly messageId: string
  readonly headers: boolean
  readonly body: Buffer
}

const FRAME_MAX = 4096

const arbitraryMessage: fc.Arbitrary<Message> = fc.record({
  channel: fc.integer({ min: 1, max: 3 }),
  key: fc.constantFrom('orders', 'orders', 'orders', 'other-queue'),
  messageId: fc.string({ maxLength: 20 }),
  headers: fc.boolean(),
  body: fc
    .tuple(
      fc.oneof(fc.integer({ min: 0, max: 120 }), fc.integer({ min: 4000, max: 4200 }), fc.integer({ min: 0, max: 20_000 })),
      fc.nat(255),
    )
    .map(([size, fill]) => Buffer.alloc(size, fill)),
})

/** The frames of one message. */
function framesOf(message: Message): Buffer[] {
  const { channel, key, messageId, headers, body } = message
  const properties = { 'message-id': messageId, 'delivery-mode': 2, ...(headers ? { headers: { a: 'text', n: 7 } } : {}) }
  const frames = [
    frame(FRAME.method, channel, encodeMethod('basic.publish', { 'routing-key': key })),
    frame(FRAME.header, channel, encodeHeader(body.length, properties, 60)),
  ]
  for (let at = 0; at < body.length; at += FRAME_MAX - 8) frames.push(frame(FRAME.body, channel, body.subarray(at, at + FRAME_MAX - 8)))
  return frames
}

/** The frames of all messages: each channel's in order, the channels mixed as `choices` say. */
function mixed(messages: readonly Message[], choices: readonly number[]): Buffer {
  const lines = [1, 2, 3].map((channel) => messages.filter((message) => message.channel === channel).flatMap(framesOf))
  const result: Buffer[] = []
  for (let i = 0; lines.some((line) => line.length > 0); i++) {
    const open = lines.filter((line) => line.length > 0)
    result.push((open[(choices[i % choices.length] ?? 0) % open.length] as Buffer[]).shift() as Buffer)
  }
  return Buffer.concat(result)
}

/** Cuts into pieces of the given sizes, again and again. */
function cutInto(sizes: readonly number[]): (bytes: Buffer) => Buffer[] {
  return (bytes) => {
    const pieces: Buffer[] = []
    for (let at = 0, i = 0; at < bytes.length; i++) {
      const size = sizes[i % sizes.length] as number
      pieces.push(bytes.subarray(at, at + size))
      at += size
    }
    return pieces
  }
}

test('messages arrive whole and in order, and are confirmed, however the stream is cut and channels are mixed', async () => {
  const sizes = fc.array(fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 9000 })), { minLength: 1, maxLength: 8 })
  const choices = fc.array(fc.nat(2), { minLength: 1, maxLength: 12 })
  await fc.assert(
    fc.asyncProperty(fc.array(arbitraryMessage, { minLength: 1, maxLength: 12 }), sizes, choices, async (messages, cuts, mixing) => {
      const world = await AmqpWorld.start()
      let cut = (bytes: Buffer): Buffer[] => [bytes]
      const publisher = await world.client({ frameMax: FRAME_MAX, cut: (bytes) => cut(bytes) })
      for (const queue of ['orders', 'other-queue']) await publisher.call('queue.declare', { queue, durable: true })
      for (const channel of [2, 3]) publisher.raw.sendMethod(channel, 'channel.open')
      for (const channel of [1, 2, 3]) publisher.raw.sendMethod(channel, 'confirm.select')
      await publisher.settle()
      cut = cutInto(cuts)
      publisher.raw.sendBytes(mixed(messages, mixing))
      await world.clock.runFor(2000)

      const consumer = await world.client({ frameMax: FRAME_MAX })
      for (const queue of ['orders', 'other-queue'])
        consumer.raw.sendMethod(1, 'basic.consume', { queue, 'consumer-tag': queue, 'no-ack': true })
      await world.clock.runFor(2000)
      const deliveries = consumer.take().filter((arrival) => arrival.name === 'basic.deliver')
      for (const key of ['orders', 'other-queue']) {
        for (const channel of [1, 2, 3]) {
          const sent = messages.filter((message) => message.key === key && message.channel === channel)
          const ids = new Set(sent.map((message) => message.messageId))
          // Only the order within one channel is a promise: messages of the same id on other channels cannot be told apart.
          const others = new Set(messages.filter((message) => message.channel !== channel).map((message) => message.messageId))
          const own = (id: string): boolean => ids.has(id) && !others.has(id)
          const got = deliveries.filter((each) => each.arguments['routing-key'] === key && own(each.properties?.['message-id'] as string))
          assert.deepEqual(
            got.map((each) => [each.properties?.['message-id'], each.body?.toString('hex'), each.properties?.['headers'] !== undefined]),
            sent
              .filter((message) => own(message.messageId))
              .map((message) => [message.messageId, message.body.toString('hex'), message.headers]),
          )
        }
      }
      assert.equal(deliveries.length, messages.length)
      for (const channel of [1, 2, 3]) {
        const count = messages.filter((message) => message.channel === channel).length
        const acks = publisher.raw.arrivals.filter((arrival) => arrival.channel === channel && arrival.name === 'basic.ack')
        assert.equal(Number(acks.at(-1)?.arguments['delivery-tag'] ?? 0), count)
      }
    }),
    { numRuns: 60 },
  )
})
