import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { checksum } from './checksum.ts'
import {
  allocateMemory,
  COMMIT_HEAD_SIZE,
  CommitHead,
  firstInvalidRecord,
  RECORD_HEAD_SIZE,
  recordSize,
  saltOf,
  segmentSeed,
} from './record.ts'
import type { Memory, Salt } from './record.ts'

const SEGMENT_SIZE = 64 * 1024
const SECTOR_SIZE = 512

/** Writes a commit part as the journal does. @returns its size */
function writePart(memory: Memory, salt: Salt, position: number, sequence: number, payloads: readonly Uint8Array[]): number {
  const seed = segmentSeed(salt, Math.floor(position / SEGMENT_SIZE))
  let at = COMMIT_HEAD_SIZE
  for (const payload of payloads) {
    memory.buffer.fill(0, at, at + recordSize(payload.length))
    memory.view.setInt32(at + 4, payload.length, true)
    memory.view.setInt32(at + 8, 1, true)
    memory.buffer.set(payload, at + RECORD_HEAD_SIZE)
    memory.view.setInt32(at, checksum(memory.words, memory.buffer, at + 4, at + RECORD_HEAD_SIZE + payload.length, seed), true)
    at += recordSize(payload.length)
  }
  const head = new CommitHead()
  Object.assign(head, { position, sequence, sizeBytes: at, recordCount: payloads.length, continues: false })
  head.write(memory, 0, salt)
  return at
}

function isWhole(memory: Memory, salt: Salt, position: number): boolean {
  const head = new CommitHead()
  if (!head.read(memory, 0, salt, position) || head.sizeBytes > memory.buffer.length) return false
  return firstInvalidRecord(memory, 0, head, segmentSeed(salt, Math.floor(position / SEGMENT_SIZE))) < 0
}

const salts = fc.uint8Array({ minLength: 8, maxLength: 8 }).map(saltOf)
const payloads = fc.array(fc.uint8Array({ maxLength: 700 }), { minLength: 1, maxLength: 12 })

test('a commit part that was written is whole, at its own position only', () => {
  fc.assert(
    fc.property(salts, payloads, fc.nat(1000), (salt, contents, segment) => {
      const memory = allocateMemory(16 * 1024)
      memory.buffer.fill(0)
      const position = segment * SEGMENT_SIZE + 64
      writePart(memory, salt, position, 7, contents)
      assert.equal(isWhole(memory, salt, position), true)
      assert.equal(isWhole(memory, salt, position + SEGMENT_SIZE), false)
      assert.equal(isWhole(memory, { low: salt.low ^ 1, high: salt.high }, position), false)
    }),
  )
})

test('a part over the former life of a recycled segment is whole only when every sector of it arrived', () => {
  fc.assert(
    fc.property(
      salts,
      payloads,
      fc.nat(1000),
      fc.integer({ min: 1, max: 1000 }),
      fc.array(fc.boolean()),
      (salt, contents, segment, later, arrived) => {
        // The same payloads at the same offsets in a former life: only position, sequence number and seed differ.
        const old = allocateMemory(16 * 1024)
        old.buffer.fill(0)
        writePart(old, salt, segment * SEGMENT_SIZE, 7, contents)
        const fresh = allocateMemory(16 * 1024)
        fresh.buffer.fill(0)
        const position = (segment + later) * SEGMENT_SIZE
        const sizeBytes = writePart(fresh, salt, position, 9, contents)
        const disk = allocateMemory(16 * 1024)
        old.buffer.copy(disk.buffer)
        for (let sector = 0; sector * SECTOR_SIZE < sizeBytes; sector++) {
          if (arrived[sector] !== false)
            fresh.buffer.copy(disk.buffer, sector * SECTOR_SIZE, sector * SECTOR_SIZE, (sector + 1) * SECTOR_SIZE)
        }
        assert.equal(isWhole(disk, salt, position), disk.buffer.subarray(0, sizeBytes).equals(fresh.buffer.subarray(0, sizeBytes)))
      },
    ),
    { numRuns: 500 },
  )
})

test('a flipped bit anywhere in a part is noticed, but for the padding and the unused bytes of the head', () => {
  fc.assert(
    fc.property(salts, payloads, fc.nat(), fc.nat(7), (salt, contents, where, bit) => {
      const memory = allocateMemory(16 * 1024)
      memory.buffer.fill(0)
      const sizeBytes = writePart(memory, salt, SEGMENT_SIZE, 7, contents)
      const at = where % sizeBytes
      memory.buffer[at] = (memory.buffer[at] as number) ^ (1 << bit)
      let offset = COMMIT_HEAD_SIZE
      const isPadding = contents.some((payload) => {
        const payloadEnd = offset + RECORD_HEAD_SIZE + payload.length
        offset += recordSize(payload.length)
        return at >= payloadEnd && at < offset
      })
      if (!isPadding) assert.equal(isWhole(memory, salt, SEGMENT_SIZE), false)
    }),
    { numRuns: 500 },
  )
})

test('any bytes are looked at without a crash', () => {
  fc.assert(
    fc.property(salts, fc.uint8Array({ minLength: 512, maxLength: 2048 }), (salt, bytes) => {
      const memory = allocateMemory(bytes.length)
      memory.buffer.fill(0)
      memory.buffer.set(bytes)
      isWhole(memory, salt, 0)
      const head = new CommitHead()
      Object.assign(head, { sizeBytes: 512, recordCount: 1 })
      firstInvalidRecord(memory, 0, head, 0)
    }),
  )
})
