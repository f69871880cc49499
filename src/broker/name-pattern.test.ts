import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { LIMITS } from '../base/limits.ts'
import { NamePattern } from './name-pattern.ts'

describe('NamePattern', () => {
  const cases: [pattern: string, matching: string[], other: string[]][] = [
    ['', ['', 'a'], []],
    ['.*', ['', 'a', 'x.y'], []],
    ['^orders\\.', ['orders.eu', 'orders.'], ['orders', 'my.orders.eu', 'ordersx']],
    ['orders', ['my.orders.eu'], ['order']],
    ['^(?!amq\\.).*', ['a', '', 'xamq.'], ['amq.', 'amq.gen-1']],
    ['^(?!amq\\.)(?!tmp-)(?=.*-eu$)', ['a-eu'], ['amq.-eu', 'tmp-eu', 'a-us']],
    ['^(a|b)+$', ['a', 'abba'], ['', 'abc']],
    ['^a{2,3}$', ['aa', 'aaa'], ['a', 'aaaa']],
    ['^a{2}$|^b{2,}?$', ['aa', 'bbb'], ['a', 'b']],
    ['^a{,2}$', ['a{,2}'], ['a']],
    ['^[a-c_.-]+$', ['abc_.-'], ['d', '']],
    ['^[^0-9]$', ['a', '-'], ['5', 'ab']],
    ['^[]x]$', [']', 'x'], ['y']],
    ['^[\\d\\]]+$', ['1]2'], ['a']],
    ['^\\w+\\s\\D\\x41\\*$', ['ab xA*'], ['ab 1A*']],
    ['\\Aabc\\z', ['abc'], ['abcd']],
    ['(?i)^ORDERS[x-z]$', ['ordersX', 'OrdErsy'], ['ordersa']],
    ['(?i)^[^x]$', ['a'], ['X', 'x']],
    ['^(?:a|ab)(?:c|bcd)$', ['ac', 'abc', 'abcd', 'abbcd'], ['ab']],
    ['^(a*)*$', ['', 'aaa'], ['b']],
    ['^(|a)b$', ['b', 'ab'], ['aab']],
    ['a$', ['ba'], ['ab']],
    ['é|日本', ['café', '日本語'], ['cafe']],
    ['glob:orders.*', ['orders.', 'orders.eu.de'], ['orders', 'my.orders.eu']],
    ['glob:a?c[1]', ['abc[1]'], ['ac[1]', 'abc1']],
    ['glob:*', ['', 'anything'], []],
    ['glob:', [''], ['a']],
  ]
  for (const [text, matching, other] of cases) {
    it(`matches ${text || '(nothing)'} with what it stands for and nothing else`, () => {
      const pattern = new NamePattern(text)
      for (const name of matching) assert.equal(pattern.matches(name), true, name)
      for (const name of other) assert.equal(pattern.matches(name), false, name)
    })
  }

  const refused = [
    '(',
    ')',
    'a)',
    '[',
    '[a',
    '*',
    'a**',
    'a*+',
    '(a)\\1',
    '\\b',
    '(?<name>a)',
    'a(?=b)',
    '(?<!a)b',
    '\\',
    '[z-a]',
    '[[:alpha:]]',
    'a{3,2}',
    'a{1001}',
    '\\x4',
  ]
  for (const text of refused) {
    it(`refuses ${text} and says where`, () => {
      assert.throws(() => new NamePattern(text), { code: 'PRECONDITION_FAILED', message: /at character \d+/ })
    })
  }

  it('refuses patterns that are too long, or too large when their repetitions are written out', () => {
    const large = ['a'.repeat(LIMITS.policyPatternSizeMax + 1), '((a{100}){100}){100}', '((((){1000}){1000}){1000}){1000}']
    for (const text of large) assert.throws(() => new NamePattern(text), { code: 'PRECONDITION_FAILED' }, text.slice(0, 40))
  })

  it('takes bounded work for patterns that make back-tracking explode', () => {
    const name = `${'a'.repeat(255)}!`
    for (const text of ['^(a+)+$', '^(a|a)*$', '^(a|aa)+$', '^a*a*a*a*a*a*a*a*b$', '(.*)*(.*)*(.*)*x', '^(((a?)*)*)*$', '(?i)(x+x+)+y']) {
      const pattern = new NamePattern(text)
      assert.equal(pattern.matches(name), false, text)
      assert.ok(pattern.steps <= (name.length + 1) * 64, `${text}: ${pattern.steps} steps`)
    }
  })

  it('agrees with the regular expressions of JavaScript', () => {
    const leaf = fc.constantFrom('a', 'b', '.', '[ab]', '[^a]', '\\w', '^', '$', '\\.')
    const { tree } = fc.letrec<{ tree: string }>((tie) => ({
      tree: fc.oneof(
        { maxDepth: 4 },
        leaf,
        fc.tuple(tie('tree'), tie('tree')).map(([a, b]) => a + b),
        fc.tuple(tie('tree'), tie('tree')).map(([a, b]) => `(${a}|${b})`),
        fc.tuple(tie('tree'), fc.constantFrom('*', '+', '?', '{2}', '{1,2}', '*?')).map(([a, quantifier]) => `(?:${a})${quantifier}`),
      ),
    }))
    const name = fc.string({ unit: fc.constantFrom('a', 'b', '.'), maxLength: 6 })
    fc.assert(
      fc.property(tree, fc.array(name, { maxLength: 5 }), (text, names) => {
        const pattern = new NamePattern(text)
        for (const each of names) assert.equal(pattern.matches(each), new RegExp(text, 's').test(each), `${text} with ${each}`)
      }),
      { numRuns: 1000 },
    )
  })
})
