import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { MethodName } from '../../src/protocols/amqp-0-9-1/method-table.ts'
import { encodeMethodFrame, type MethodInput } from '../../src/protocols/amqp-0-9-1/methods.ts'
import { methods } from '../arbitraries/methods.ts'
import { AmqpWorld } from '../amqp-0-9-1/amqp-world.ts'
import { type Arguments, encodeHeader, encodeMethod, frame, FRAME, type RawClient } from '../amqp-0-9-1/raw-client.ts'

/** One thing that a client does. */
interface Deed {
  readonly client: number
  readonly channel: number
  readonly bytes: Buffer
}

const queue = fc.constantFrom('', 'q1', 'q2', 'q3', 'amq.rabbitmq.reply-to')
const exchange = fc.constantFrom('', 'x1', 'x2', 'amq.topic', 'amq.fanout', 'missing')
const key = fc.constantFrom('', 'q1', 'q2', 'a.b', '#')
const tag = fc.constantFrom('', 't1', 't2')
const deliveryTag = fc.integer({ min: 0, max: 12 })
const often = fc.nat(3).map((n) => n === 0)
const queueArguments = fc.constantFrom(
  {},
  {},
  { 'x-max-length': 2 },
  { 'x-max-length': 2, 'x-overflow': 'reject-publish' },
  { 'x-message-ttl': 0 },
  { 'x-expires': 50 },
  { 'x-max-priority': 3 },
  { 'x-dead-letter-exchange': 'x1' },
  { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'q1' },
  { 'x-single-active-consumer': true },
  { 'x-delivery-limit': 1 },
)

/** The methods that clients send, with names from small sets so that they meet. */
const METHODS: readonly (readonly [name: string, values: Record<string, fc.Arbitrary<unknown>>, weight: number])[] = [
  ['channel.open', {}, 8],
  ['channel.close', { 'reply-code': fc.constant(200) }, 2],
  ['channel.close-ok', {}, 6],
  ['channel.flow', { active: fc.constant(true) }, 1],
  [
    'exchange.declare',
    { exchange, type: fc.constantFrom('direct', 'topic', 'fanout', 'headers'), 'auto-delete': often, passive: often },
    4,
  ],
  ['exchange.delete', { exchange, 'if-unused': often }, 1],
  ['exchange.bind', { source: exchange, destination: exchange, 'routing-key': key }, 2],
  ['exchange.unbind', { source: exchange, destination: exchange, 'routing-key': key }, 1],
  [
    'queue.declare',
    { queue, durable: fc.boolean(), exclusive: often, 'auto-delete': often, passive: often, arguments: queueArguments },
    10,
  ],
  ['queue.bind', { queue, exchange, 'routing-key': key }, 6],
  ['queue.unbind', { queue, exchange, 'routing-key': key }, 1],
  ['queue.purge', { queue, nowait: often }, 1],
  ['queue.delete', { queue, 'if-unused': often, 'if-empty': often }, 2],
  ['basic.qos', { 'prefetch-count': fc.nat(3), global: fc.boolean() }, 4],
  ['basic.consume', { queue, 'consumer-tag': tag, 'no-ack': fc.boolean(), exclusive: often, nowait: often }, 8],
  ['basic.cancel', { 'consumer-tag': tag, nowait: often }, 3],
  ['basic.get', { queue, 'no-ack': fc.boolean() }, 6],
  ['basic.ack', { 'delivery-tag': deliveryTag, multiple: fc.boolean() }, 8],
  ['basic.nack', { 'delivery-tag': deliveryTag, multiple: fc.boolean(), requeue: fc.boolean() }, 5],
  ['basic.reject', { 'delivery-tag': deliveryTag, requeue: fc.boolean() }, 5],
  ['basic.recover', { requeue: fc.constant(true) }, 2],
  ['confirm.select', { nowait: often }, 3],
  ['tx.select', {}, 2],
  ['tx.commit', {}, 4],
  ['tx.rollback', {}, 2],
]

const method = fc.oneof(
  ...METHODS.map(([name, values, weight]) => ({
    weight,
    arbitrary: fc.record(values, { noNullPrototype: true }).map((given) => frameOf(FRAME.method, encodeMethod(name, given as Arguments))),
  })),
)

