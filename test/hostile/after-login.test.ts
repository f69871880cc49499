/** What somebody with a login can send that is wrong: each gets the error that it deserves, and nobody else feels it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { arrivalOf, call } from '../amqp-0-9-1/login.ts'
import { encodeHeader, encodeMethod, FRAME, frame, type RawClient } from '../amqp-0-9-1/raw-client.ts'
import { ByteSink, type FieldValue, type Table, typed } from '../amqp-0-9-1/wire-value.ts'
import { type Ending, endingOf, Siege } from './siege.ts'

const MIB = 2 ** 20
const siege = Siege.forFile({ limits: { messageSize: '1MiB' } })

/** A client with channel 1 open. */
async function visitor(): Promise<RawClient> {
  const client = await siege().client()
  await call(client, 1, 'channel.open')
  return client
}

const publish = encodeMethod('basic.publish', { 'routing-key': 'nowhere' })
const head = (type: number, channel: number, sizeBytes: number): Buffer =>
  new ByteSink().unsigned(type, 1).unsigned(channel, 2).unsigned(sizeBytes, 4).finish()
const closes = (what: Ending['closes'], code: number): Ending => ({ closes: what, code })

/** A header frame's payload with these bytes as its header table. */
function headerWith(entries: Buffer, sizeBytes = 0): Buffer {
  const flags = new ByteSink()
    .unsigned(60, 2)
    .unsigned(0, 2)
    .unsigned(sizeBytes, 8)
    .unsigned(1 << 13, 2)
  return flags.unsigned(entries.length, 4).bytes(entries).finish()
}

const sized = (content: Buffer, sizeBytes = content.length): Buffer => new ByteSink().unsigned(sizeBytes, 4).bytes(content).finish()

/** The entries of a table that holds tables, or arrays. */
function nested(depth: number, letter: 'F' | 'A'): Buffer {
  let content: Buffer = Buffer.alloc(0)
  for (let level = 0; level < depth; level++) {
    content = Buffer.concat([Buffer.from(letter === 'F' ? '\x01nF' : 'A', 'latin1'), sized(content)])
  }
  return letter === 'F' ? content : Buffer.concat([Buffer.from('\x01a', 'latin1'), content])
}

