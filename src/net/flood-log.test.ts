import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SimulatedClock } from '../base/simulated-clock.ts'
import { FloodLog } from './flood-log.ts'

test('the first event is written at once, a flood as one line with its count', async () => {
  const clock = new SimulatedClock()
  const lines: [string, object, number][] = []
  const log = new FloodLog(clock, (text, fields, count) => lines.push([text, fields, count]))
  for (let i = 0; i < 5_000; i++) log.add('refused', { i })
  log.add('failed', { of: 'another kind' })
  assert.deepEqual(lines, [
    ['refused', { i: 0 }, 1],
    ['failed', { of: 'another kind' }, 1],
  ])
  await clock.runFor(10_000)
  assert.deepEqual(lines.slice(2), [['refused', { i: 4_999 }, 4_999]])
  log.add('refused', { i: 'later' })
  assert.equal(lines.length, 4)
})
