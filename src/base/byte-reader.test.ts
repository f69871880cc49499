import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ByteReader } from './byte-reader.ts'
import { ByteWriter } from './byte-writer.ts'
import { WaybillError } from './errors.ts'

test('what the writer wrote, the reader reads', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 255 }),
      fc.integer({ min: 0, max: 65535 }),
      fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      fc.oneof(fc.maxSafeNat(), fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n - 1n })),
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      fc.double(),
      fc.string({ unit: 'binary', maxLength: 300 }),
      fc.uint8Array({ maxLength: 600 }),
      (octet, short, long, unsigned, signed, double, text, raw) => {
        const writer = new ByteWriter(8)
        const sizeAt = writer.skip(4)
        writer.uint8(octet)
        writer.uint16(short)
        writer.uint32(long)
        writer.uint64(unsigned)
        writer.int64(signed)
        writer.float64(double)
        const textSize = writer.text(text)
        writer.raw(raw)
        writer.setUint32(sizeAt, writer.length)
        const reader = new ByteReader(writer.copy())
        assert.equal(reader.uint32(), writer.length)
        assert.equal(reader.uint8(), octet)
        assert.equal(reader.uint16(), short)
        assert.equal(reader.uint32(), long)
        assert.equal(reader.uint64(), unsigned)
        assert.equal(BigInt(reader.int64()), signed)
        assert.ok(Object.is(reader.float64(), double))
        assert.equal(reader.text(textSize), text)
        assert.deepEqual(Uint8Array.from(reader.copy(raw.length)), raw)
        assert.equal(reader.remaining, 0)
      },
    ),
  )
})

test('reading past the end is a coded error, for every value', () => {
  const reads: ((reader: ByteReader) => unknown)[] = [
    (reader) => reader.uint8(),
    (reader) => reader.int8(),
    (reader) => reader.uint16(),
    (reader) => reader.int16(),
    (reader) => reader.uint32(),
    (reader) => reader.int32(),
    (reader) => reader.uint64(),
    (reader) => reader.int64(),
    (reader) => reader.float32(),
    (reader) => reader.float64(),
    (reader) => reader.text(2),
    (reader) => reader.copy(2 ** 32 - 1),
  ]
  for (const read of reads) {
    const reader = new ByteReader(new Uint8Array(16), 4, 4)
    assert.throws(
      () => read(reader),
      (error) => error instanceof WaybillError && error.code === 'SYNTAX_ERROR',
    )
  }
})