const WRONG: readonly (readonly [name: string, send: (client: RawClient) => void, ending: Ending])[] = [
  ['a frame that declares 4 GiB', (c) => c.sendBytes(head(FRAME.method, 1, 0xffff_ffff)), closes('connection', 501)],
  ['a frame that declares 2 GiB', (c) => c.sendBytes(head(FRAME.body, 1, 0x8000_0000)), closes('connection', 501)],
  ['a frame of one byte more than agreed', (c) => c.sendBytes(head(FRAME.method, 1, 131_073)), closes('connection', 501)],
  ['a frame of an unknown type', (c) => c.sendBytes(frame(77, 1, Buffer.alloc(4))), closes('connection', 501)],
  ['a frame with a wrong end', (c) => c.sendBytes(frame(FRAME.method, 1, publish, 0)), closes('connection', 501)],
  ['a heartbeat with a payload', (c) => c.sendBytes(frame(FRAME.heartbeat, 0, Buffer.alloc(9))), closes('connection', 501)],
  ['a heartbeat on a channel', (c) => c.sendBytes(frame(FRAME.heartbeat, 1, Buffer.alloc(0))), closes('connection', 505)],
  ['a method without an id', (c) => c.sendFrame(FRAME.method, 1, Buffer.from([0])), closes('connection', 501)],
  ['a method nobody knows', (c) => c.sendFrame(FRAME.method, 1, Buffer.from([0, 60, 0, 99])), closes('connection', 503)],
  ['a method that is cut off', (c) => c.sendFrame(FRAME.method, 1, publish.subarray(0, 9)), closes('connection', 501)],
  ['a method on a channel that is not open', (c) => c.sendMethod(9, 'queue.declare', { queue: 'x' }), closes('connection', 504)],
  ['a content without a method', (c) => c.sendHeader(1, 10), closes('connection', 505)],
  ['a body without a header', (c) => c.sendFrame(FRAME.body, 1, Buffer.alloc(10)), closes('connection', 505)],
  ['a channel opened twice', (c) => c.sendMethod(1, 'channel.open'), closes('connection', 504)],
  ['a login after the login', (c) => c.sendMethod(0, 'connection.start-ok', { mechanism: 'PLAIN' }), closes('connection', 504)],
  ['a tuning after the tuning', (c) => c.sendMethod(0, 'connection.tune-ok', { 'frame-max': 2 ** 31 }), closes('connection', 504)],
  ['a body of 2^64 - 1 bytes', (c) => sendParts(c, encodeHeader(2n ** 64n - 1n, {}, 60)), closes('channel', 406)],
  ['a body of 2^63 bytes', (c) => sendParts(c, encodeHeader(2n ** 63n, {}, 60)), closes('channel', 406)],
  ['a body of 2^53 + 1 bytes', (c) => sendParts(c, encodeHeader(2n ** 53n + 1n, {}, 60)), closes('channel', 406)],
  ['a body of one byte more than allowed', (c) => sendParts(c, encodeHeader(MIB + 1, {}, 60)), closes('channel', 406)],
  ['more body than announced', (c) => sendParts(c, encodeHeader(10, {}, 60), Buffer.alloc(11)), closes('connection', 505)],
  ['a header of another class', (c) => sendParts(c, encodeHeader(10, {}, 61)), closes('connection', 505)],
  ['a header table nested 1,000 deep', (c) => sendParts(c, headerWith(nested(1_000, 'F'))), closes('connection', 501)],
  ['a header array nested 10,000 deep', (c) => sendParts(c, headerWith(nested(10_000, 'A'))), closes('connection', 501)],
  [
    'an array of 100,000 values without a byte',
    (c) => sendParts(c, headerWith(Buffer.concat([Buffer.from('\x01aA', 'latin1'), sized(Buffer.alloc(100_000, 'V'))]))),
    closes('connection', 501),
  ],
  ['a header string of 4 GiB', (c) => sendParts(c, headerWith(Buffer.from('\x01aS\xff\xff\xff\xff', 'latin1'))), closes('connection', 501)],
  [
    'a header table of 4 GiB',
    (c) =>
      sendParts(
        c,
        new ByteSink()
          .unsigned(60, 2)
          .unsigned(0, 10)
          .unsigned(1 << 13, 2)
          .unsigned(0xffff_ffff, 4)
          .finish(),
      ),
    closes('connection', 501),
  ],
  [
    'all property flags and no property',
    (c) => sendParts(c, new ByteSink().unsigned(60, 2).unsigned(0, 10).unsigned(0xffff, 2).finish()),
    closes('connection', 501),
  ],
  ['an acknowledgement of 2^64 - 1', (c) => c.sendMethod(1, 'basic.ack', { 'delivery-tag': 2n ** 64n - 1n }), closes('channel', 406)],
  ['an acknowledgement of 2^53 + 1', (c) => c.sendMethod(1, 'basic.ack', { 'delivery-tag': 2n ** 53n + 1n }), closes('channel', 406)],
  [
    'a refusal of all up to 2^63',
    (c) => c.sendMethod(1, 'basic.nack', { 'delivery-tag': 2n ** 63n, multiple: true }),
    closes('channel', 406),
  ],
  ['an expiration of 10^30', (c) => c.sendPublish(1, {}, { expiration: `1${'0'.repeat(30)}` }, Buffer.alloc(1)), closes('channel', 406)],
  ['a negative expiration', (c) => c.sendPublish(1, {}, { expiration: '-1' }, Buffer.alloc(1)), closes('channel', 406)],
  ['a delay of 2^63 - 1', (c) => c.sendPublish(1, {}, { headers: { 'x-delay': 2n ** 63n - 1n } }, Buffer.alloc(1)), closes('channel', 406)],
  ['a CC that is no array', (c) => c.sendPublish(1, {}, { headers: { CC: { a: 1 } } }, Buffer.alloc(1)), closes('channel', 406)],
  ['a time to live of 2^63 - 1', declares({ 'x-message-ttl': 2n ** 63n - 1n }), closes('channel', 406)],
  ['a negative time to live', declares({ 'x-message-ttl': -1n }), closes('channel', 406)],
  ['a time to live that is text', declares({ 'x-message-ttl': '100' }), closes('channel', 406)],
  ['a time to live that is a table', declares({ 'x-message-ttl': { a: 1 } }), closes('channel', 406)],
  ['a length of -2^63', declares({ 'x-max-length': typed('l', -(2n ** 63n)) }), closes('channel', 406)],
  ['a priority of 2^53', declares({ 'x-max-priority': 2n ** 53n }), closes('channel', 406)],
  ['a queue name of the server', (c) => c.sendMethod(1, 'queue.declare', { queue: 'amq.gen-guessed' }), closes('channel', 403)],
  ['an exchange type of Object', (c) => c.sendMethod(1, 'exchange.declare', { exchange: 'x', type: '__proto__' }), closes('channel', 406)],
  [
    'an exchange that is in the prototype of objects',
    (c) => c.sendPublish(1, { exchange: '__proto__' }, {}, Buffer.alloc(1)),
    closes('channel', 404),
  ],
  [
    'a queue that is in the prototype of objects',
    (c) => c.sendMethod(1, 'queue.declare', { queue: 'constructor', passive: true }),
    closes('channel', 404),
  ],
  ['a name that is not UTF-8', (c) => sendInvalidName(c), closes('connection', 501)],
]

