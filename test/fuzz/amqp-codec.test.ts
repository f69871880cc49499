import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SeededRandom } from '../../src/base/random.ts'
import { WaybillError } from '../../src/base/errors.ts'
import { LIMITS } from '../../src/base/limits.ts'
import { AMQP_FORM } from '../../src/message/amqp-form.ts'
import { decodeAmqpProperties, encodeAmqpProperties, patchAmqpProperties, scanAmqpProperties } from '../../src/message/amqp-properties.ts'
import { MessageFacets } from '../../src/message/facets.ts'
import { decodeTable, encodeTable } from '../../src/message/field-table.ts'
import { field } from '../../src/message/field.ts'
import type { Encodable } from '../../src/message/field.ts'
import { ContentWriter } from '../../src/protocols/amqp-0-9-1/deliveries.ts'
import { FrameReader } from '../../src/protocols/amqp-0-9-1/frame-reader.ts'
import { FRAME, HEARTBEAT_FRAME, METHOD, PROTOCOL_HEADER } from '../../src/protocols/amqp-0-9-1/grammar.ts'
import { METHODS } from '../../src/protocols/amqp-0-9-1/method-table.ts'
import type { MethodName, MethodRow } from '../../src/protocols/amqp-0-9-1/method-table.ts'
import { decodeMethod, encodeMethodFrame, methodIdAt } from '../../src/protocols/amqp-0-9-1/methods.ts'
import type { MethodInput } from '../../src/protocols/amqp-0-9-1/methods.ts'
import { ContentHeader, PublishArguments, readContentHeader, readPublish } from '../../src/protocols/amqp-0-9-1/publishing.ts'
import { readSettlement, Settlement } from '../../src/protocols/amqp-0-9-1/settlements.ts'
import { fuzz, fuzzPlan, mutate, pick, randomBytes } from './mutation.ts'

const CODES = new Set(['FRAME_ERROR', 'SYNTAX_ERROR', 'COMMAND_INVALID'])

/** Runs `attempt`; only errors that a peer's bytes may cause are allowed out. @returns whether it succeeded */
function refusable(attempt: () => void): boolean {
  try {
    attempt()
    return true
  } catch (error) {
    if (error instanceof WaybillError && CODES.has(error.code)) return false
    throw error
  }
}

const NAMES = Object.keys(METHODS) as MethodName[]

function randomValue(random: SeededRandom, depth: number): Encodable {
  switch (random.below(depth > 4 ? 8 : 10)) {
    case 0:
      return random.below(2) === 0
    case 1:
      return random.uint32() | 0
    case 2:
      return random.fraction()
    case 3:
      return random.uint32() * 2 ** 20
    case 4:
      return 'text '.repeat(random.below(8))
    case 5:
      return random.bytes(random.below(12))
    case 6:
      return field(pick(random, ['b', 's', 'I', 'l', 'L'] as const), random.below(100))
    case 7:
      return null
    case 8:
      return Array.from({ length: random.below(4) }, () => randomValue(random, depth + 1))
    default:
      return randomTable(random, depth + 1)
  }
}

function randomTable(random: SeededRandom, depth = 0): Map<string, Encodable> {
  const table = new Map<string, Encodable>()
  for (let i = random.below(5); i > 0; i--)
    table.set(pick(random, ['CC', 'BCC', 'x-delay', 'x-death', '__proto__', `k${i}`]), randomValue(random, depth))
  return table
}

function randomArgument(random: SeededRandom, kind: string): unknown {
  switch (kind) {
    case 'bit':
      return random.below(2) === 0
    case 'octet':
    case 'short':
      return random.below(256)
    case 'long':
    case 'longlong':
      return random.uint32()
    case 'longstr':
      return random.bytes(random.below(40))
    case 'table':
      return randomTable(random)
    default:
      return pick(random, ['', 'queue', 'amq.topic', 'PLAIN', 'é'.repeat(random.below(20))])
  }
}

