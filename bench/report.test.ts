import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatReport, formatTable, isReached } from './report.ts'
import { spreadOf } from './results.ts'
import type { Results } from './results.ts'
import { FULL_SCALE } from './works/work.ts'
import type { Work } from './works/work.ts'

const work: Work = {
  name: 'durable',
  title: 'durable',
  columns: 'every variant',
  isLarge: false,
  metrics: [{ key: 'rate', title: 'durable rate', unit: 'per second', better: 'higher', goal: { kind: 'times peer', must: 14 } }],
  run: () => Promise.resolve({}),
}

const resultsOf = (rates: Record<string, readonly number[]>): Results => ({
  machine: {
    date: '2026-01-02T03:04:05.000Z',
    processor: 'one',
    coreCount: 2,
    memoryGibibytes: 24,
    system: 'Linux',
    nodeVersion: 'v24',
    folder: '/tmp',
    syncedWrite4KibMs: 0.2,
    syncedWrite1MibMs: 3,
    loadAtStart: 0,
  },
  scale: FULL_SCALE,
  rounds: 3,
  columns: Object.keys(rates),
  versions: {},
  measurements: Object.entries(rates).flatMap(([column, values]) =>
    values.map((rate, index) => ({ work: 'durable', column, round: index + 1, figures: { rate } })),
  ),
  failures: [{ work: 'durable', column: 'other', round: 1, reason: 'it was not there' }],
})

test('compares with the median of the faster RabbitMQ', () => {
  const results = resultsOf({ waybill: [290_000, 310_000, 300_000], 'rabbitmq-3.10': [10_000], 'rabbitmq-4.0': [19_000, 20_000, 99_000] })
  const report = formatReport(results, [work])
  assert.match(report, /\| durable rate \| 300k \(290k–310k\) \| 10\.0k +\| 20\.0k \(19\.0k–99\.0k\) \| 15\.00 x +\| 14 x +\| yes +\|/)
  assert.match(report, /- durable on other, round 1: it was not there/)
})

test('the middle of an even number of rounds lies between the two in the middle', () => {
  assert.deepEqual(spreadOf(resultsOf({ waybill: [4, 1, 3, 2] }), 'durable', 'waybill', 'rate'), {
    median: 2.5,
    lowest: 1,
    highest: 4,
    count: 4,
  })
})

test('a goal against a peer is open without the peer, and each kind of goal can be missed', () => {
  assert.equal(isReached({ kind: 'times peer', must: 2 }, 10, undefined), undefined)
  assert.equal(isReached({ kind: 'times peer', must: 2 }, 10, 6), false)
  assert.equal(isReached({ kind: 'share of peer', must: 0.25 }, 1, 3), false)
  assert.equal(isReached({ kind: 'share of peer', must: 0.25 }, 1, 4), true)
  assert.equal(isReached({ kind: 'at most', must: 90 }, 91, undefined), false)
  assert.equal(isReached({ kind: 'at least', must: 0.8 }, 0.79, undefined), false)
})

test('the columns of a table line up', () => {
  const lines = formatTable([
    ['a', 'bb'],
    ['cccc', 'd'],
  ]).split('\n')
  assert.deepEqual(lines, ['| a    | bb  |', '|------|-----|', '| cccc | d   |'])
})
