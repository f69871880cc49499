import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { checksum, checksumShort } from './checksum.ts'

test('both ways to compute a checksum agree with zlib for any bytes, start and seed', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 700 }), fc.nat(20), fc.integer(), (content, startWord, seed) => {
      const start = startWord * 4
      const memory = new ArrayBuffer((start + content.length + 11) & ~3)
      const bytes = Buffer.from(memory)
      bytes.set(content, start)
      const words = new Int32Array(memory)
      const expected = crc32(content, seed >>> 0) | 0
      assert.equal(checksum(words, bytes, start, start + content.length, seed), expected)
      assert.equal(checksumShort(words, bytes, start, start + content.length, seed), expected)
    }),
    { numRuns: 2000 },
  )
})

test('two seeds never give the same checksum for the same bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), fc.integer(), fc.integer(), (content, seed, other) => {
      fc.pre(seed !== other)
      assert.notEqual(crc32(content, seed >>> 0), crc32(content, other >>> 0))
    }),
  )
})
