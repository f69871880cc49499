/** Counts beyond what the fields of records were first thought for. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MessageView, RECORD, writeMessage } from '../../src/broker/message-record.ts'
import { RUNS_PER_RECORD_MAX, SettledRuns, writeSettled } from '../../src/broker/settled-runs.ts'
import type { Log } from '../../src/storage/storage.ts'
import { BrokerWorld } from './broker-world.ts'
import { publicationOf } from './recording-client.ts'

describe('a message record', () => {
  for (const count of [65_535, 65_536, 70_000]) {
    it(`refers to ${count} queues`, async () => {
      const { journal } = (await BrokerWorld.start({ limits: {} })).broker.services
      const owners = Array.from({ length: count }, (_, i) => ({ number: i + 1, durable: true, nextSequence: i * 3 + 1 }))
      const position = writeMessage(journal, publicationOf('key', 'body', {}), owners, 1, 2, 0, undefined, true)
      assert.ok(journal.locate(position))
      const view = new MessageView().openFound(journal)
      assert.deepEqual([view.referenceCount, view.routingKey, view.bodySizeBytes], [count, 'key', 4])
      assert.deepEqual([view.referenceNumber(count - 1), view.referenceSequence(count - 1)], [count, count * 3 - 2])
    })
  }
})

describe('settlements in no order', () => {
  it('fit records, however many there are until a commit', async () => {
    const { journal } = (await BrokerWorld.start({ limits: {} })).broker.services
    const runs = new SettledRuns()
    const count = RUNS_PER_RECORD_MAX * 2 + 5
    for (let i = 0; i < count; i++) runs.add(i * 2 + 1)
    const kinds: number[] = []
    const sizes: number[] = []
    const log: Log = new Proxy<Log>(journal, {
      get(target, name) {
        if (name === 'reserve') {
          return (kind: number, sizeBytes: number) => {
            kinds.push(kind)
            sizes.push(sizeBytes)
            return target.reserve(kind, sizeBytes)
          }
        }
        const value: unknown = Reflect.get(target, name)
        return typeof value === 'function' ? (value as () => unknown).bind(target) : value
      },
    })
    writeSettled(log, { number: 7, settledRuns: runs })
    assert.deepEqual(kinds, [RECORD.settled, RECORD.settled, RECORD.settled])
    assert.deepEqual(
      sizes.map((sizeBytes) => (sizeBytes - 8) / 12),
      [RUNS_PER_RECORD_MAX, RUNS_PER_RECORD_MAX, 5],
    )
    assert.equal(runs.count, 0)
  })
})
