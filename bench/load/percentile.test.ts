import assert from 'node:assert/strict'
import { test } from 'node:test'
import { percentileOf } from './percentile.ts'

test('takes the nearest rank, and the ends at the ends', () => {
  const samples = Float64Array.from({ length: 100 }, (_, index) => index + 1)
  assert.equal(percentileOf(samples, 0), 1)
  assert.equal(percentileOf(samples, 0.5), 50)
  assert.equal(percentileOf(samples, 0.99), 99)
  assert.equal(percentileOf(samples, 1), 100)
  assert.equal(percentileOf(Float64Array.of(7), 0.99), 7)
  assert.ok(Number.isNaN(percentileOf(new Float64Array(0), 0.5)))
})
