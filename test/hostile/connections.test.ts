/** Very many connections: silent ones, ones that log in, ones that come and go. */
import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { call, startOk } from '../amqp-0-9-1/login.ts'
import { encodeMethod, FRAME, frame, PROTOCOL_HEADER } from '../amqp-0-9-1/raw-client.ts'
import { Siege } from './siege.ts'

const MIB = 2 ** 20
/** This process and the server need a file for each; the issue asks for so many. */
const CONNECTIONS = 10_000
/** How many are opened at the same time. */
const STRIDE = 200
const siege = Siege.forFile({ limits: { handshakeTime: '60s' } })

/** A whole login, said in one go. */
const LOGIN = Buffer.concat([
  PROTOCOL_HEADER,
  frame(FRAME.method, 0, encodeMethod('connection.start-ok', startOk())),
  frame(FRAME.method, 0, encodeMethod('connection.tune-ok', { 'channel-max': 10, 'frame-max': 131_072 })),
  frame(FRAME.method, 0, encodeMethod('connection.open', { 'virtual-host': '/' })),
  frame(FRAME.method, 1, encodeMethod('channel.open', {})),
])
/** The end of the last answer: channel.open-ok. */
const LAST_ANSWER = frame(FRAME.method, 1, encodeMethod('channel.open-ok', {}))

interface Visitor {
  readonly socket: Socket
  ended: boolean
}

/** Opens sockets, a stride at a time; each says `greeting`, and counts as there when `isThere` likes what came. */
async function crowd(count: number, greeting: Buffer, isThere: ((bytes: Buffer) => boolean) | undefined): Promise<Visitor[]> {
  const visitors: Visitor[] = []
  for (let from = 0; from < count; from += STRIDE) {
    const arrivals = Array.from({ length: Math.min(STRIDE, count - from) }, () => visit(greeting, isThere))
    visitors.push(...(await Promise.all(arrivals)))
  }
  return visitors
}

async function visit(greeting: Buffer, isThere: ((bytes: Buffer) => boolean) | undefined): Promise<Visitor> {
  return await new Promise((resolve) => {
    const socket = connect({ host: siege().server.host, port: siege().server.port })
    const visitor: Visitor = { socket, ended: false }
    let bytes: Buffer = Buffer.alloc(0)
    socket.on('connect', () => {
      if (greeting.length > 0) socket.write(greeting)
      if (isThere === undefined) resolve(visitor)
    })
    socket.on('data', (chunk: Buffer) => {
      bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk])
      if (isThere?.(bytes) === true) resolve(visitor)
    })
    socket.on('error', () => undefined)
    socket.on('close', () => {
      visitor.ended = true
      resolve(visitor)
    })
  })
}

async function leave(visitors: readonly Visitor[]): Promise<void> {
  for (const { socket } of visitors) socket.destroy()
  const end = performance.now() + 20_000
  while ((await openFiles()) > 100) {
    assert.ok(performance.now() < end, 'the server keeps the sockets of those who have left')
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

/** Files and sockets that the server has open. */
async function openFiles(): Promise<number> {
  return (await readdir(`/proc/${siege().server.pid}/fd`)).length
}

test(`serves ${CONNECTIONS} connections with a channel each`, async (t) => {
  await siege().withstand(
    async () => {
      const before = (await siege().server.memory()).residentSizeBytes
      const startMs = performance.now()
      const visitors = await crowd(CONNECTIONS, LOGIN, (bytes) => bytes.subarray(-LAST_ANSWER.length).equals(LAST_ANSWER))
      assert.equal(visitors.filter(({ ended }) => ended).length, 0, 'nobody is turned away')
      const tookMs = performance.now() - startMs
      const each = ((await siege().server.memory()).residentSizeBytes - before) / CONNECTIONS
      t.diagnostic(`${CONNECTIONS} logins in ${tookMs.toFixed(0)} ms, ${(each / 1024).toFixed(1)} KiB each`)
      // One more is welcome.
      const client = await siege().client()
      await call(client, 1, 'channel.open')
      client.destroy()
      await leave(visitors)
    },
    { peakGrowthSizeBytes: 600 * MIB, growthSizeBytes: 450 * MIB, slowestMs: 10_000 },
  )
})

test(`lets users in while ${CONNECTIONS} strangers wait at the door`, async () => {
  await siege().withstand(
    async () => {
      const strangers = await crowd(CONNECTIONS, PROTOCOL_HEADER.subarray(0, 4), undefined)
      const client = await siege().client()
      await call(client, 1, 'channel.open')
      client.destroy()
      // The oldest of them were sent away to make room.
      const end = performance.now() + 20_000
      while (strangers.filter(({ ended }) => ended).length < CONNECTIONS - 5_000) {
        assert.ok(performance.now() < end, 'strangers take more places than they may')
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
      await leave(strangers)
    },
    { peakGrowthSizeBytes: 500 * MIB, growthSizeBytes: 450 * MIB, slowestMs: 10_000 },
  )
})

test('forgets connections that come and go', async () => {
  await siege().withstand(
    async () => {
      for (let i = 0; i < 10; i++) await leave(await crowd(200, LOGIN.subarray(0, 20 + i * 30), undefined))
    },
    { slowestMs: 10_000 },
  )
})
