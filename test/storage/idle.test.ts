/** A storage that has nothing to do gives back what it took to be fast. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeededRandom } from '../../src/base/random.ts'
import { SimulatedClock } from '../../src/base/simulated-clock.ts'
import { openStorage } from '../../src/storage/file-storage.ts'
import { SimulatedDisk } from '../../src/storage/simulated-disk.ts'
import { SMALL_LIMITS } from '../conformance/storage-limits.ts'
import { StorageModel } from '../conformance/storage-model.ts'

test('after some idle time memory is small, spares are few, and everything is still readable', async () => {
  const random = new SeededRandom(4)
  const clock = new SimulatedClock({ random })
  const disk = new SimulatedDisk(clock, random)
  const model = new StorageModel()
  const storage = await clock.settle(openStorage({ disk: disk.mount(), clock, random, limits: SMALL_LIMITS }))
  await clock.settle(model.recover(storage))
  for (let turn = 0; turn < 60; turn++) {
    for (let i = 0; i < 30; i++) model.publish(200)
    storage.commit()
    await clock.runUntil(() => storage.watermark >= storage.journal.end)
    if (turn < 40) for (const number of [...model.live.keys()]) model.settle(number)
    if (turn % 10 === 9) await clock.settle(storage.checkpoint(model.checkpointParts()))
  }
  await clock.settle(model.readAllLive())
  for (const number of [...model.live.keys()].slice(0, -50)) model.settle(number)
  storage.commit()
  await clock.runFor(100)
  const spares = (): number => disk.names().filter((name) => name.includes('spare')).length
  assert.ok(storage.usage().memorySizeBytes > 2 * SMALL_LIMITS.chunkSizeBytes)
  assert.ok(spares() > 1)
  await clock.runFor(30_000)
  assert.ok(storage.usage().memorySizeBytes <= SMALL_LIMITS.chunkSizeBytes, `${storage.usage().memorySizeBytes} bytes are kept`)
  assert.ok(spares() <= 1)
  await clock.settle(model.readAllLive())
  await clock.settle(storage.close(model.checkpointParts()))
})
