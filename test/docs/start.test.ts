import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { startProgram } from '../peers/debian-package.ts'
import { sparePort } from '../peers/spare-port.ts'
import { ROOT } from './snippet.ts'

/** True if somebody accepts a connection on the port. */
async function accepts(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port })
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

test('npm start runs a broker that says where it listens and accepts as soon as it says ready', async (t) => {
  const data = mkdtempSync(join(tmpdir(), 'waybill-start-'))
  t.after(() => rmSync(data, { recursive: true, force: true, maxRetries: 20 }))
  const port = await sparePort()
  const server = startProgram('npm', ['start', '--', '--amqp', String(port), '--data', data], { folder: ROOT })
  try {
    await server.waitFor(/ready/, 30_000)
    assert.match(server.output(), new RegExp(`127\\.0\\.0\\.1:${port}\\b`))
    assert.equal(await accepts(port), true)
  } finally {
    await server.stop()
  }
  // npm may be gone before the broker, which drains first.
  const endMs = performance.now() + 20_000
  while (await accepts(port)) assert.ok(performance.now() < endMs, 'the broker ended with npm')
})
