import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { EdgeTable, NO_NODE } from './edge-table.ts'

describe('EdgeTable', () => {
  it('holds what a map from node and label to child holds, after any additions and removals', () => {
    const operation = fc.tuple(fc.integer({ min: 0, max: 6 }), fc.integer({ min: 0, max: 40 }), fc.boolean())
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 300 }), (operations) => {
        const table = new EdgeTable()
        const model = new Map<string, number>()
        operations.forEach(([node, label, adds], child) => {
          const key = `${node} ${label}`
          if (adds && !model.has(key)) {
            model.set(key, child)
            table.add(node, label, child)
          } else if (!adds && model.delete(key)) table.remove(node, label)
        })
        assert.equal(table.count, model.size)
        for (let node = 0; node <= 6; node++) {
          for (let label = 0; label <= 40; label++) assert.equal(table.child(node, label), model.get(`${node} ${label}`) ?? NO_NODE)
        }
      }),
      { numRuns: 500 },
    )
  })

  it('grows to a hundred thousand edges and back', () => {
    const table = new EdgeTable()
    for (let i = 0; i < 100_000; i++) table.add(i % 1000, i, i)
    for (let i = 0; i < 100_000; i++) assert.equal(table.child(i % 1000, i), i)
    for (let i = 0; i < 100_000; i++) table.remove(i % 1000, i)
    assert.equal(table.count, 0)
    assert.equal(table.child(0, 0), NO_NODE)
  })
})
