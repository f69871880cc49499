import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeText, encodeText } from './text.ts'

const utf8Like = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc.string({ unit: 'binary', maxLength: 40 }).map((text) => Uint8Array.from(Buffer.from(text, 'utf8'))),
  fc
    .array(fc.constantFrom(0x41, 0xc3, 0xa9, 0xe2, 0x82, 0xac, 0xed, 0xa0, 0x80, 0xb2, 0xf0, 0x9f, 0x98, 0x80, 0xff, 0xef, 0xbb, 0xbf), {
      maxLength: 24,
    })
    .map((bytes) => Uint8Array.from(bytes)),
)

test('any bytes become text and the same bytes again', () => {
  fc.assert(
    fc.property(utf8Like, fc.nat(5), (bytes, before) => {
      const padded = Buffer.concat([Buffer.alloc(before, 0x80), bytes, Buffer.alloc(3, 0x80)])
      const text = decodeText(padded, before, before + bytes.length)
      assert.deepEqual(Uint8Array.from(encodeText(text)), Uint8Array.from(bytes))
    }),
    { numRuns: 2000 },
  )
})

test('valid UTF-8 is decoded as such, a byte order mark included', () => {
  for (const text of ['', 'orders', 'é', '\ufeffx', 'a long name that is not decoded by the loop', '😀 ünï ' + 'x'.repeat(300)]) {
    const bytes = Buffer.from(text, 'utf8')
    assert.equal(decodeText(bytes, 0, bytes.length), text)
  }
})

test('different bytes never become the same text', () => {
  fc.assert(
    fc.property(utf8Like, utf8Like, (a, b) => {
      fc.pre(Buffer.compare(a, b) !== 0)
      assert.notEqual(decodeText(a, 0, a.length), decodeText(b, 0, b.length))
    }),
  )
})

test('text that has no bytes of its own is replaced, as everywhere', () => {
  assert.deepEqual(encodeText('a\ud800b'), Buffer.from('a\ufffdb', 'utf8'))
})
