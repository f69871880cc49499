import assert from 'node:assert/strict'
import { after, before, test, type TestContext } from 'node:test'
import { PeerUnavailable, ensureDebianPackages, runProgram, startProgram, type ProgramResult } from '../peers/debian-package.ts'
import { startBrokerUnderTest, type BrokerUnderTest } from './broker-under-test.ts'

let broker: BrokerUnderTest
let missing: PeerUnavailable | undefined

before(async () => {
  broker = await startBrokerUnderTest()
  await ensureDebianPackages('amqp-tools').catch((error: unknown) => {
    if (!(error instanceof PeerUnavailable)) throw error
    missing = error
  })
})

after(async () => {
  await broker.stop()
})

/** A test that is skipped, with the reason, where Debian's amqp-tools cannot be had. */
function toolTest(promise: string, work: (t: TestContext) => Promise<void>): void {
  test(promise, async (t) => {
    if (missing !== undefined) t.skip(missing.message)
    else await work(t)
  })
}

async function tool(name: string, parameters: readonly string[], input?: Uint8Array | string): Promise<ProgramResult> {
  return await runProgram(name, ['--url', broker.url, ...parameters], { timeoutMs: 60_000, ...(input === undefined ? {} : { input }) })
}

async function mustRun(name: string, parameters: readonly string[], input?: Uint8Array | string): Promise<string> {
  const result = await tool(name, parameters, input)
  assert.equal(result.code, 0, `${name} ${parameters.join(' ')}: ${result.stderr}`)
  return result.stdout
}

toolTest('amqp-declare-queue, amqp-publish, amqp-get and amqp-delete-queue work together', async () => {
  assert.equal((await mustRun('amqp-declare-queue', ['-q', 'tools-1', '-d'])).trim(), 'tools-1')
  await mustRun('amqp-publish', ['-r', 'tools-1', '-p', '-C', 'text/plain', '-b', 'hello'])
  assert.equal(await mustRun('amqp-get', ['-q', 'tools-1']), 'hello')
  const empty = await tool('amqp-get', ['-q', 'tools-1'])
  assert.equal(empty.code, 2, 'an empty queue has its own exit code')
  await mustRun('amqp-publish', ['-r', 'tools-1', '-b', 'left'])
  assert.equal((await mustRun('amqp-delete-queue', ['-q', 'tools-1'])).trim(), '1')
})

toolTest('amqp-consume gives each message to a program and settles it', async () => {
  await mustRun('amqp-declare-queue', ['-q', 'tools-2', '-d'])
  const lines = Array.from({ length: 20 }, (_, number) => `line ${number}`)
  await mustRun('amqp-publish', ['-r', 'tools-2', '-p', '-l'], `${lines.join('\n')}\n`)
  const output = await mustRun('amqp-consume', ['-q', 'tools-2', '-c', '20', '-p', '5', 'cat'])
  assert.equal(output, lines.map((line) => `${line}\n`).join(''))
  assert.equal((await mustRun('amqp-delete-queue', ['-q', 'tools-2'])).trim(), '0')
})

toolTest('amqp-consume with an exchange of its own gets what is published to it', async () => {
  const consumer = startProgram('amqp-consume', ['--url', broker.url, '-e', 'amq.topic', '-r', 'order.*.created', '-c', '2', 'cat'])
  try {
    // The program says when its queue is bound; only then is it worth publishing.
    await consumer.waitFor(/Server provided queue name: \S+/, 30_000)
    for (const key of ['order.eu.paid', 'order.eu.created', 'order.us.created']) {
      await mustRun('amqp-publish', ['-e', 'amq.topic', '-r', key, '-b', `<${key}>`])
    }
    await consumer.waitFor(/<order\.eu\.created><order\.us\.created>/, 30_000)
    assert.equal(await consumer.ended, 0)
  } finally {
    await consumer.stop({ signal: 'SIGKILL' })
  }
})

toolTest('a message that a killed amqp-consume had not settled comes again', async () => {
  await mustRun('amqp-declare-queue', ['-q', 'tools-3', '-d'])
  await mustRun('amqp-publish', ['-r', 'tools-3', '-p', '-b', 'once more'])
  const consumer = startProgram('amqp-consume', ['--url', broker.url, '-q', 'tools-3', '-c', '1', 'sh', '-c', 'echo taken; exec sleep 60'])
  await consumer.waitFor(/taken/, 30_000)
  await consumer.stop({ signal: 'SIGKILL' })
  assert.equal(await mustRun('amqp-consume', ['-q', 'tools-3', '-c', '1', 'cat']), 'once more')
  await mustRun('amqp-delete-queue', ['-q', 'tools-3'])
})

toolTest('amqp-publish and amqp-get move a mebibyte', async () => {
  await mustRun('amqp-declare-queue', ['-q', 'tools-4', '-d'])
  const body = 'abcdefghijklmnop'.repeat(1 << 16)
  await mustRun('amqp-publish', ['-r', 'tools-4', '-p'], body)
  assert.equal((await mustRun('amqp-get', ['-q', 'tools-4'])) === body, true)
  await mustRun('amqp-delete-queue', ['-q', 'tools-4'])
})

toolTest('what amqp-publish left is there after the broker was stopped and started again', async () => {
  await mustRun('amqp-declare-queue', ['-q', 'tools-5', '-d'])
  await mustRun('amqp-publish', ['-r', 'tools-5', '-p', '-l'], 'one\ntwo\nthree\n')
  await broker.restart()
  assert.equal(await mustRun('amqp-consume', ['-q', 'tools-5', '-c', '3', 'cat']), 'one\ntwo\nthree\n')
})

toolTest('amqp-get says why when the queue is missing', async () => {
  const result = await tool('amqp-get', ['-q', 'tools-missing'])
  assert.notEqual(result.code, 0)
  assert.match(result.stderr, /404|NOT_FOUND/)
})
