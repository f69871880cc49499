import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { test } from 'node:test'
import { CrashFailure, type CrashOptions, crashRepeatedly } from './run.ts'
import { wipeJournalEnd } from './sabotage.ts'

const ROUNDS = 50

/** Rounds within which a broken promise must have shown. */
const SABOTAGED_ROUNDS = 5

test(`accounts for every confirmed message after ${ROUNDS} kills under load`, async (t) => {
  const seed = randomInt(2 ** 31)
  const report = await crashRepeatedly({ seed, rounds: ROUNDS })
  t.diagnostic(`seed ${seed}: ${JSON.stringify(report)}`)
  assert.equal(report.kills + report.terminations, ROUNDS)
  // Where nothing was under way, nothing was proved.
  assert.ok(report.confirmed > ROUNDS * 50, 'the load was too small')
  assert.ok(report.redeliveries > ROUNDS, 'nothing was out when the server was killed')
  assert.ok(report.sealed > ROUNDS * 50, 'no settlement was proved to be on the disk')
})

/** The crash test is a check, and a check must be able to fail. */
async function mustFail(options: Pick<CrashOptions, 'trust' | 'sabotage'>, complaint: RegExp): Promise<void> {
  const all = { seed: randomInt(2 ** 31), rounds: SABOTAGED_ROUNDS, ...options }
  const failure = await crashRepeatedly(all).then(
    () => assert.fail('nothing was noticed'),
    (error: unknown) => error,
  )
  assert.ok(failure instanceof CrashFailure)
  assert.match(String(failure.cause), complaint)
  await rm(dirname(failure.dataFolder), { recursive: true })
}

test('notices lost messages when publications are believed that were never confirmed', async () => {
  await mustFail({ trust: 'sent' }, /confirmed messages are lost/)
})

test('notices messages that come back when acceptances are believed that were never proved', async () => {
  await mustFail({ trust: 'settled' }, /came back after/)
})

test('notices a journal whose end was wiped', async () => {
  // What was wiped may be older than a checkpoint: then the server itself notices, and does not start.
  const noticed = /confirmed messages are lost|came back after|without the redelivered mark|the journal ends .* before the checkpoint/
  await mustFail({ sabotage: wipeJournalEnd }, noticed)
})
