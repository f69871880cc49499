import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { WaybillError } from '../../base/errors.ts'
import { FrameReader } from './frame-reader.ts'
import type { FrameHandler } from './frame-reader.ts'
import { FRAME_END, HEARTBEAT_FRAME, PROTOCOL_HEADER } from './grammar.ts'

const HEADER = Buffer.from(PROTOCOL_HEADER)

interface Frame {
  readonly type: number
  readonly channel: number
  readonly payload: Buffer
}

function encode(frame: Frame): Buffer {
  const bytes = Buffer.alloc(frame.payload.length + 8)
  bytes[0] = frame.type
  bytes.writeUInt16BE(frame.channel, 1)
  bytes.writeUInt32BE(frame.payload.length, 3)
  frame.payload.copy(bytes, 7)
  bytes[bytes.length - 1] = FRAME_END
  return bytes
}

/** Keeps copies of what it gets, and answers the greeting. */
class Recorder implements FrameHandler {
  readonly frames: Frame[] = []
  greetings: Buffer[] = []
  inPlaceCount = 0
  accepts = true
  chunk: Buffer | undefined
  onFrame: (() => void) | undefined

  greeting(bytes: Buffer): boolean {
    this.greetings.push(Buffer.from(bytes))
    return this.accepts && bytes.equals(HEADER)
  }

  frame(type: number, channel: number, buffer: Buffer, start: number, end: number): void {
    if (buffer === this.chunk) this.inPlaceCount++
    this.frames.push({ type, channel, payload: Buffer.from(buffer.subarray(start, end)) })
    this.onFrame?.()
  }

  push(reader: FrameReader, chunk: Buffer): void {
    this.chunk = chunk
    reader.push(chunk)
    // A chunk is borrowed: whoever kept it would see this.
    chunk.fill(0x55)
  }
}

const frames = fc.array(
  fc.oneof(
    fc.record(
      {
        type: fc.constantFrom(1, 2, 3),
        channel: fc.nat(65535),
        payload: fc
          .oneof(
            fc.uint8Array({ maxLength: 40 }),
            fc.integer({ min: 0, max: 4000 }).map((size) => new Uint8Array(size).fill(size)),
          )
          .map((bytes) => Buffer.from(bytes)),
      },
      { noNullPrototype: true },
    ),
    fc.constant({ type: 8, channel: 0, payload: Buffer.alloc(0) }),
  ),
  { maxLength: 12 },
)

/** Cuts bytes into chunks of the given sizes, in turn. */
function chunksOf(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = []
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length] as number
    chunks.push(Buffer.from(bytes.subarray(at, at + size)))
    at += size
  }
  return chunks
}

const sizes = fc.array(fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 5000 })), { minLength: 1, maxLength: 8 })

test('the same frames come out however the stream is cut into chunks', () => {
  fc.assert(
    fc.property(frames, sizes, (sent, cuts) => {
      const recorder = new Recorder()
      const reader = new FrameReader(recorder, 4096)
      for (const chunk of chunksOf(Buffer.concat([HEADER, ...sent.map(encode)]), cuts)) recorder.push(reader, chunk)
      assert.deepEqual(recorder.frames, sent)
      assert.equal(reader.gatheredSizeBytes, 0)
      assert.deepEqual(recorder.greetings, [HEADER])
    }),
    { numRuns: 500 },
  )
})

test('stopping anywhere hands over nothing more and loses nothing: resuming gives the rest in order', () => {
  fc.assert(
    fc.property(frames, sizes, fc.array(fc.boolean(), { minLength: 1, maxLength: 5 }), (sent, cuts, stops) => {
      const recorder = new Recorder()
      const reader = new FrameReader(recorder, 4096)
      let count = 0
      let stopped = false
      recorder.onFrame = () => {
        assert.ok(!stopped, 'nothing comes while stopped')
        stopped = stops[count++ % stops.length] === true
        if (stopped) reader.stop()
      }
      for (const chunk of chunksOf(Buffer.concat([HEADER, ...sent.map(encode)]), cuts)) recorder.push(reader, chunk)
      for (let i = 0; i <= sent.length; i++) {
        stopped = false
        reader.resume()
      }
      assert.deepEqual(recorder.frames, sent)
      assert.equal(reader.gatheredSizeBytes, 0)
    }),
    { numRuns: 500 },
  )
})

test('frames that lie whole in a chunk are not copied', () => {
  const recorder = new Recorder()
  const reader = new FrameReader(recorder, 4096)
  recorder.push(reader, Buffer.from(HEADER))
  const frame = encode({ type: 3, channel: 1, payload: Buffer.alloc(100) })
  recorder.push(reader, Buffer.concat([frame, frame, frame]))
  assert.equal(recorder.inPlaceCount, 3)
})

test('any bytes after the greeting are frames or a FRAME_ERROR, and nothing follows an error', () => {
  fc.assert(
    fc.property(frames, fc.array(fc.tuple(fc.nat(5000), fc.nat(255)), { maxLength: 3 }), sizes, (sent, changes, cuts) => {
      const recorder = new Recorder()
      const reader = new FrameReader(recorder, 4096)
      reader.push(Buffer.from(HEADER))
      const bytes = Buffer.concat(sent.map(encode))
      for (const [at, value] of changes) if (bytes.length > 0) bytes[at % bytes.length] = value
      let failedAt = -1
      for (const chunk of chunksOf(bytes, cuts)) {
        try {
          recorder.push(reader, chunk)
        } catch (error) {
          assert.ok(error instanceof WaybillError && error.code === 'FRAME_ERROR', String(error))
          assert.equal(failedAt, -1, 'an error comes once')
          failedAt = recorder.frames.length
        }
        assert.ok(reader.gatheredSizeBytes <= 4096 + 8)
      }
      if (failedAt !== -1) {
        assert.ok(reader.failed)
        assert.equal(recorder.frames.length, failedAt)
        assert.equal(reader.gatheredSizeBytes, 0)
      }
    }),
    { numRuns: 1000 },
  )
})

