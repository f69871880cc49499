/**
 * Thousands of valid conversations that were changed at random, over real sockets. Whatever comes, the server goes on, and starts again on what is
 * left on its disk.
 */
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test, type TestContext } from 'node:test'
import { SeededRandom } from '../../src/base/random.ts'
import { call } from '../amqp-0-9-1/login.ts'
import { encodeMethod, FRAME, frame } from '../amqp-0-9-1/raw-client.ts'
import { fuzzPlan, mutate, pick, randomBytes } from '../fuzz/mutation.ts'
import { HANDSHAKE, TALK } from './conversation.ts'
import { Siege } from './siege.ts'

const siege = Siege.forFile({ limits: { handshakeTime: '5s' } })

/** Conversations at the same time. */
const PARALLEL = 40
/** However a conversation goes, the server ends it when its client does. */
const END_MS = 30_000
const SLOWEST_MS = 10_000

/** What ends a conversation in order. */
const CLOSED = frame(FRAME.method, 0, encodeMethod('connection.close-ok', {}))

/** A changed conversation. */
type Change = (random: SeededRandom) => Buffer[]

/** Some frames changed, some left out, some twice. */
function changed(random: SeededRandom, frames: readonly Buffer[]): Buffer[] {
  const result: Buffer[] = []
  const rarity = pick(random, [4, 10, 40])
  for (const bytes of frames) {
    if (random.below(rarity) > 0) {
      result.push(bytes)
      continue
    }
    switch (random.below(6)) {
      case 0:
        break
      case 1:
        result.push(bytes, bytes)
        break
      case 2:
        // The frame is right, and what is in it is not.
        result.push(reframed(random, bytes))
        break
      case 3:
        result.push(pick(random, frames))
        break
      default:
        result.push(mutate(random, bytes))
    }
  }
  return result
}

/** A frame around a changed payload, so that the change is looked at. */
function reframed(random: SeededRandom, bytes: Buffer): Buffer {
  if (bytes.length < 8 || bytes[0] === 0x41) return mutate(random, bytes)
  const channel = random.below(8) === 0 ? random.below(4) : bytes.readUInt16BE(1)
  return frame(bytes[0] ?? FRAME.method, channel, mutate(random, bytes.subarray(7, -1)))
}

/** Sends it in pieces of any size, ends, and waits until the server has ended too. */
async function converse(random: SeededRandom, frames: readonly Buffer[]): Promise<void> {
  const bytes = Buffer.concat(frames)
  await new Promise<void>((resolve, reject) => {
    const socket = connect({ host: siege().server.host, port: siege().server.port, noDelay: true })
    const timer = setTimeout(() => reject(new Error('the server did not end the connection')), END_MS)
    socket.on('error', () => undefined)
    socket.on('close', () => {
      clearTimeout(timer)
      resolve()
    })
    socket.on('connect', () => {
      let at = 0
      for (let pieces = random.below(4); pieces > 0; pieces--) {
        const to = at + random.below(bytes.length - at + 1)
        socket.write(bytes.subarray(at, to))
        at = to
      }
      if (random.below(10) === 0) socket.resetAndDestroy()
      else socket.end(bytes.subarray(at))
    })
    socket.resume()
  })
}

async function hunt(t: TestContext, iterations: number, change: Change): Promise<void> {
  const plan = fuzzPlan(iterations)
  t.diagnostic(`seed ${plan.seed}, ${plan.iterations} conversations`)
  let next = 0
  const talk = async (): Promise<void> => {
    while (next < plan.iterations) {
      const seed = (plan.seed + next++) % 2 ** 31
      const random = new SeededRandom(seed)
      try {
        await converse(random, change(random))
        await siege().server.checkAlive()
      } catch (error) {
        const again = `WAYBILL_FUZZ_SEED=${plan.seed} WAYBILL_FUZZ_ITERATIONS=${plan.iterations}`
        throw new Error(`conversation ${seed} of at most ${PARALLEL} at a time failed; run them again with ${again}`, { cause: error })
      }
    }
  }
  await siege().withstand(async () => void (await Promise.all(Array.from({ length: PARALLEL }, talk))), {
    peakGrowthSizeBytes: 300 * 2 ** 20,
    growthSizeBytes: 200 * 2 ** 20,
    slowestMs: SLOWEST_MS,
  })
}

test('survives random bytes', async (t) => {
  await hunt(t, 500, (random) => [randomBytes(random, 2_000)])
})

test('survives changed handshakes', async (t) => {
  await hunt(t, 1_000, (random) => changed(random, [...HANDSHAKE, ...TALK.slice(0, 5)]))
})

test('survives changed conversations after login', async (t) => {
  await hunt(t, 2_500, (random) => [...HANDSHAKE, ...changed(random, TALK)])
})

test('starts again on what they left on its disk', async () => {
  await siege().restart()
  assert.match(siege().server.output, /^ready\b/m)
  const client = await siege().client()
  await call(client, 1, 'channel.open')
  const declared = await call(client, 1, 'queue.declare', { queue: 'fuzz-lasting', passive: true })
  const count = Number(declared.arguments['message-count'])
  assert.ok(count > 0, 'something was left')
  await call(client, 1, 'basic.consume', { queue: 'fuzz-lasting', 'no-ack': true })
  assert.ok(await client.until(() => client.arrivals.filter(({ name }) => name === 'basic.deliver').length === count, 20_000))
  client.destroy()
})

test('answers the unchanged conversation to its end', async () => {
  const answers = await new Promise<Buffer>((resolve, reject) => {
    const chunks: Buffer[] = []
    const socket = connect({ host: siege().server.host, port: siege().server.port })
    socket.on('error', reject)
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk)
      if (chunk.subarray(-CLOSED.length).equals(CLOSED)) socket.end()
    })
    socket.on('close', () => resolve(Buffer.concat(chunks)))
    socket.write(Buffer.concat([...HANDSHAKE, ...TALK]))
  })
  // Otherwise the changes above would be to something that ends early.
  assert.deepEqual(
    answers.subarray(-12),
    frame(FRAME.method, 0, encodeMethod('connection.close-ok', {})),
    answers.toString('latin1').slice(-300),
  )
})
