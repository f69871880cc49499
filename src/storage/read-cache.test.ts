import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MemoryPool } from './chunk.ts'
import { storageLimits } from './limits.ts'
import { type BlockSource, ReadCache } from './read-cache.ts'

describe('ReadCache', () => {
  it('reads what is asked for in the order in which it was asked, before what is only read ahead', () => {
    const limits = storageLimits({ readBlockSizeBytes: 4096 })
    const asked: number[] = []
    const pending: ((error: NodeJS.ErrnoException | null, sizeBytes: number) => void)[] = []
    const source: BlockSource = {
      read(position, _target, callback) {
        asked.push(position)
        pending.push(callback)
      },
      readableEnd: () => Infinity,
      isAlive: () => true,
      describe: String,
    }
    const cache = new ReadCache(source, { low: 1, high: -1 }, limits, new MemoryPool(0))
    const failed: NodeJS.ErrnoException = new Error('no such file')
    // Two are read at a time. Whoever has an answer asks for more at once, as a queue does that is drained.
    const again = (position: number) => (): void => cache.load(position + 65_536, again(position + 65_536))
    cache.load(1 << 20, again(1 << 20))
    cache.load(2 << 20, again(2 << 20))
    const patient = 40 << 20
    cache.load(patient, () => undefined)
    for (let i = 0; i < 3; i++) pending.shift()?.(failed, 0)
    assert.ok(asked.slice(0, 4).includes(patient), `asked for ${asked.join(', ')}`)
  })
})