const publish = fc
  .record({
    exchange,
    key,
    mandatory: fc.boolean(),
    body: fc.uint8Array({ maxLength: 300 }),
    properties: fc.constantFrom<Arguments>(
      {},
      { 'delivery-mode': 2 },
      { 'delivery-mode': 2, priority: 2 },
      { expiration: '0' },
      { expiration: 'soon' },
      { headers: { CC: ['q2'], BCC: ['q1'] } },
      { headers: { 'x-delay': 20 } },
      { 'reply-to': 'amq.rabbitmq.reply-to' },
      { 'user-id': 'guest' },
    ),
    cut: fc.nat(9),
  })
  .map(({ exchange: to, key: routingKey, mandatory, body, properties, cut }) => {
    const parts = [
      frameOf(FRAME.method, encodeMethod('basic.publish', { exchange: to, 'routing-key': routingKey, mandatory })),
      frameOf(FRAME.header, encodeHeader(body.length, properties, 60)),
      ...(body.length === 0 ? [] : [frameOf(FRAME.body, body)]),
    ]
    // Now and then the content breaks off.
    return cut === 0 ? (channel: number) => (parts[0] as (channel: number) => Buffer)(channel) : joined(parts)
  })

function frameOf(type: number, payload: Uint8Array): (channel: number) => Buffer {
  return (channel) => frame(type, channel, payload)
}

function joined(parts: readonly ((channel: number) => Buffer)[]): (channel: number) => Buffer {
  return (channel) => Buffer.concat(parts.map((part) => part(channel)))
}

const deed: fc.Arbitrary<Deed> = fc
  .record({
    client: fc.nat(1),
    channel: fc.integer({ min: 1, max: 2 }),
    frames: fc.oneof({ weight: 3, arbitrary: method }, { weight: 2, arbitrary: publish }),
  })
  .map(({ client, channel, frames }) => ({ client, channel, bytes: frames(channel) }))

test('no conversation breaks the server, and nothing of it is left when its connections are gone', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(deed, fc.nat(3)), { minLength: 5, maxLength: 80 }), async (deeds) => {
      const world = await AmqpWorld.start()
      const clients: (RawClient | undefined)[] = [undefined, undefined]
      for (const [{ client, bytes }, pause] of deeds) {
        let raw = clients[client]
        if (raw === undefined || raw.end !== 'open') raw = clients[client] = (await world.client()).raw
        raw.sendBytes(bytes)
        if (pause === 0) await world.clock.runFor(10)
      }
      await world.settle()
      for (const raw of clients) raw?.destroy()
      await world.clock.runFor(2000)

      assert.equal(world.amqp.unfinishedSizeBytes, 0)
      assert.equal(world.amqp.unsettledCount, 0)
      for (const each of world.namespace.queues.values()) {
        assert.equal(each.consumers.size, 0, 'no consumer outlives its connection')
        assert.equal(each.unsettledCount, 0, 'no delivery outlives its connection')
        assert.equal(each.exclusiveOwner, undefined, 'no exclusive queue outlives its connection')
      }
      const bystander = await world.client()
      for (const name of [...world.namespace.queues.keys()]) {
        const expected = world.namespace.queues.get(name)?.readyCount ?? 0
        bystander.raw.sendMethod(1, 'basic.consume', { queue: name, 'consumer-tag': name, 'no-ack': true })
        await world.settle()
        const delivered = bystander
          .take()
          .filter((arrival) => arrival.name === 'basic.deliver' && arrival.arguments['consumer-tag'] === name)
        assert.equal(delivered.length, expected, `every waiting message of ${name} is delivered`)
        await bystander.call('basic.cancel', { 'consumer-tag': name })
      }
    }),
    { numRuns: Number(process.env['FUZZ_RUNS'] ?? 60) },
  )
})

test('no method with any arguments breaks the server', async () => {
  const frames = fc
    .tuple(methods, fc.nat(3))
    .map(([each, channel]) => encodeMethodFrame(channel, each.method, each as unknown as MethodInput<MethodName>))
  await fc.assert(
    fc.asyncProperty(fc.array(frames, { minLength: 1, maxLength: 30 }), async (sent) => {
      const world = await AmqpWorld.start()
      let client = await world.client()
      for (const bytes of sent) {
        if (client.raw.end !== 'open') client = await world.client()
        client.raw.sendBytes(bytes)
        await world.clock.runFor(5)
      }
      client.raw.destroy()
      await world.settle()
      const bystander = await world.client()
      assert.deepEqual(await bystander.call('queue.declare', { queue: 'bystander' }), ['queue.declare-ok'])
    }),
    { numRuns: Number(process.env['FUZZ_RUNS'] ?? 60) },
  )
})
