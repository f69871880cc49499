import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { runProgram } from '../peers/debian-package.ts'

const RUN = fileURLToPath(new URL('../../examples/run.ts', import.meta.url))

test('the flash sale loses nothing of ten thousand orders', async () => {
  const result = await runProgram(process.execPath, [RUN, 'flash-sale'], { timeoutMs: 280_000 })
  assert.equal(result.code, 0, `${result.stdout}\n${result.stderr}`)
  assert.match(result.stdout, /Nothing was lost\./)
})

test('an unknown example is refused with the names of those there are', async () => {
  const result = await runProgram(process.execPath, [RUN, 'no-such-example'])
  assert.equal(result.code, 2)
  assert.match(result.stderr, /flash-sale/)
})
