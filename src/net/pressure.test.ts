import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Pressure } from './pressure.ts'

test('publishers pause while any reason holds, and every change is told once', () => {
  const pressure = new Pressure()
  const told: (string | undefined)[] = []
  const listener = { pressureChanged: () => told.push(pressure.paused ? (pressure.text ?? 'silently') : 'free') }
  pressure.listen(listener)
  pressure.set('unsynced', true)
  pressure.set('unsynced', true)
  pressure.set('memory', true)
  pressure.set('disk', true)
  pressure.set('unsynced', false)
  pressure.set('memory', false)
  pressure.set('disk', false)
  pressure.set('disk', false)
  assert.deepEqual(told, ['silently', 'low on memory', 'low on disk & low on memory', 'low on disk & low on memory', 'low on disk', 'free'])
  pressure.unlisten(listener)
  pressure.set('disk', true)
  assert.equal(told.length, 6)
})
