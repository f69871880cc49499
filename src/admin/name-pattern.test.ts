import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { matchesPattern } from './name-pattern.ts'

test('a pattern matches the whole name, and only * and ? are special', () => {
  const cases: [string, string, boolean][] = [
    ['*', '', true],
    ['*', 'anything', true],
    ['', '', true],
    ['', 'a', false],
    ['orders.*', 'orders.created', true],
    ['orders.*', 'ordersXcreated', false],
    ['orders', 'orders.created', false],
    ['*.created', 'orders.created', true],
    ['*.created', 'orders.created.late', false],
    ['o?ders', 'orders', true],
    ['o?ders', 'oders', false],
    ['a*b*c', 'axxbyyc', true],
    ['a*b*c', 'axxbyy', false],
    ['.+', 'abc', false],
    ['a**b', 'ab', true],
  ]
  for (const [pattern, name, expected] of cases) assert.equal(matchesPattern(pattern, name), expected, `${pattern} ~ ${name}`)
})

test('a pattern answers as the regular expression of the same meaning does', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '.'), maxLength: 8 })
  const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '.', '*', '?'), maxLength: 6 })
  fc.assert(
    fc.property(pattern, text, (glob, name) => {
      const expression = new RegExp(`^${glob.replaceAll('.', '\\.').replaceAll('*', '.*').replaceAll('?', '.')}$`)
      return matchesPattern(glob, name) === expression.test(name)
    }),
    { numRuns: 2_000 },
  )
})

test('consecutive wildcards cost no more than length times length', () => {
  const start = performance.now()
  assert.equal(matchesPattern('*a'.repeat(100) + 'b', 'a'.repeat(255)), false)
  assert.ok(performance.now() - start < 1_000)
})
