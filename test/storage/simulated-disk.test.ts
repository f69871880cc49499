import { SeededRandom } from '../../src/base/random.ts'
import { SimulatedClock } from '../../src/base/simulated-clock.ts'
import { openStorage } from '../../src/storage/file-storage.ts'
import { SimulatedDisk } from '../../src/storage/simulated-disk.ts'
import { storageConformance } from '../conformance/storage.ts'
import type { StorageWorld } from '../conformance/storage.ts'
import { partitionConformance } from '../conformance/storage-partition.ts'

const createWorld = (): Promise<StorageWorld> => {
  const random = new SeededRandom(1)
  const clock = new SimulatedClock({ random })
  const disk = new SimulatedDisk(clock, random)
  return Promise.resolve({
    open: (limits = {}) => openStorage({ disk: disk.mount(), clock, random, limits }),
    settle: (promise) => clock.settle(promise),
    until: (condition) => clock.runUntil(condition),
    die: () => {
      disk.crash()
      return Promise.resolve()
    },
    end: () => Promise.resolve(),
  })
}

storageConformance('a simulated disk', createWorld)
partitionConformance('a simulated disk', createWorld)
