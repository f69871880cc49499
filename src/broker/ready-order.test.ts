import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { ENTRY, MessageIndex } from './message-index.ts'
import { FirstInOrder, KeyOrder, NONE, PriorityOrder, type ReadyOrder } from './ready-order.ts'

interface Entry {
  sequence: number
  priority: number
  key: string
}

/** Drives an order as a queue does, beside a model that sorts. */
class Bench {
  readonly index = new MessageIndex()
  readonly order: ReadyOrder
  readonly waiting: Entry[] = []
  readonly out: Entry[] = []
  #key = ''

  constructor(make: (index: MessageIndex, keyOf: () => string) => ReadyOrder) {
    this.order = make(this.index, () => this.#key)
  }

  add(priority: number, key: string): void {
    const sequence = this.index.append(8, 1)
    this.index.setPriority(sequence, priority)
    this.#key = key
    this.order.add(sequence)
    this.waiting.push({ sequence, priority, key })
  }

  take(): number {
    const sequence = this.order.peek()
    if (sequence === NONE) return NONE
    this.order.take(sequence)
    this.index.setBits(sequence, ENTRY.out)
    const at = this.waiting.findIndex((entry) => entry.sequence === sequence)
    assert.ok(at >= 0, 'only a waiting message is taken')
    this.out.push(...this.waiting.splice(at, 1))
    return sequence
  }

  giveBack(pick: number): void {
    const [entry] = this.out.splice(pick % this.out.length, 1)
    if (entry === undefined) return
    this.index.clearBits(entry.sequence, ENTRY.out)
    this.order.giveBack(entry.sequence)
    this.waiting.push(entry)
  }

  settle(pick: number): void {
    const [entry] = this.out.splice(pick % this.out.length, 1)
    if (entry !== undefined) this.#gone(entry)
  }

  expire(pick: number): void {
    const [entry] = this.waiting.splice(pick % this.waiting.length, 1)
    if (entry !== undefined) this.#gone(entry)
  }

  #gone(entry: Entry): void {
    this.index.remove(entry.sequence)
    this.order.gone(entry.sequence)
  }
}

const steps = fc.array(
  fc.record({
    op: fc.constantFrom('add', 'add', 'take', 'take', 'giveBack', 'settle', 'expire'),
    pick: fc.nat(1000),
    priority: fc.nat(3),
    key: fc.constantFrom('a', 'b', 'c'),
  }),
  { maxLength: 120 },
)

function drive(
  bench: Bench,
  script: { op: string; pick: number; priority: number; key: string }[],
  expected: (bench: Bench) => number,
): void {
  for (const { op, pick, priority, key } of script) {
    if (op === 'add') bench.add(priority, key)
    else if (op === 'take') {
      const want = expected(bench)
      assert.equal(bench.take(), want)
    } else if (op === 'giveBack' && bench.out.length > 0) bench.giveBack(pick)
    else if (op === 'settle' && bench.out.length > 0) bench.settle(pick)
    else if (op === 'expire' && bench.waiting.length > 0) bench.expire(pick)
    assert.equal(bench.order.peek(), expected(bench))
  }
}

const first = (entries: readonly Entry[]): number => (entries.length === 0 ? NONE : Math.min(...entries.map((entry) => entry.sequence)))

describe('ready orders', () => {
  it('first in, first out: the oldest waiting message leaves, returned ones at their old place', () => {
    fc.assert(
      fc.property(steps, (script) => {
        drive(new Bench((index) => new FirstInOrder(index)), script, (bench) => first(bench.waiting))
      }),
    )
  })

  it('priority: the oldest of the highest priority leaves', () => {
    fc.assert(
      fc.property(steps, (script) => {
        drive(new Bench((index) => new PriorityOrder(index)), script, (bench) => {
          const highest = Math.max(...bench.waiting.map((entry) => entry.priority))
          return first(bench.waiting.filter((entry) => entry.priority === highest))
        })
      }),
    )
  })

  it('key: one message per key is out at a time, and each key leaves in order', () => {
    fc.assert(
      fc.property(steps, (script) => {
        drive(new Bench((index, keyOf) => new KeyOrder(index, keyOf)), script, (bench) => {
          const busy = new Set(bench.out.map((entry) => entry.key))
          return first(bench.waiting.filter((entry) => !busy.has(entry.key)))
        })
      }),
    )
  })
})
