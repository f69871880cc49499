import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nearest } from './suggestion.ts'

test('the nearest word is suggested, and none when none is near', () => {
  const known = ['listeners', 'limits', 'log', 'memory', 'messageSize']
  assert.equal(nearest('listners', known), 'listeners')
  assert.equal(nearest('limtis', known), 'limits')
  assert.equal(nearest('messagesize', known), 'messageSize')
  assert.equal(nearest('lgo', known), 'log')
  assert.equal(nearest('persistence', known), undefined)
  assert.equal(nearest('x'.repeat(10_000), known), undefined)
})
