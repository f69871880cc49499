import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { HASH_START, UNKNOWN_WORD, WordTable, hashUnit } from './word-table.ts'

/** Two words of the same hash, found by search. */
function collision(): [string, string] {
  const seen = new Map<number, string>()
  for (let i = 0; ; i++) {
    const word = `w${i}`
    let hash = HASH_START
    for (let at = 0; at < word.length; at++) hash = hashUnit(hash, word.charCodeAt(at))
    const other = seen.get(hash)
    if (other !== undefined) return [other, word]
    seen.set(hash, word)
  }
}

describe('WordTable', () => {
  const [first, second] = collision()
  const word = fc.constantFrom('', 'a', 'b', 'ab', 'orders', 'é', '日本', first, second, ...Array.from({ length: 40 }, (_, i) => `x${i}`))

  it('has an id of its own for every word in use, and none for others', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(word, fc.boolean()), { maxLength: 200 }), (changes) => {
        const table = new WordTable()
        const uses = new Map<string, number>()
        const ids = new Map<string, number>()
        for (const [text, uses1] of changes) {
          const count = uses.get(text) ?? 0
          if (uses1) {
            const id = table.use(text)
            if (count > 0) assert.equal(id, ids.get(text), 'the id stays while the word is in use')
            ids.set(text, id)
            uses.set(text, count + 1)
          } else if (count > 0) {
            table.release(text)
            uses.set(text, count - 1)
          }
        }
        const inUse = [...uses].filter(([, count]) => count > 0).map(([text]) => text)
        assert.equal(table.count, inUse.length)
        assert.equal(new Set(inUse.map((text) => table.idOf(text))).size, inUse.length)
        for (const [text, count] of uses) assert.equal(table.idOf(text), count > 0 ? ids.get(text) : UNKNOWN_WORD)
      }),
      { numRuns: 500 },
    )
  })

  it('tells words of the same hash apart', () => {
    const table = new WordTable()
    const id = table.use(first)
    assert.equal(table.idOf(second), UNKNOWN_WORD)
    assert.notEqual(table.use(second), id)
    table.release(first)
    assert.equal(table.idOf(first), UNKNOWN_WORD)
    assert.notEqual(table.idOf(second), UNKNOWN_WORD)
  })

  it('finds a word in the middle of a text', () => {
    const table = new WordTable()
    const id = table.use('eu')
    let hash = HASH_START
    for (const unit of [0x65, 0x75]) hash = hashUnit(hash, unit)
    assert.equal(table.find('orders.eu.x', 7, 9, hash), id)
    assert.equal(table.find('orders.eur', 7, 10, hashUnit(hash, 0x72)), UNKNOWN_WORD)
  })
})
