import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SimulatedClock } from '../base/simulated-clock.ts'
import { MemoryWatch } from './memory-watch.ts'
import { Pressure } from './pressure.ts'

interface World {
  readonly clock: SimulatedClock
  readonly pressure: Pressure
  used: number
  garbage: number
  collectCount: number
}

function watch(): World {
  const clock = new SimulatedClock()
  const pressure = new Pressure()
  const world: World = { clock, pressure, used: 10, garbage: 0, collectCount: 0 }
  new MemoryWatch({
    clock,
    pressure,
    markSizeBytes: 1_000,
    usedSizeBytes: () => world.used + world.garbage,
    collectGarbage: () => {
      world.collectCount++
      world.garbage = 0
    },
  })
  return world
}

test('publishers pause above the mark and go on below nine tenths of it', async () => {
  const world = watch()
  world.used = 1_001
  await world.clock.runFor(1_000)
  assert.equal(world.pressure.has('memory'), true)
  world.used = 950
  await world.clock.runFor(5_000)
  assert.equal(world.pressure.has('memory'), true)
  world.used = 900
  await world.clock.runFor(100)
  assert.equal(world.pressure.has('memory'), false)
  world.used = 950
  await world.clock.runFor(5_000)
  assert.equal(world.pressure.has('memory'), false)
})

test('garbage is collected before anybody is paused', async () => {
  const world = watch()
  world.garbage = 5_000
  await world.clock.runFor(1_000)
  assert.equal(world.pressure.has('memory'), false)
  assert.equal(world.collectCount, 1)
})

test('near the mark memory is looked at often, and garbage is collected once a second at most', async () => {
  const world = watch()
  world.used = 600
  await world.clock.runFor(1_000)
  world.used = 2_000
  await world.clock.runFor(100)
  assert.equal(world.pressure.has('memory'), true)
  const before = world.collectCount
  await world.clock.runFor(10_000)
  assert.ok(world.collectCount - before <= 10, `${world.collectCount - before} collections in ten seconds`)
})
