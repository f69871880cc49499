/** What strangers can send: no login is needed for any of this. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { arrivalOf, startOk } from '../amqp-0-9-1/login.ts'
import { encodeMethod, FRAME, frame, PROTOCOL_HEADER, type RawClient } from '../amqp-0-9-1/raw-client.ts'
import { ByteSink } from '../amqp-0-9-1/wire-value.ts'
import { endingOf, hungUp, Siege } from './siege.ts'

const HANDSHAKE_MS = 1_500
const siege = Siege.forFile({ limits: { handshakeTime: `${HANDSHAKE_MS}ms` } })

/** A client that has got connection.start. */
async function greeted(): Promise<RawClient> {
  const client = await siege().socket()
  client.sendBytes(PROTOCOL_HEADER)
  await arrivalOf(client, 0, 'connection.start', 0)
  return client
}

/** The head of a frame that declares more than it has. */
function head(type: number, channel: number, sizeBytes: number): Buffer {
  return new ByteSink().unsigned(type, 1).unsigned(channel, 2).unsigned(sizeBytes, 4).finish()
}

const STRANGERS: readonly (readonly [name: string, bytes: Buffer])[] = [
  ['an HTTP client', Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')],
  ['a TLS client', Buffer.from('16030100c8010000c403030000000000000000000000000000000000', 'hex')],
  ['an AMQP 1.0 client', Buffer.from('AMQP\x00\x01\x00\x00', 'latin1')],
  ['an AMQP 0-8 client', Buffer.from('AMQP\x01\x01\x08\x00', 'latin1')],
  ['a client of no version', Buffer.from('AMQP\xff\xff\xff\xff', 'latin1')],
  ['an MQTT client', Buffer.from('100c00044d5154540402003c0000', 'hex')],
  ['zeros', Buffer.alloc(4096)],
  ['one wrong byte', Buffer.from('B')],
  ['a frame without a greeting', frame(FRAME.method, 0, encodeMethod('connection.start-ok', startOk()))],
]

for (const [name, bytes] of STRANGERS) {
  test(`tells ${name} what is spoken here, and hangs up`, async () => {
    const client = await siege().socket()
    client.sendBytes(bytes)
    assert.ok(await hungUp(client))
    assert.deepEqual(client.rest, PROTOCOL_HEADER)
  })
}

const LENGTHS = [4097, 131_073, 0x7fff_ffff, 0x8000_0000, 0xffff_fff8, 0xffff_ffff]

for (const sizeBytes of LENGTHS) {
  test(`hangs up on a frame that declares ${sizeBytes} bytes before login, without waiting for them`, async () => {
    for (const type of [FRAME.method, FRAME.header, FRAME.body, FRAME.heartbeat]) {
      const client = await greeted()
      client.sendBytes(head(type, 0, sizeBytes))
      assert.ok(await hungUp(client, HANDSHAKE_MS / 2), 'at once, and not when the time for the login is over')
    }
  })
}

/** Tables that are not what they say, as the arguments of connection.start-ok. */
function brokenTables(): (readonly [string, Buffer])[] {
  const rest = new ByteSink().shortString('PLAIN').longString('\0guest\0guest').shortString('en_US').finish()
  const startOkWith = (table: Buffer): Buffer => Buffer.concat([Buffer.from([0, 10, 0, 11]), table, rest])
  const sized = (sizeBytes: number, content: Buffer): Buffer => Buffer.concat([new ByteSink().unsigned(sizeBytes, 4).finish(), content])
  let nested: Buffer = Buffer.alloc(0)
  for (let depth = 0; depth < 500; depth++) nested = Buffer.concat([Buffer.from('\x00F', 'latin1'), sized(nested.length, nested)])
  let array: Buffer = Buffer.alloc(0)
  for (let depth = 0; depth < 700; depth++) array = Buffer.concat([Buffer.from('A'), sized(array.length, array)])
  return [
    ['a table of 4 GiB', startOkWith(sized(0xffff_ffff, Buffer.alloc(0)))],
    ['a table that ends behind its frame', startOkWith(sized(3000, Buffer.alloc(0)))],
    ['a table of negative size', startOkWith(sized(0x8000_0000, Buffer.from('\x01aI', 'latin1')))],
    ['a table nested 500 deep', startOkWith(sized(nested.length, nested))],
    [
      'an array nested 700 deep',
      startOkWith(sized(array.length + 2, Buffer.concat([Buffer.from('\x01', 'latin1'), Buffer.from('x'), array]))),
    ],
    ['a string of 4 GiB in a table', startOkWith(sized(7, Buffer.from('\x01aS\xff\xff\xff\xff', 'latin1')))],
    ['an unknown type in a table', startOkWith(sized(3, Buffer.from('\x01aZ', 'latin1')))],
    ['a name longer than its table', startOkWith(sized(2, Buffer.from('\xffa', 'latin1')))],
    ['no arguments', Buffer.from([0, 10, 0, 11])],
    ['half a method id', Buffer.from([0, 10, 0])],
    ['a method of class 65535', Buffer.from([0xff, 0xff, 0xff, 0xff])],
  ]
}

for (const [name, payload] of brokenTables()) {
  test(`hangs up on a login with ${name}`, async () => {
    await siege().withstand(async () => {
      const client = await greeted()
      client.sendFrame(FRAME.method, 0, payload)
      assert.ok(await hungUp(client, HANDSHAKE_MS / 2))
    })
  })
}

test('hangs up on methods out of their order, contents and heartbeats before login', async () => {
  const attempts: ((client: RawClient) => void)[] = [
    (client) => client.sendMethod(0, 'connection.open', { 'virtual-host': '/' }),
    (client) => client.sendMethod(0, 'connection.tune-ok', { 'channel-max': 10, 'frame-max': 131_072 }),
    (client) => client.sendMethod(0, 'connection.secure-ok', { response: 'guest' }),
    (client) => client.sendMethod(0, 'connection.start', {}),
    (client) => client.sendMethod(1, 'channel.open'),
    (client) => client.sendMethod(1, 'queue.delete', { queue: 'bystander' }),
    (client) => client.sendPublish(1, { 'routing-key': 'bystander' }, {}, Buffer.from('before login')),
    (client) => client.sendHeader(0, 10),
    (client) => client.sendFrame(FRAME.body, 65_535, Buffer.alloc(100)),
    (client) => client.sendFrame(FRAME.heartbeat, 7, Buffer.alloc(0)),
    (client) => client.sendBytes(Buffer.concat([PROTOCOL_HEADER, PROTOCOL_HEADER])),
    (client) => client.sendBytes(frame(FRAME.method, 0, encodeMethod('connection.start-ok', startOk()), 0xcf)),
  ]
  for (const attempt of attempts) {
    const client = await greeted()
    attempt(client)
    assert.ok(await hungUp(client, HANDSHAKE_MS / 2), attempt.toString())
  }
})

test('lets nobody in with a login that is odd, and says so to a client that wants to know', async () => {
  const long = 'x'.repeat(3000)
  const logins: [mechanism: string, response: string | Buffer, told: boolean][] = [
    ['PLAIN', '\0guest\0wrong', true],
    ['PLAIN', `\0${long}\0guest`, true],
    ['PLAIN', `\0guest\0${long}`, true],
    ['PLAIN', '\0__proto__\0__proto__', true],
    ['PLAIN', '\0constructor\0', true],
    ['PLAIN', '\0\0', true],
    ['PLAIN', '', false],
    ['PLAIN', '\0guest\0guest\0guest', false],
    ['PLAIN', 'other\0guest\0guest', false],
    ['PLAIN', Buffer.from([0, 0xff, 0xfe, 0, 0xff]), true],
    ['AMQPLAIN', Buffer.from('\xff\xff\xff\xff', 'latin1'), false],
    ['AMQPLAIN', '', false],
    ['EXTERNAL', 'guest', false],
    ['__proto__', '\0guest\0guest', false],
    ['', '\0guest\0guest', false],
  ]
  for (const [mechanism, response, told] of logins) {
    const client = await greeted()
    client.sendMethod(0, 'connection.start-ok', { ...startOk(), mechanism, response: response as string })
    const ending = await endingOf(client, HANDSHAKE_MS * 4)
    assert.deepEqual(ending, told ? { closes: 'connection', code: 403 } : { closes: 'socket', code: 0 }, `${mechanism} ${String(response)}`)
    client.destroy()
  }
})

test('serves others while hundreds guess passwords', async () => {
  await siege().withstand(async () => {
    const guesses = Array.from({ length: 300 }, async (_, i) => {
      const client = await greeted()
      client.sendMethod(0, 'connection.start-ok', startOk(i % 2 === 0 ? 'guest' : `user${i}`, `guess ${i}`))
      await endingOf(client, 60_000)
      client.destroy()
    })
    await Promise.all(guesses)
  })
})

test('hangs up on a login that takes too long, however it dawdles', async () => {
  await siege().withstand(async () => {
    const startMs = performance.now()
    const silent = await siege().socket()
    const half = await siege().socket()
    half.sendBytes(PROTOCOL_HEADER.subarray(0, 5))
    const waiting = await greeted()
    const cut = await greeted()
    cut.sendBytes(frame(FRAME.method, 0, encodeMethod('connection.start-ok', startOk())).subarray(0, 30))
    // One that sends a byte now and then, so that no silence is long.
    const dribbling = await greeted()
    const bytes = frame(FRAME.method, 0, encodeMethod('connection.start-ok', startOk()))
    let sent = 0
    const timer = setInterval(() => dribbling.sendBytes(bytes.subarray(sent, ++sent)), 50)
    try {
      for (const client of [silent, half, waiting, cut, dribbling]) assert.ok(await hungUp(client, HANDSHAKE_MS * 4))
    } finally {
      clearInterval(timer)
    }
    assert.ok(performance.now() - startMs < HANDSHAKE_MS * 5)
  })
})

test('hangs up on those who have hung up half, at every step', async () => {
  await siege().withstand(async () => {
    const stages: readonly Buffer[] = [
      Buffer.alloc(0),
      PROTOCOL_HEADER.subarray(0, 3),
      PROTOCOL_HEADER,
      Buffer.concat([PROTOCOL_HEADER, frame(FRAME.method, 0, encodeMethod('connection.start-ok', startOk()))]),
      Buffer.concat([PROTOCOL_HEADER, frame(FRAME.method, 0, encodeMethod('connection.start-ok', startOk())).subarray(0, 20)]),
    ]
    for (const bytes of stages) {
      const client = await siege().socket()
      client.sendBytes(bytes)
      client.finish()
      assert.ok(await hungUp(client, HANDSHAKE_MS * 4))
    }
  })
})

test('keeps nothing of what is sent while a password is being checked', async () => {
  await siege().withstand(
    async () => {
      const junk = Buffer.concat(Array.from({ length: 2_000 }, () => frame(FRAME.heartbeat, 0, Buffer.alloc(0))))
      const clients = await Promise.all(Array.from({ length: 100 }, greeted))
      for (const client of clients) {
        client.sendMethod(0, 'connection.start-ok', startOk('guest', 'wrong'))
        for (let i = 0; i < 100; i++) client.sendBytes(junk)
      }
      for (const client of clients) assert.ok(await hungUp(client, HANDSHAKE_MS * 10))
    },
    { peakGrowthSizeBytes: 200 * 2 ** 20 },
  )
})
