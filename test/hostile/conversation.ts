/** A long valid conversation as frames, so that changes to it reach everything that the server understands. */
import { startOk } from '../amqp-0-9-1/login.ts'
import { encodeHeader, encodeMethod, FRAME, frame, PROTOCOL_HEADER, type Arguments } from '../amqp-0-9-1/raw-client.ts'
import type { Table } from '../amqp-0-9-1/wire-value.ts'

const method = (channel: number, name: string, values: Arguments = {}): Buffer => frame(FRAME.method, channel, encodeMethod(name, values))

/** Up to connection.open, one frame each. */
export const HANDSHAKE: readonly Buffer[] = [
  PROTOCOL_HEADER,
  method(0, 'connection.start-ok', startOk()),
  method(0, 'connection.tune-ok', { 'channel-max': 100, 'frame-max': 131_072, heartbeat: 30 }),
  method(0, 'connection.open', { 'virtual-host': '/' }),
]

function publication(channel: number, values: Arguments, properties: Arguments, body: Buffer): Buffer[] {
  const half = body.length >> 1
  return [
    method(channel, 'basic.publish', values),
    frame(FRAME.header, channel, encodeHeader(body.length, properties, 60)),
    frame(FRAME.body, channel, body.subarray(0, half)),
    frame(FRAME.body, channel, body.subarray(half)),
  ]
}

const QUEUE_ARGUMENTS: Table = {
  'x-message-ttl': 5_000,
  'x-expires': 60_000,
  'x-max-length': 20,
  'x-max-length-bytes': 100_000,
  'x-overflow': 'reject-publish',
  'x-max-priority': 9,
  'x-dead-letter-exchange': 'fuzz-topic',
  'x-dead-letter-routing-key': 'dead',
  'x-single-active-consumer': true,
  'x-delivery-limit': 3,
}

const PROPERTIES: Arguments = {
  'content-type': 'text/plain',
  'content-encoding': 'utf-8',
  headers: { a: 1, b: 'two', c: { d: [1, 'x', null, { e: true }] }, CC: ['fuzz-1', 'fuzz-2'], BCC: ['fuzz-1'], 'x-delay': 3 },
  'delivery-mode': 2,
  priority: 4,
  'correlation-id': 'c',
  'reply-to': 'amq.rabbitmq.reply-to',
  expiration: '1000',
  'message-id': 'm',
  timestamp: 1_700_000_000,
  type: 'T',
  'user-id': 'guest',
  'app-id': 'fuzz',
}

/** What follows the handshake: objects that go with the connection, and some that last. */
export const TALK: readonly Buffer[] = [
  method(1, 'channel.open'),
  method(1, 'exchange.declare', { exchange: 'fuzz-topic', type: 'topic', 'auto-delete': true }),
  method(1, 'exchange.declare', {
    exchange: 'fuzz-headers',
    type: 'headers',
    'auto-delete': true,
    arguments: { 'alternate-exchange': 'fuzz-topic' },
  }),
  method(1, 'exchange.declare', {
    exchange: 'fuzz-later',
    type: 'x-delayed-message',
    'auto-delete': true,
    arguments: { 'x-delayed-type': 'direct' },
  }),
  method(1, 'queue.declare', { queue: '', exclusive: true, arguments: QUEUE_ARGUMENTS }),
  method(1, 'queue.bind', { exchange: 'fuzz-topic', 'routing-key': 'a.*.#' }),
  method(1, 'queue.bind', { exchange: 'fuzz-headers', arguments: { 'x-match': 'any', a: 1, b: 'two' } }),
  method(1, 'exchange.bind', { destination: 'fuzz-topic', source: 'fuzz-headers', 'routing-key': 'k', arguments: { c: 3 } }),
  method(1, 'exchange.declare', { exchange: 'fuzz-lasting', type: 'headers', durable: true }),
  method(1, 'queue.declare', { queue: 'fuzz-lasting', durable: true, arguments: { 'x-max-length': 200, 'x-max-priority': 5 } }),
  method(1, 'queue.bind', { queue: 'fuzz-lasting', exchange: 'fuzz-lasting', arguments: { 'x-match': 'all', a: 1, list: [1, 'x'] } }),
  method(1, 'basic.qos', { 'prefetch-count': 10 }),
  method(1, 'basic.consume', { queue: 'amq.rabbitmq.reply-to', 'no-ack': true, 'consumer-tag': 'replies' }),
  method(1, 'basic.consume', { 'consumer-tag': 'fuzz', arguments: { 'x-priority': 3 } }),
  method(1, 'confirm.select'),
  ...publication(1, { exchange: 'fuzz-topic', 'routing-key': 'a.b.c', mandatory: true }, PROPERTIES, Buffer.alloc(50, 'p')),
  ...publication(1, { exchange: 'fuzz-headers' }, { headers: { a: 1 } }, Buffer.alloc(9_000, 'h')),
  ...publication(1, { exchange: 'fuzz-later', 'routing-key': 'x' }, { headers: { 'x-delay': 20 } }, Buffer.alloc(10)),
  ...publication(
    1,
    { 'routing-key': 'fuzz-lasting' },
    { ...PROPERTIES, 'reply-to': 'somewhere', expiration: '600000' },
    Buffer.alloc(300, 'l'),
  ),
  ...publication(1, { exchange: 'fuzz-lasting' }, { 'delivery-mode': 2, headers: { a: 1, list: [1, 'x'] } }, Buffer.alloc(30, 'l')),
  method(1, 'basic.get', { 'no-ack': false }),
  method(1, 'basic.ack', { 'delivery-tag': 1 }),
  method(1, 'basic.nack', { 'delivery-tag': 2, multiple: true, requeue: true }),
  method(1, 'basic.reject', { 'delivery-tag': 3, requeue: false }),
  method(1, 'basic.recover', { requeue: true }),
  method(2, 'channel.open'),
  method(2, 'tx.select'),
  ...publication(2, { exchange: 'fuzz-topic', 'routing-key': 'a.z' }, { 'delivery-mode': 2 }, Buffer.alloc(20)),
  method(2, 'tx.commit'),
  method(2, 'tx.rollback'),
  frame(FRAME.heartbeat, 0, Buffer.alloc(0)),
  method(2, 'channel.flow', { active: true }),
  method(1, 'basic.cancel', { 'consumer-tag': 'fuzz' }),
  method(1, 'queue.purge', {}),
  method(1, 'queue.unbind', { exchange: 'fuzz-topic', 'routing-key': 'a.*.#' }),
  method(1, 'exchange.unbind', { destination: 'fuzz-topic', source: 'fuzz-headers', 'routing-key': 'k' }),
  method(1, 'exchange.delete', { exchange: 'fuzz-later' }),
  method(1, 'queue.delete', {}),
  method(0, 'connection.update-secret', { 'new-secret': 'guest', reason: 'because' }),
  method(2, 'channel.close', { 'reply-code': 200 }),
  method(1, 'channel.close', { 'reply-code': 200 }),
  method(0, 'connection.close', { 'reply-code': 200 }),
]