function methodFrame(random: SeededRandom): Buffer {
  const name = pick(random, NAMES)
  const row: MethodRow = METHODS[name]
  const input: Record<string, unknown> = {}
  for (const [argument, kind] of Object.entries(row.fields)) input[argument] = randomArgument(random, kind)
  return encodeMethodFrame(random.below(4), name, input as unknown as MethodInput<MethodName>)
}

function randomProperties(random: SeededRandom): Buffer {
  const text = (): string => pick(random, ['', 'a', '60000', 'guest', 'é'.repeat(random.below(30))])
  const all = { contentType: text(), headers: randomTable(random), deliveryMode: random.below(4), priority: random.below(256) }
  const more = { correlationId: text(), replyTo: text(), expiration: text(), messageId: text(), timestamp: random.uint32(), userId: text() }
  const chosen = Object.entries({ ...all, ...more }).filter(() => random.below(2) === 0)
  return encodeAmqpProperties(Object.fromEntries(chosen))
}

/** A whole publish: method, header and body frames. */
function publishFrames(random: SeededRandom): Buffer {
  const address = Buffer.from('\x06orders\x01k', 'latin1')
  const properties = randomProperties(random)
  const body = randomBytes(random, random.below(4) === 0 ? 9000 : 200)
  const buffer = Buffer.concat([address, properties, body])
  const bodyStart = address.length + properties.length
  const source = { buffer, addressStart: 0, propertiesStart: address.length, bodyStart, bodyEnd: buffer.length }
  const writer = new ContentWriter(4096)
  const target = Buffer.alloc(writer.publishSizeBytes(source))
  writer.writePublish(target, 0, 1 + random.below(3), random.below(2) === 0, source)
  return target
}

function stream(random: SeededRandom): Buffer {
  const parts: Buffer[] = []
  for (let i = random.below(6); i >= 0; i--)
    parts.push(pick(random, [methodFrame, publishFrames, () => Buffer.from(HEARTBEAT_FRAME), () => randomBytes(random, 30)])(random))
  return Buffer.concat(parts)
}

/** Reads everything that a peer can send, the fast way and the plain way, which must agree. */
class Reading {
  frames = 0
  readonly #publish = new PublishArguments()
  readonly #settlement = new Settlement()
  readonly #header = new ContentHeader()
  readonly #facets = new MessageFacets()

  greeting(): boolean {
    return true
  }

  frame(type: number, _channel: number, buffer: Buffer, start: number, end: number): void {
    this.frames++
    assert.ok(end - start <= LIMITS.frameSizeBytesMin)
    if (type === FRAME.method) this.#method(buffer, start, end)
    else if (type === FRAME.header) this.#contentHeader(buffer, start, end)
  }