function declares(args: Table): (client: RawClient) => void {
  return (client) => client.sendMethod(1, 'queue.declare', { queue: 'odd', exclusive: true, arguments: args })
}

function sendParts(client: RawClient, header: Buffer, ...bodies: Buffer[]): void {
  client.sendFrame(FRAME.method, 1, publish)
  client.sendFrame(FRAME.header, 1, header)
  for (const body of bodies) client.sendFrame(FRAME.body, 1, body)
}

function sendInvalidName(client: RawClient): void {
  const payload = encodeMethod('queue.declare', { queue: 'abc' })
  payload[payload.indexOf('abc')] = 0xff
  client.sendFrame(FRAME.method, 1, payload)
}

for (const [name, send, expected] of WRONG) {
  test(`closes the ${expected.closes} with ${expected.code} for ${name}`, async () => {
    const client = await visitor()
    send(client)
    assert.deepEqual(await endingOf(client), expected)
    if (expected.closes === 'connection') {
      client.sendMethod(0, 'connection.close-ok')
      await client.until(() => client.end !== 'open', 5_000)
      assert.notEqual(client.end, 'open')
    } else {
      client.sendMethod(1, 'channel.close-ok')
      await call(client, 2, 'channel.open')
    }
    client.destroy()
  })
}

/** A table with one entry, even when objects have something of that name by themselves. */
function ownTable(name: string): Table {
  return Object.fromEntries([[name, 'yes']])
}

test('takes names that objects have by themselves for names like any other', async () => {
  const client = await visitor()
  for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf']) {
    await call(client, 1, 'exchange.declare', { exchange: name, type: 'headers' })
    await call(client, 1, 'queue.declare', { queue: name, exclusive: true, arguments: { [`x-${name}`]: 1 } })
    await call(client, 1, 'queue.bind', { queue: name, exchange: name, 'routing-key': name, arguments: ownTable(name) })
    await call(client, 1, 'basic.consume', { queue: name, 'consumer-tag': name })
    const from = client.arrivals.length
    client.sendPublish(1, { 'routing-key': name }, { headers: { ...ownTable(name), toString: 2 }, type: '__proto__' }, Buffer.from(name))
    const delivery = await arrivalOf(client, 1, 'basic.deliver', from)
    assert.equal(delivery.body?.toString(), name)
    assert.equal(delivery.arguments['consumer-tag'], name)
    const headers = new Map(Object.entries(delivery.properties?.['headers'] as Table))
    assert.deepEqual(headers.get('toString'), typed('I', 2))
    await call(client, 1, 'exchange.delete', { exchange: name })
  }
  client.destroy()
})

