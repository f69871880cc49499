import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AssertionFailure } from '../base/assert.ts'
import { WaybillError } from '../base/errors.ts'
import { SegmentTable } from './segment-table.ts'

const SIZE = 64 * 1024

function table(count: number): { table: SegmentTable; died: number[] } {
  const died: number[] = []
  const segments = new SegmentTable(SIZE, (number) => died.push(number))
  for (let number = 0; number < count; number++) segments.add(number)
  segments.recovering = false
  return { table: segments, died }
}

/** A commit that becomes durable at once. */
function commit(segments: SegmentTable): void {
  segments.settle(segments.takeEmptied() ?? [])
}

test('a segment dies when nothing refers to it and a checkpoint covers it, whichever comes last', () => {
  const { table: segments, died } = table(3)
  segments.retain(100)
  segments.retain(SIZE + 100)
  segments.cover(2)
  assert.deepEqual(died, [])
  segments.release(100)
  commit(segments)
  assert.deepEqual(died, [0])
  segments.retain(2 * SIZE + 8)
  segments.release(2 * SIZE + 8)
  commit(segments)
  assert.deepEqual(died, [0])
  segments.cover(3)
  assert.deepEqual(died, [0, 2])
})

test('a segment outlives its last reference until the commit that removed it is durable', () => {
  const { table: segments, died } = table(2)
  segments.retain(8)
  segments.release(8)
  const first = segments.takeEmptied()
  segments.cover(1)
  assert.deepEqual(died, [], 'the commit is under way')
  // Referred to again and released again by something in the next commit.
  segments.retain(8)
  segments.release(8)
  segments.settle(first ?? [])
  assert.deepEqual(died, [], 'the second release is in a commit that was not cut yet')
  commit(segments)
  assert.deepEqual(died, [0])
})

test('a reference is released once', () => {
  const { table: segments } = table(1)
  segments.retain(8)
  segments.release(8)
  assert.throws(() => segments.release(8), AssertionFailure)
})

test('a reference into a segment that is missing is damage while the owner recovers, a bug afterwards', () => {
  const { table: segments } = table(1)
  segments.recovering = true
  assert.throws(
    () => segments.retain(5 * SIZE),
    (error: unknown) => error instanceof WaybillError && error.code === 'STORAGE_DAMAGED',
  )
  segments.recovering = false
  assert.throws(() => segments.retain(5 * SIZE), AssertionFailure)
})

test('the victim is the covered segment of the lowest live share', () => {
  const { table: segments } = table(4)
  const fill = (number: number, left: number): void => {
    for (let i = 0; i < 10; i++) {
      const segment = segments.retain(number * SIZE + i * 800)
      segment.firstReferenceCount++
      segment.referencedSizeBytes += 6000
    }
    for (let i = left; i < 10; i++) segments.release(number * SIZE + i * 800)
  }
  fill(0, 8)
  fill(1, 3)
  fill(2, 1)
  fill(3, 1)
  assert.equal(segments.victim(0.5), undefined, 'nothing is covered')
  segments.cover(3)
  assert.deepEqual(segments.victim(0.5), { start: 2 * SIZE, end: 3 * SIZE })
  assert.equal(segments.liveSizeBytes, (8 + 3 + 1 + 1) * 6000)
})

test('what nothing refers to is known within a segment', () => {
  const { table: segments } = table(2)
  segments.retain(40 * 1024)
  assert.equal(segments.isUnreferenced(0, 16 * 1024), true)
  assert.equal(segments.isUnreferenced(0, 48 * 1024), false)
  assert.equal(segments.isUnreferenced(SIZE, SIZE + 1024), true)
})