  #method(buffer: Buffer, start: number, end: number): void {
    const decoded = this.#decodes(buffer, start, end)
    if (end - start < 4 || decoded === undefined) return
    const id = methodIdAt(buffer, start, end)
    if (id === METHOD.basicPublish) assert.equal(refusable(() => readPublish(buffer, start, end, this.#publish)), decoded) // prettier-ignore
    if (id === METHOD.basicAck || id === METHOD.basicNack || id === METHOD.basicReject)
      assert.equal(refusable(() => readSettlement(buffer, start, end, this.#settlement)), decoded) // prettier-ignore
  }

  /** Whether decoding accepts the method; undefined when a name is not UTF-8, which the fast paths leave to the session. */
  #decodes(buffer: Buffer, start: number, end: number): boolean | undefined {
    let malformedText = false
    const decoded = refusable(() => {
      try {
        decodeMethod(buffer, start, end)
      } catch (error) {
        malformedText = error instanceof WaybillError && error.message.includes('UTF-8')
        throw error
      }
    })
    return malformedText ? undefined : decoded
  }

  #contentHeader(buffer: Buffer, start: number, end: number): void {
    const header = this.#header
    if (!refusable(() => readContentHeader(buffer, start, end, header))) return
    this.checkProperties(buffer, header.propertiesStart, header.propertiesEnd)
  }

  checkProperties(buffer: Buffer, start: number, end: number): void {
    const facets = this.#facets
    const scanned = refusable(() => scanAmqpProperties(buffer, start, end, facets))
    assert.equal(refusable(() => decodeAmqpProperties(buffer, start, end)), scanned) // prettier-ignore
    if (!scanned) return
    assert.deepEqual(encodeAmqpProperties(decodeAmqpProperties(buffer, start, end)), Buffer.from(buffer.subarray(start, end)))
    assert.deepEqual(patchAmqpProperties(buffer, start, end, {}), Buffer.from(buffer.subarray(start, end)))
    const patched = patchAmqpProperties(buffer, start, end, { removeExpiration: true, headers: new Map([['x-delivery-count', 1n]]) })
    assert.ok(AMQP_FORM.decode(patched, 0, patched.length).headers.get('x-delivery-count') === 1)
    const at = AMQP_FORM.findHeader(buffer, facets, Buffer.from('CC'))
    assert.equal(at, facets.ccOffset)
    if (at >= 0) AMQP_FORM.headerValue(buffer, facets, at)
  }
}

/** Pushes `bytes` in chunks of random sizes. */
function push(random: SeededRandom, reader: FrameReader, bytes: Buffer): void {
  for (let at = 0; at < bytes.length;) {
    const size = random.below(3) === 0 ? 1 + random.below(12) : 1 + random.below(5000)
    refusable(() => reader.push(Buffer.from(bytes.subarray(at, at + size))))
    at += size
    assert.ok(reader.gatheredSizeBytes <= LIMITS.frameSizeBytesMin + 8)
  }
}

test('any stream of bytes is read or refused with a coded error, in bounded memory', (context) => {
  const plan = fuzzPlan(15_000)
  context.diagnostic(`seed ${plan.seed}`)
  let frames = 0
  fuzz(plan, (random) => {
    const reading = new Reading()
    const reader = new FrameReader(reading, LIMITS.frameSizeBytesMin)
    reader.push(Buffer.from(PROTOCOL_HEADER))
    const valid = stream(random)
    push(random, reader, random.below(5) === 0 ? valid : mutate(random, valid))
    frames += reading.frames
  })
  if (plan.iterations >= 1000) assert.ok(frames > plan.iterations, `${frames} frames came through: the streams are still mostly valid`)
})

test('any first bytes are a greeting or refused, whatever follows', (context) => {
  const plan = fuzzPlan(5_000)
  context.diagnostic(`seed ${plan.seed}`)
  fuzz(plan, (random) => {
    let greetings = 0
    const handler = { greeting: (bytes: Buffer): boolean => (greetings++, bytes.equals(PROTOCOL_HEADER)), frame: (): void => undefined }
    const reader = new FrameReader(handler, LIMITS.frameSizeBytesMin)
    const first = Buffer.concat([Buffer.from(PROTOCOL_HEADER), Buffer.from(HEARTBEAT_FRAME)])
    push(random, reader, random.below(4) === 0 ? randomBytes(random, 64) : mutate(random, first))
    assert.ok(greetings <= 1)
  })
})

test('any bytes are properties or refused, and every way of reading them agrees', (context) => {
  const plan = fuzzPlan(15_000)
  context.diagnostic(`seed ${plan.seed}`)
  const reading = new Reading()
  fuzz(plan, (random) => {
    const bytes = random.below(6) === 0 ? randomBytes(random, 80) : mutate(random, randomProperties(random))
    reading.checkProperties(bytes, 0, bytes.length)
  })
})

test('any bytes are a table or refused; a table that was read encodes to the same bytes', (context) => {
  const plan = fuzzPlan(15_000)
  context.diagnostic(`seed ${plan.seed}`)
  let accepted = 0
  fuzz(plan, (random) => {
    const bytes = mutate(random, encodeTable(randomTable(random)))
    const ok = refusable(() => {
      assert.deepEqual(encodeTable(decodeTable(bytes)), bytes)
    })
    if (ok) accepted++
  })
  if (plan.iterations >= 1000) assert.ok(accepted > plan.iterations / 50, `${accepted} of ${plan.iterations} were tables`)
})