test('keeps integers beyond 2^53 as they are', async () => {
  const client = await visitor()
  await call(client, 1, 'queue.declare', { queue: 'exact', exclusive: true })
  await call(client, 1, 'basic.consume', { queue: 'exact', 'no-ack': true })
  const values: FieldValue[] = [2n ** 53n + 1n, -(2n ** 63n), 2n ** 63n - 1n].map((value) => typed('l', value))
  const from = client.arrivals.length
  client.sendPublish(1, { 'routing-key': 'exact' }, { headers: { values }, timestamp: 2n ** 64n - 1n }, Buffer.from('x'))
  const { properties } = await arrivalOf(client, 1, 'basic.deliver', from)
  assert.deepEqual((properties?.['headers'] as Table)['values'], typed('A', values))
  assert.equal(properties?.['timestamp'], 2n ** 64n - 1n)
  client.destroy()
})

test('takes no memory for bodies that are announced and never come', async () => {
  await siege().withstand(async () => {
    const clients = await Promise.all(Array.from({ length: 50 }, visitor))
    for (const client of clients) {
      for (let number = 2; number <= 200; number++) {
        client.sendMethod(number, 'channel.open')
        client.sendFrame(FRAME.method, number, publish)
        client.sendHeader(number, MIB)
      }
      await arrivalOf(client, 200, 'channel.open-ok', 0)
    }
    for (const client of clients) client.destroy()
  })
})

test('bounds the bodies of all connections together that are gathered over many frames', async () => {
  await siege().withstand(
    async () => {
      // 600 channels with a body of which one byte is missing: 600 MiB, if nobody counted.
      const body = Buffer.concat(Array.from({ length: 8 }, () => frame(FRAME.body, 1, Buffer.alloc(131_000))))
      const clients = await Promise.all(Array.from({ length: 6 }, visitor))
      const endings = clients.map(async (client) => {
        for (let number = 2; number <= 101; number++) {
          client.sendMethod(number, 'channel.open')
          client.sendFrame(FRAME.method, number, publish)
          client.sendHeader(number, MIB)
          const frames = Buffer.from(body)
          for (let at = 0; at < frames.length; at += 131_008) frames.writeUInt16BE(number, at + 1)
          client.sendBytes(frames)
          await client.flushed()
        }
        return await endingOf(client, 5_000)
      })
      const codes = (await Promise.all(endings)).map((ending) => ending?.code)
      assert.ok(codes.includes(506), `nobody was told to stop: ${codes.join(', ')}`)
      for (const client of clients) client.destroy()
    },
    { peakGrowthSizeBytes: 600 * MIB, growthSizeBytes: 400 * MIB },
  )
})

test('bounds what empty body frames cost', async () => {
  await siege().withstand(async () => {
    const client = await visitor()
    client.sendFrame(FRAME.method, 1, publish)
    client.sendHeader(1, 1000)
    const empty = Buffer.concat(Array.from({ length: 10_000 }, () => frame(FRAME.body, 1, Buffer.alloc(0))))
    for (let i = 0; i < 50; i++) {
      client.sendBytes(empty)
      await client.flushed()
    }
    client.sendFrame(FRAME.body, 1, Buffer.alloc(1000))
    await call(client, 2, 'channel.open')
    client.destroy()
  })
})

test('serves others while a client floods it with heartbeats', async () => {
  await siege().withstand(async () => {
    const client = await visitor()
    const beats = Buffer.concat(Array.from({ length: 10_000 }, () => frame(FRAME.heartbeat, 0, Buffer.alloc(0))))
    for (let i = 0; i < 50; i++) {
      client.sendBytes(beats)
      await client.flushed()
    }
    await call(client, 2, 'channel.open')
    client.destroy()
  })
})

test('hangs up on a client that agreed to heartbeats and sends none, and on none that agreed to nothing', async () => {
  const silent = await siege().client({ heartbeatSeconds: 1 })
  const free = await siege().client({ heartbeatSeconds: 0 })
  await silent.until(() => silent.end !== 'open', 10_000)
  assert.notEqual(silent.end, 'open')
  assert.ok(silent.heartbeats > 0)
  await call(free, 1, 'channel.open')
  free.destroy()
})
