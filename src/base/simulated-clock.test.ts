import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AssertionFailure } from './assert.ts'
import { SeededRandom } from './random.ts'
import { SimulatedClock } from './simulated-clock.ts'

test('timers fire in the order of their times, and time jumps from one to the next', async () => {
  const clock = new SimulatedClock({ startMs: 1000 })
  const fired: [string, number, number][] = []
  const note = (name: string) => () => void fired.push([name, clock.now(), clock.monotonic()])
  clock.setTimer(50, note('late'))
  clock.setTimer(10, note('early'))
  clock.setTimer(10, note('early, set later'))
  clock.setTimer(20, note('cancelled')).cancel()
  await clock.runUntilIdle()
  assert.deepEqual(fired, [
    ['early', 1010, 10],
    ['early, set later', 1010, 10],
    ['late', 1050, 50],
  ])
})

test('the end of a turn comes after the promises of the turn and before later times', async () => {
  const clock = new SimulatedClock()
  const log: string[] = []
  clock.setTimer(0, () => {
    clock.endOfTurn(() => {
      log.push('end of turn')
      clock.endOfTurn(() => log.push('end of next turn'))
    })
    void (async () => {
      for (let i = 0; i < 20; i++) await Promise.resolve()
      log.push('promise')
    })()
  })
  clock.setTimer(1, () => log.push('later'))
  await clock.runUntilIdle()
  assert.deepEqual(log, ['promise', 'end of turn', 'end of next turn', 'later'])
})

test('runFor lets exactly its time pass', async () => {
  const clock = new SimulatedClock()
  let count = 0
  const tick = (): void => {
    count++
    clock.setTimer(10, tick)
  }
  clock.setTimer(10, tick)
  await clock.runFor(45)
  assert.equal(count, 4)
  assert.equal(clock.monotonic(), 45)
})

test('the same seed gives the same order of events, and some other seed another one', async () => {
  const order = async (seed: number): Promise<string> => {
    const clock = new SimulatedClock({ random: new SeededRandom(seed) })
    const fired: number[] = []
    for (let i = 0; i < 10; i++) clock.setTimer(5, () => fired.push(i))
    await clock.runUntilIdle()
    assert.equal(fired.length, 10)
    return fired.join()
  }
  assert.equal(await order(1), await order(1))
  const orders = new Set(await Promise.all([1, 2, 3, 4, 5].map(order)))
  assert.ok(orders.size > 1)
})

test('a wall clock that jumps moves no timer', async () => {
  const clock = new SimulatedClock({ startMs: 0 })
  let firedAt = -1
  clock.setTimer(100, () => (firedAt = clock.monotonic()))
  clock.jump(-3_600_000)
  assert.equal(clock.now(), -3_600_000)
  await clock.runUntilIdle()
  assert.equal(firedAt, 100)
})

test('waiting for what never happens fails', async () => {
  const clock = new SimulatedClock()
  await assert.rejects(
    clock.runUntil(() => false),
    AssertionFailure,
  )
  const endless = (): void => void clock.setTimer(1, endless)
  endless()
  await assert.rejects(clock.runUntilIdle(100), AssertionFailure)
})

test('settle runs the clock for a promise', async () => {
  const clock = new SimulatedClock()
  const value = await clock.settle(new Promise((resolve) => clock.setTimer(10, () => resolve('done'))))
  assert.equal(value, 'done')
})
