import assert from 'node:assert/strict'
import { after, before, test, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { PeerUnavailable, runProgram } from '../peers/debian-package.ts'
import { pythonWithPika } from '../peers/python.ts'
import { startBrokerUnderTest, type BrokerUnderTest } from './broker-under-test.ts'

const SCENARIO = fileURLToPath(new URL('pika-scenario.py', import.meta.url))

let broker: BrokerUnderTest
let python: string | PeerUnavailable

before(async () => {
  broker = await startBrokerUnderTest()
  python = await pythonWithPika().catch((error: unknown) => {
    if (error instanceof PeerUnavailable) return error
    throw error
  })
})

after(async () => {
  await broker.stop()
})

/** Runs scenarios of the Python program one after the other; false when there is no pika here. */
async function pika(t: TestContext, scenario: string): Promise<void> {
  if (python instanceof PeerUnavailable) {
    t.skip(python.message)
    return
  }
  const result = await runProgram(python, [SCENARIO, scenario, broker.url], { timeoutMs: 90_000 })
  assert.equal(result.code, 0, `${result.stdout}${result.stderr}`)
}

const SCENARIOS: readonly (readonly [promise: string, scenario: string])[] = [
  ['publishes with confirms and consumes with manual acknowledgements, in order', 'confirmed'],
  ['gets an unsettled message again, marked as redelivered, after its connection was cut', 'redelivery'],
  ['finds a rejected message in the dead letter queue with its history', 'dead_letters'],
  ['moves a message of a mebibyte, which is larger than a frame', 'large'],
  ['routes by topic', 'topic'],
  ['hears of a mandatory message that nobody takes', 'mandatory'],
  ['hears of a refused publish, and of a missing queue on the channel alone', 'refused'],
]

for (const [promise, scenario] of SCENARIOS) {
  test(`pika ${promise}`, async (t) => await pika(t, scenario))
}

test('pika finds its durable messages after the broker was killed and started again', async (t) => {
  await pika(t, 'fill')
  if (python instanceof PeerUnavailable) return
  await broker.restart({ kill: true })
  await pika(t, 'drain')
})
