import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { SystemRandom } from '../../src/base/random.ts'
import type { Disk, DiskFile } from '../../src/storage/disk.ts'
import { FileDisk } from '../../src/storage/file-disk.ts'
import { openStorage } from '../../src/storage/file-storage.ts'
import { storageConformance } from '../conformance/storage.ts'
import type { StorageWorld } from '../conformance/storage.ts'
import { TrackedClock } from '../conformance/tracked-clock.ts'
import { partitionConformance } from '../conformance/storage-partition.ts'

const DEADLINE_MS = 20_000

/** Waits for real input and output, without sleeping. */
async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS
  while (!condition()) {
    assert.ok(performance.now() < deadline, 'what the test waits for happens in time')
    await new Promise((resolve) => setImmediate(resolve))
  }
}

const createWorld = async (): Promise<StorageWorld> => {
  const folder = await mkdtemp(join(tmpdir(), 'waybill-storage-'))
  const clock = new TrackedClock()
  let disk = new FileDisk(folder)
  return {
    open: (limits = {}) => {
      disk = new FileDisk(folder)
      return openStorage({ disk, clock, random: new SystemRandom(), limits })
    },
    settle: (promise) => promise,
    until,
    // What this process wrote stays when it goes; only the lock goes with it. Its own test ends a real process.
    die: () => disk.unlock(),
    end: () => {
      clock.cancelAll()
      return rm(folder, { recursive: true, force: true })
    },
  }
}

storageConformance('files', createWorld)
partitionConformance('files', createWorld)

describe('the disk of the machine', () => {
  const withDisk = (promise: string, body: (disk: Disk) => Promise<void>): void => {
    test(promise, async () => {
      const folder = await mkdtemp(join(tmpdir(), 'waybill-disk-'))
      try {
        await body(new FileDisk(folder))
      } finally {
        await rm(folder, { recursive: true, force: true })
      }
    })
  }
  const writeDurably = (file: DiskFile, buffers: Uint8Array[], offset: number): Promise<void> =>
    new Promise((resolve, reject) => file.writeDurably(buffers, offset, (error) => (error === null ? resolve() : reject(error))))
  const read = (file: DiskFile, sizeBytes: number, offset: number): Promise<Buffer> => {
    const target = Buffer.alloc(sizeBytes)
    return new Promise((resolve, reject) =>
      file.read(target, offset, (error, count) => (error === null ? resolve(target.subarray(0, count)) : reject(error))),
    )
  }

  withDisk('writes more buffers than one system call takes, in order', async (disk) => {
    const file = await disk.open('folder/file', true)
    const buffers = Array.from({ length: 2500 }, (_, index) => Buffer.from([index & 0xff, index >> 8]))
    await writeDurably(file, buffers, 10)
    assert.ok((await read(file, 6000, 10)).equals(Buffer.concat(buffers)))
    assert.equal(await file.size(), 5010)
    await file.close()
  })

  withDisk('reads fewer bytes at the end of a file, and none after it', async (disk) => {
    const file = await disk.open('file', true)
    await file.write(Buffer.from('hello'), 0)
    await file.datasync()
    assert.equal((await read(file, 10, 3)).toString(), 'lo')
    assert.equal((await read(file, 10, 50)).length, 0)
    await file.truncate(2)
    assert.equal((await read(file, 10, 0)).toString(), 'he')
    await file.close()
  })

  withDisk('a file that is closed under a read waits for it', async (disk) => {
    const file = await disk.open('file', true)
    await file.write(Buffer.alloc(1_000_000, 5), 0)
    const reading = read(file, 1_000_000, 0)
    const closing = file.close()
    assert.equal((await reading).length, 1_000_000)
    await closing
  })

  withDisk('lists, renames and removes files of all folders', async (disk) => {
    for (const name of ['a', 'folder/b', 'folder/deep/c']) await (await disk.open(name, true)).close()
    await disk.rename('a', 'other/a')
    await disk.remove('folder/b')
    await disk.syncFolder()
    assert.deepEqual(await disk.list(), ['folder/deep/c', 'other/a'])
    await assert.rejects(disk.open('absent', false), { code: 'ENOENT' })
    assert.ok((await disk.freeSizeBytes()) > 0)
  })
})
