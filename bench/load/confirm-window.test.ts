import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfirmWindow } from './confirm-window.ts'

const windowOf = (limit: number, published: number): ConfirmWindow => {
  const window = new ConfirmWindow(limit)
  window.published = published
  return window
}

test('counts single confirms out of order once each', () => {
  const window = windowOf(10, 5)
  window.settle(3, false)
  window.settle(1, false)
  assert.equal(window.confirmed, 2)
  assert.equal(window.lowestOpen, 2)
  window.settle(2, false)
  assert.equal(window.lowestOpen, 4)
  assert.equal(window.free, 8)
})

test('a multiple confirm counts only what was still open', () => {
  const window = windowOf(10, 8)
  window.settle(5, false)
  window.settle(3, false)
  window.settle(7, true)
  assert.equal(window.confirmed, 7)
  assert.equal(window.lowestOpen, 8)
})

test('tag 0 with multiple confirms everything sent', () => {
  const window = windowOf(10, 8)
  window.settle(0, true)
  assert.equal(window.confirmed, 8)
  assert.equal(window.free, 10)
})

test('refuses a confirm that was given before or for what was never sent', () => {
  const window = windowOf(10, 3)
  window.settle(2, false)
  assert.throws(() => window.settle(2, false), /twice/)
  assert.throws(() => window.settle(4, false), /outside/)
  window.settle(3, true)
  assert.throws(() => window.settle(1, false), /outside/)
})

test('goes round the window many times without losing count', () => {
  const window = new ConfirmWindow(7)
  for (let turn = 0; turn < 1000; turn += 1) {
    window.published += window.free
    window.settle(window.published - 1, false)
    window.settle(window.published - 2, true)
    window.settle(window.published, true)
  }
  assert.equal(window.confirmed, 7000)
})
