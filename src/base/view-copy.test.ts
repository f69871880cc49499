import assert from 'node:assert/strict'
import { test } from 'node:test'
import { copyViewed, viewOf } from './view-copy.ts'

test('copies every size exactly and touches nothing around it', () => {
  const source = Buffer.from(Array.from({ length: 700 }, (_, i) => (i * 31 + 7) & 0xff))
  for (let length = 0; length <= 300; length++) {
    const target = Buffer.alloc(400, 0xee)
    copyViewed(target, viewOf(target), 5, source, viewOf(source), 3, length)
    assert.deepEqual(target.subarray(5, 5 + length), source.subarray(3, 3 + length))
    assert.ok(target.subarray(0, 5).every((byte) => byte === 0xee))
    assert.ok(target.subarray(5 + length).every((byte) => byte === 0xee))
  }
})

test('a view has the origin of its bytes', () => {
  const bytes = Buffer.alloc(64).subarray(10, 20)
  bytes[1] = 9
  assert.equal(viewOf(bytes).getUint8(1), 9)
  assert.equal(viewOf(bytes).byteLength, 10)
})
