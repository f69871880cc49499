import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { LeafEntry } from './leaf.ts'
import { TopicTrie, isTopicPattern } from './topic-trie.ts'

interface Entry extends LeafEntry {
  readonly pattern: string
}

const entry = (pattern: string): Entry => ({ pattern, leafIndex: -1 })

/** The definition of topic matching, word by word, without any thought of cost. */
function matchesNaively(pattern: readonly string[], key: readonly string[]): boolean {
  const [first, ...rest] = pattern
  if (first === undefined) return key.length === 0
  if (first === '#') return matchesNaively(rest, key) || (key.length > 0 && matchesNaively(pattern, key.slice(1)))
  return key.length > 0 && (first === '*' || first === key[0]) && matchesNaively(rest, key.slice(1))
}

const split = (text: string): string[] => (text === '' ? [] : text.split('.'))

function matched(trie: TopicTrie<Entry>, key: string): string[] {
  const count = trie.match(key)
  return trie.matches
    .slice(0, count)
    .flatMap((leaf) => leaf.map((item) => item.pattern))
    .sort()
}

function trieOf(...patterns: string[]): TopicTrie<Entry> {
  const trie = new TopicTrie<Entry>()
  for (const pattern of patterns) trie.add(pattern, entry(pattern))
  return trie
}

describe('TopicTrie', () => {
  const cases: [pattern: string, matching: string[], other: string[]][] = [
    ['*', ['a', '*'], ['', 'a.b', '.']],
    ['#', ['', 'a', 'a.b', '.', '...'], []],
    ['a.*', ['a.b', 'a.', 'a.*'], ['a', 'a.b.c', 'b.a']],
    ['a.#', ['a', 'a.b', 'a.b.c', 'a.'], ['', 'b', 'ab']],
    ['#.a', ['a', 'b.a', '.a', 'a.a'], ['', 'a.b']],
    ['*.#', ['a', 'a.b', '.'], ['']],
    ['#.*', ['a', 'a.b', '.'], ['']],
    ['#.*.#.*.#', ['a.b', 'a.b.c', '..'], ['', 'a']],
    ['#.#.#', ['', 'a', 'a.b'], []],
    ['*.a.*', ['b.a.c', '.a.'], ['a', 'a.a', 'b.a']],
    ['#.a.#.b.#', ['a.b', 'x.a.y.b.z', 'a.a.b.b'], ['b.a', 'a', 'b']],
    ['a..*', ['a..b', 'a..'], ['a.b', 'a.b.c']],
    ['.#', ['.', '.a'], ['', 'a']],
    ['a#.*', ['a#.b'], ['a.b']],
  ]
  for (const [pattern, matching, other] of cases) {
    it(`matches "${pattern}" with what it stands for and nothing else`, () => {
      const trie = trieOf(pattern)
      for (const key of matching) assert.deepEqual(matched(trie, key), [pattern], `"${key}" matches`)
      for (const key of other) assert.deepEqual(matched(trie, key), [], `"${key}" doesn't match`)
    })
  }

  it('tells patterns from exact keys by whole words', () => {
    for (const pattern of ['*', '#', 'a.*', '*.a', 'a.#.b', '.#', '*.']) assert.equal(isTopicPattern(pattern), true, pattern)
    for (const key of ['', 'a', 'a*', '*a', 'a.b#', '##', '**.a', 'a.b*c.d', '.']) assert.equal(isTopicPattern(key), false, key)
  })

  const word = fc.constantFrom('a', 'b', '', '*', '#', 'c')
  const pattern = fc.array(word, { maxLength: 7 }).map((words) => words.join('.'))
  const key = fc.array(fc.constantFrom('a', 'b', '', 'd', '*', '#'), { maxLength: 7 }).map((words) => words.join('.'))

  it('agrees with the definition for any patterns and keys, each pattern found once', () => {
    fc.assert(
      fc.property(fc.uniqueArray(pattern, { maxLength: 20 }), fc.array(key, { maxLength: 10 }), (patterns, keys) => {
        const trie = trieOf(...patterns)
        for (const k of keys) {
          const expected = patterns.filter((p) => matchesNaively(split(p), split(k))).sort()
          assert.deepEqual(matched(trie, k), expected, `key "${k}"`)
        }
      }),
      { numRuns: 2000 },
    )
  })

  it('agrees with the definition after any additions and removals, and is empty when everything was removed', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(pattern, fc.boolean()), { maxLength: 40 }), key, (changes, k) => {
        const trie = new TopicTrie<Entry>()
        const present: Entry[] = []
        for (const [p, adds] of changes) {
          const at = present.findIndex((item) => item.pattern === p)
          if (adds || at < 0) {
            const added = entry(p)
            present.push(added)
            trie.add(p, added)
          } else trie.remove(p, present.splice(at, 1)[0] as Entry)
        }
        const expected = present.map((item) => item.pattern).filter((p) => matchesNaively(split(p), split(k)))
        assert.deepEqual(matched(trie, k), expected.sort())
        for (const item of present) trie.remove(item.pattern, item)
        assert.equal(trie.isEmpty, true)
      }),
      { numRuns: 1000 },
    )
  })

  it('takes bounded work for patterns made to explode', () => {
    const words = 120
    const hostile = [
      Array(words).fill('#').join('.'),
      Array(words / 2)
        .fill('#.a')
        .join('.'),
      Array(words / 2)
        .fill('*.#')
        .join('.'),
      Array(words / 3)
        .fill('#.a.*')
        .join('.'),
      `${Array(words / 2)
        .fill('#.a')
        .join('.')}.b`,
    ]
    const trie = trieOf(...hostile)
    const before = trie.steps
    trie.match(Array(128).fill('a').join('.'))
    // At most one visit of each node from each of its at most three ways in, for each of the 128 words.
    const nodesMax = hostile.length * words
    assert.ok(trie.steps - before <= 3 * nodesMax * 128, `${trie.steps - before} steps`)
    assert.ok(trie.steps - before <= 60_000, `${trie.steps - before} steps`)
  })

  it('takes the same work with many patterns of other words', () => {
    const trie = trieOf('orders.*.created', 'orders.#')
    trie.match('orders.eu.created')
    const few = trie.steps
    for (let i = 0; i < 10_000; i++) trie.add(`orders${i}.*.created`, entry(''))
    const before = trie.steps
    trie.match('orders.eu.created')
    assert.equal(trie.steps - before, few)
  })
})