test('a frame over the limit is refused as soon as its head is there, and nothing of it is kept', () => {
  for (const sizeHex of ['00001001', '7fffffff', '80000000', 'ffffffff']) {
    const reader = new FrameReader(new Recorder(), 4096)
    reader.push(Buffer.from(HEADER))
    assert.throws(() => reader.push(Buffer.from(`030001${sizeHex}00`, 'hex')), { code: 'FRAME_ERROR' })
    assert.equal(reader.gatheredSizeBytes, 0)
  }
  const bytewise = new FrameReader(new Recorder(), 4096)
  bytewise.push(Buffer.from(HEADER))
  const head = Buffer.from('0300017fffffff', 'hex')
  assert.throws(() => {
    for (const byte of head) bytewise.push(Buffer.of(byte))
    bytewise.push(Buffer.of(0))
  }, { code: 'FRAME_ERROR' }) // prettier-ignore
})

test('memory follows the bytes that came, not a declared size', () => {
  const reader = new FrameReader(new Recorder(), 128 * 1024)
  reader.push(Buffer.from(HEADER))
  const before = process.memoryUsage().arrayBuffers
  const readers = Array.from({ length: 500 }, () => {
    const each = new FrameReader(new Recorder(), 128 * 1024)
    each.push(Buffer.from(HEADER))
    each.push(Buffer.from('03000100020000' + '00'.repeat(20), 'hex'))
    return each
  })
  const used = process.memoryUsage().arrayBuffers - before
  assert.ok(used < 500 * 8 * 1024, `${used} bytes for ${readers.length} readers`)
})

test('a limit raised by the handler holds from the next frame on', () => {
  const recorder = new Recorder()
  const reader = new FrameReader(recorder, 100)
  recorder.onFrame = () => (reader.payloadSizeBytesMax = 1000)
  const small = encode({ type: 1, channel: 0, payload: Buffer.alloc(100) })
  const large = encode({ type: 1, channel: 0, payload: Buffer.alloc(1000) })
  reader.push(Buffer.concat([HEADER, small, large]))
  assert.equal(recorder.frames.length, 2)
})

test('frames with a wrong end, an unknown type or a heartbeat with a payload are FRAME_ERRORs', () => {
  const cases = [
    '01000000000001' + '00' + 'cd',
    '00000000000000ce',
    '04000000000000ce',
    '07000000000000ce',
    '09000000000000ce',
    '08000000000001' + '00' + 'ce',
  ]
  for (const hex of cases) {
    const reader = new FrameReader(new Recorder(), 4096)
    reader.push(Buffer.from(HEADER))
    assert.throws(() => reader.push(Buffer.from(hex, 'hex')), { code: 'FRAME_ERROR' }, hex)
    reader.push(Buffer.from(HEARTBEAT_FRAME))
  }
})

test('a greeting that cannot become a protocol header is refused at its first wrong byte, whole headers after eight', () => {
  const refused = (text: string, expected: string): void => {
    const recorder = new Recorder()
    const reader = new FrameReader(recorder, 4096)
    for (const byte of Buffer.from(text, 'latin1')) reader.push(Buffer.of(byte))
    assert.deepEqual(
      recorder.greetings.map((bytes) => bytes.toString('latin1')),
      [expected],
    )
    assert.ok(reader.failed)
    assert.deepEqual(recorder.frames, [])
  }
  refused('GET / HTTP/1.1\r\n\r\n', 'G')
  refused('AMQX\0\0\x09\x01', 'AMQX')
  refused('AMQP\x00\x01\x00\x00rest', 'AMQP\x00\x01\x00\x00')
  refused('AMQP\x03\x01\x00\x00', 'AMQP\x03\x01\x00\x00')
})

test('an exception in the handler comes out and ends the reader', () => {
  const recorder = new Recorder()
  const reader = new FrameReader(recorder, 4096)
  recorder.onFrame = () => {
    throw new Error('handler')
  }
  assert.throws(() => reader.push(Buffer.concat([HEADER, HEARTBEAT_FRAME, HEARTBEAT_FRAME])), /handler/)
  assert.ok(reader.failed)
  assert.equal(recorder.frames.length, 1)
})

test('an idle reader gives its memory back', () => {
  const recorder = new Recorder()
  const reader = new FrameReader(recorder, 100_000)
  const frame = encode({ type: 3, channel: 1, payload: Buffer.alloc(50_000, 7) })
  reader.push(Buffer.concat([HEADER, frame.subarray(0, 30_000)]))
  reader.trim()
  assert.equal(reader.gatheredSizeBytes, 30_000)
  reader.push(Buffer.from(frame.subarray(30_000)))
  reader.trim()
  reader.push(Buffer.from(frame.subarray(0, 20)))
  reader.push(Buffer.from(frame.subarray(20)))
  assert.equal(recorder.frames.length, 2)
  assert.ok(recorder.frames.every((each) => each.payload.every((byte) => byte === 7)))
})

test('a frame that may not come is refused when its head is there, before anything else of it', () => {
  const reader = new FrameReader(new Recorder(), 4096)
  reader.push(Buffer.from(HEADER))
  assert.throws(() => reader.push(Buffer.from('01000000001001', 'hex')), WaybillError)
  assert.equal(reader.gatheredSizeBytes, 0)
})
