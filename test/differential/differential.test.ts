/**
 * Waybill's answers against RabbitMQ's, case by case.
 *
 * A case passes when Waybill's transcript is that of RabbitMQ 4.0.5 or of 3.10.8, or, for a documented difference, the one recorded
 * for Waybill. Where a rabbitmq-server can be had, the recording itself is checked against it.
 */

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { PeerUnavailable } from '../peers/debian-package.ts'
import { startRabbitmq, type Rabbitmq } from '../peers/rabbitmq.ts'
import { startWaybill, type Waybill } from '../peers/waybill.ts'
import { ALL_CASES } from './cases/all.ts'
import { readRecording, type Recording } from './recording.ts'
import { addressOf, runCase } from './run.ts'
import { differences } from './transcript.ts'

const older = await readRecording('rabbitmq-3.10.8')
const newer = await readRecording('rabbitmq-4.0.5')
const ours = await readRecording('waybill').catch((): Recording => ({}))

describe('Waybill answers like RabbitMQ', () => {
  let waybill: Waybill
  before(async () => {
    waybill = await startWaybill()
  })
  after(async () => {
    await waybill.stop()
  })
  for (const each of ALL_CASES) {
    test(each.name, async () => {
      const transcript = await runCase(each, addressOf(waybill.url))
      if (each.difference !== undefined) {
        const expected = ours[each.name]
        assert.ok(expected !== undefined, 'the documented difference is recorded')
        assert.deepEqual(differences(expected, transcript), [], `documented difference: ${each.difference}`)
        return
      }
      const expected = newer[each.name]
      assert.ok(expected !== undefined, 'the case is recorded from RabbitMQ 4.0.5')
      const found = differences(expected, transcript)
      if (found.length === 0 || differences(older[each.name] ?? {}, transcript).length === 0) return
      assert.fail(`- RabbitMQ 4.0.5, + Waybill\n${found.join('\n')}`)
    })
  }
})

/** The silent closes of RabbitMQ take three seconds each: these are checked when they are recorded. */
const SLOW = /^connection: /

describe('the recording is what RabbitMQ answers', () => {
  let rabbit: Rabbitmq | PeerUnavailable
  before(async () => {
    rabbit = await startRabbitmq({ version: '3.10' }).catch((error: unknown) => {
      if (error instanceof PeerUnavailable) return error
      throw error
    })
  })
  after(async () => {
    if (!(rabbit instanceof PeerUnavailable)) await rabbit.stop()
  })
  for (const each of ALL_CASES.filter((candidate) => !SLOW.test(candidate.name))) {
    test(each.name, async (t) => {
      if (rabbit instanceof PeerUnavailable) return t.skip(rabbit.message)
      if (!rabbit.version.startsWith('3.10')) return t.skip(`this machine has RabbitMQ ${rabbit.version}`)
      const recorded = older[each.name] ?? {}
      const address = addressOf(rabbit.url)
      // RabbitMQ's queues are processes of their own, so that rarely a count comes a moment late: a case may have a second try.
      if (differences(recorded, await runCase(each, address)).length === 0) return
      assert.deepEqual(differences(recorded, await runCase(each, address)), [])
    })
  }
})
