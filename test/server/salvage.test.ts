/** `waybill salvage` on a folder that a killed process left and somebody damaged. */
import assert from 'node:assert/strict'
import { open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { SystemClock } from '../../src/base/clock.ts'
import { SystemRandom } from '../../src/base/random.ts'
import { FileDisk } from '../../src/storage/file-disk.ts'
import { RECORD } from '../../src/broker/message-record.ts'
import { openStorage } from '../../src/storage/file-storage.ts'
import { TrackedClock } from '../conformance/tracked-clock.ts'
import { StorageModel } from '../conformance/storage-model.ts'
import { temporaryFolder, waybill } from './command.ts'

const nothing = { checkpointPart: () => undefined, record: () => undefined }

/** A folder with twenty commits, damaged in the middle. */
async function damagedFolder(folder: string): Promise<void> {
  const disk = new FileDisk(folder)
  const clock = new TrackedClock()
  const storage = await openStorage({ disk, clock, random: new SystemRandom() })
  await storage.recover(nothing)
  const model = new StorageModel()
  model.storage = storage
  storage.start(model)
  for (let i = 0; i < 20; i++) {
    // A settlement of nothing: a record that a broker takes.
    storage.journal.reserve(RECORD.settled, 1000)
    storage.journal.buffer.fill(0, storage.journal.offset, storage.journal.offset + 1000)
    storage.journal.seal()
    const committed = new Promise<void>((resolve) => {
      model.committed = () => resolve()
    })
    storage.commit()
    await committed
  }
  clock.cancelAll()
  await disk.unlock()
  const file = await open(join(folder, 'journal', '0000000000000000.segment'), 'r+')
  await file.write(Buffer.from([0xff]), 0, 1, 5000)
  await file.close()
}

test('a damaged folder is refused by the server, and what is readable of it is copied into one that starts', async (t) => {
  const base = temporaryFolder(t)
  const [data, into] = [join(base, 'data'), join(base, 'into')]
  await damagedFolder(data)
  const refused = await waybill(['serve', '--data', data, '--amqp', '0'])
  assert.equal(refused.code, 74)
  assert.match(refused.stderr, /0000000000000000\.segment at offset \d+.*waybill salvage --data DIR --into DIR/)
  const salvaged = await waybill(['salvage', '--data', data, '--into', into])
  assert.equal(salvaged.code, 1, 'something was lost')
  assert.match(salvaged.stdout, /damaged: journal\/0000000000000000\.segment at offset \d+, 1016 bytes/)
  assert.match(salvaged.stdout, /records kept after the checkpoint: 19/)
  const again = await waybill(['salvage', '--data', data, '--into', into])
  assert.equal(again.code, 73)
  assert.match(again.stderr, /is not empty/)
  assert.ok((await readdir(into)).includes('format'))
  let count = 0
  const storage = await openStorage({ disk: new FileDisk(into), clock: new SystemClock(), random: new SystemRandom() })
  await storage.recover({ ...nothing, record: () => void count++ })
  assert.equal(count, 19)
  await storage.close([])
})
