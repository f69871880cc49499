import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Clock, Timer } from '../base/clock.ts'
import { LIMITS } from '../base/limits.ts'
import { Turn } from '../base/turn.ts'
import { Connection, PAUSE, type CloseCause, type ConnectionContext, type ConnectionHandler } from './connection.ts'
import { OutputPool } from './output-pool.ts'
import type { SocketHandler, StreamSocket } from './socket.ts'

/** A clock that the test moves. */
class TestClock implements Clock {
  nowMs = 1_000_000
  readonly #timers = new Set<{ dueMs: number; callback: () => void }>()
  readonly #turnEnds: (() => void)[] = []

  now(): number {
    return this.nowMs
  }
  monotonic(): number {
    return this.nowMs
  }
  setTimer(delayMs: number, callback: () => void): Timer {
    const timer = { dueMs: this.nowMs + delayMs, callback }
    this.#timers.add(timer)
    return { cancel: () => void this.#timers.delete(timer) }
  }
  endOfTurn(callback: () => void): void {
    this.#turnEnds.push(callback)
  }
  endTurn(): void {
    for (const callback of this.#turnEnds.splice(0)) callback()
  }
  advance(ms: number): void {
    this.nowMs += ms
    for (const timer of this.#timers) {
      if (timer.dueMs > this.nowMs) continue
      this.#timers.delete(timer)
      timer.callback()
    }
  }
  get timerCount(): number {
    return this.#timers.size
  }
}

/** A socket that takes everything at once, or only when told. */
class TestSocket implements StreamSocket {
  readonly remoteAddress = '127.0.0.1'
  readonly remotePort = 1
  readonly localAddress = '127.0.0.1'
  readonly localPort = 2
  readonly encryption = undefined
  handler: SocketHandler | undefined
  slow = false
  readonly writes: Buffer[] = []
  paused = false
  endCount = 0
  destroyCount = 0

  start(handler: SocketHandler): void {
    this.handler = handler
  }
  write(buffers: readonly Uint8Array[]): boolean {
    this.writes.push(Buffer.concat(buffers))
    return !this.slow
  }
  pause(): void {
    this.paused = true
  }
  resume(): void {
    this.paused = false
  }
  end(): void {
    this.endCount++
  }
  destroy(): void {
    this.destroyCount++
  }
}

class TestHandler implements ConnectionHandler {
  readonly inputs: string[] = []
  readonly causes: CloseCause[] = []
  drainedCount = 0

  input(chunk: Buffer): void {
    this.inputs.push(chunk.toString())
  }
  drained(): void {
    this.drainedCount++
  }
  closed(cause: CloseCause): void {
    this.causes.push(cause)
  }
}

interface World {
  readonly clock: TestClock
  readonly socket: TestSocket
  readonly handler: TestHandler
  readonly connection: Connection
  readonly pool: OutputPool
  readonly gone: () => boolean
}

function connect(): World {
  const clock = new TestClock()
  const socket = new TestSocket()
  const handler = new TestHandler()
  const pool = new OutputPool()
  let gone = false
  const context: ConnectionContext = {
    clock,
    turn: new Turn(clock),
    pool,
    handshakeTimeoutMs: 10_000,
    connectionEstablished: () => {},
    connectionClosed: () => (gone = true),
  }
  const connection = new Connection(1, socket, context)
  connection.start(handler)
  return { clock, socket, handler, connection, pool, gone: () => gone }
}

function put(connection: Connection, sizeBytes: number, value: number): void {
  const at = connection.reserveOutput(sizeBytes)
  connection.output.fill(value, at, at + sizeBytes)
  connection.advanceOutput(sizeBytes)
}

test('everything written in a turn leaves in one write, in order', () => {
  const { connection, socket, clock } = connect()
  const expected: Buffer[] = []
  for (let i = 0; i < 10_000; i++) {
    const sizeBytes = 1 + (i % 300)
    put(connection, sizeBytes, i & 0xff)
    expected.push(Buffer.alloc(sizeBytes, i & 0xff))
  }
  assert.equal(socket.writes.length, 0)
  clock.endTurn()
  assert.equal(socket.writes.length, 1)
  assert.deepEqual(socket.writes[0], Buffer.concat(expected))
  assert.equal(connection.outputSizeBytes, 0)
})

test('a reservation may be larger than what is written', () => {
  const { connection, socket, clock } = connect()
  for (const text of ['one', 'two', 'three']) {
    const at = connection.reserveOutput(10_000)
    connection.advanceOutput(connection.output.write(text, at))
  }
  clock.endTurn()
  assert.equal(socket.writes[0]?.toString(), 'onetwothree')
})

test('an output larger than every pooled buffer is sent whole', () => {
  const { connection, socket, clock } = connect()
  connection.send(Buffer.from('a'))
  put(connection, 5_000_000, 7)
  connection.send(Buffer.from('b'))
  clock.endTurn()
  assert.equal(socket.writes.length, 1)
  assert.equal(socket.writes[0]?.length, 5_000_002)
  assert.equal(socket.writes[0]?.[5_000_001], 'b'.charCodeAt(0))
})

test('a connection holds no buffer once its output is written', () => {
  const { connection, pool, clock } = connect()
  put(connection, 100_000, 1)
  put(connection, 10, 1)
  const before = pool.freeSizeBytes
  clock.endTurn()
  assert.equal(connection.output.length, 0)
  assert.ok(pool.freeSizeBytes > before)
  connection.reserveOutput(5)
  connection.advanceOutput(0)
  clock.endTurn()
  assert.equal(connection.output.length, 0)
})

test('a buffer is not used again before the socket has written it', () => {
  const { connection, socket, clock, pool } = connect()
  socket.slow = true
  put(connection, 10, 1)
  clock.endTurn()
  const free = pool.freeSizeBytes
  put(connection, 10, 2)
  clock.endTurn()
  assert.equal(socket.writes.length, 1, 'one write at a time')
  socket.handler?.written()
  assert.ok(pool.freeSizeBytes > free)
  clock.endTurn()
  assert.equal(socket.writes.length, 2)
  assert.deepEqual(socket.writes[1], Buffer.alloc(10, 2))
})

test('writable is false above the limit, and drained comes once when there is room again', () => {
  const { connection, socket, clock, handler } = connect()
  socket.slow = true
  put(connection, LIMITS.outputSizeBytesMax, 1)
  assert.equal(connection.writable, true)
  put(connection, 1, 1)
  assert.equal(connection.writable, false)
  clock.endTurn()
  assert.equal(handler.drainedCount, 0)
  socket.handler?.written()
  assert.equal(handler.drainedCount, 1)
  assert.equal(connection.writable, true)
  clock.endTurn()
  assert.equal(handler.drainedCount, 1)
})

test('a socket that takes everything at once drains at the end of the turn', () => {
  const { connection, clock, handler } = connect()
  put(connection, LIMITS.outputSizeBytesMax + 1, 1)
  assert.equal(connection.writable, false)
  clock.endTurn()
  assert.equal(handler.drainedCount, 1)
})

test('a peer that asks without reading is not read until it reads', () => {
  const { connection, socket, clock } = connect()
  socket.slow = true
  put(connection, LIMITS.outputSizeBytesPauseInput + 1, 1)
  clock.endTurn()
  assert.equal(socket.paused, true)
  assert.equal(connection.pausedFor, PAUSE.output)
  socket.handler?.written()
  assert.equal(socket.paused, false)
})

test('input is read again only when no reason to pause is left', () => {
  const { connection, socket } = connect()
  connection.pauseInput(PAUSE.publisher)
  connection.pauseInput(PAUSE.protocol)
  connection.pauseInput(PAUSE.protocol)
  connection.resumeInput(PAUSE.protocol)
  assert.equal(socket.paused, true)
  connection.resumeInput(PAUSE.publisher)
  assert.equal(socket.paused, false)
})

test('a connection that does not log in in time is ended, one that does is not', () => {
  const late = connect()
  late.clock.advance(10_000)
  assert.equal(late.socket.destroyCount, 1)
  late.socket.handler?.closed(undefined)
  assert.deepEqual(late.handler.causes, ['handshake-timeout'])
  assert.equal(late.gone(), true)

  const timely = connect()
  timely.connection.established()
  timely.clock.advance(1_000_000)
  assert.equal(timely.socket.destroyCount, 0)
  assert.equal(timely.clock.timerCount, 0)
})

test('close sends what was written, then the end, then destroys a peer that does not end', () => {
  const { connection, socket, clock, handler } = connect()
  connection.established()
  connection.send(Buffer.from('bye'))
  connection.close()
  assert.equal(socket.endCount, 0)
  clock.endTurn()
  assert.equal(socket.writes[0]?.toString(), 'bye')
  assert.equal(socket.endCount, 1)
  socket.handler?.received(Buffer.from('late'))
  assert.deepEqual(handler.inputs, [], 'input after close is dropped')
  clock.advance(LIMITS.closeTimeoutMs)
  assert.equal(socket.destroyCount, 1)
  socket.handler?.closed(undefined)
  assert.deepEqual(handler.causes, ['closed-here'])
})

test('close waits for a write under way before it sends the end', () => {
  const { connection, socket, clock } = connect()
  socket.slow = true
  connection.send(Buffer.from('a'))
  clock.endTurn()
  connection.send(Buffer.from('b'))
  connection.close()
  clock.endTurn()
  assert.equal(socket.endCount, 0)
  socket.slow = false
  socket.handler?.written()
  clock.endTurn()
  assert.equal(Buffer.concat(socket.writes).toString(), 'ab')
  assert.equal(socket.endCount, 1)
})

test('the end of the peer is told at once, and what was written before still leaves', () => {
  const { connection, socket, clock, handler } = connect()
  connection.send(Buffer.from('answer'))
  socket.handler?.ended()
  assert.deepEqual(handler.causes, ['peer-ended'])
  clock.endTurn()
  assert.equal(socket.writes[0]?.toString(), 'answer')
  assert.equal(socket.endCount, 1)
  socket.handler?.closed(undefined)
  assert.deepEqual(handler.causes, ['peer-ended'], 'told once')
})

test('a reset is told as a failure', () => {
  const { socket, handler } = connect()
  socket.handler?.closed(new Error('ECONNRESET'))
  assert.deepEqual(handler.causes, ['failed'])
})

test('writing to a connection that is gone does nothing and keeps nothing', () => {
  const { connection, socket, clock } = connect()
  socket.handler?.closed(undefined)
  put(connection, 100, 1)
  connection.pauseInput(PAUSE.publisher)
  connection.resumeInput(PAUSE.publisher)
  connection.close()
  connection.destroy()
  clock.endTurn()
  assert.equal(socket.writes.length, 0)
  assert.equal(connection.outputSizeBytes, 0)
  assert.equal(connection.output.length, 0)
  assert.equal(connection.writable, false)
})
