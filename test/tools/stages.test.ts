import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { PROJECT_ROOT } from './planted-tree.ts'

/** Runs `npm test` on planted test files; inside a test, the variables by which Node's runner finds its parent must go. */
async function runPlanted(t: TestContext, text: string, ...flags: readonly string[]): Promise<{ code: number; lines: string[] }> {
  const folder = mkdtempSync(join(tmpdir(), 'waybill-stage-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, 'planted.test.ts')
  writeFileSync(
    path,
    `import assert from 'node:assert/strict'\nimport { describe, test } from 'node:test'\nvoid [assert, describe, test]\n${text}\n`,
  )
  const { NODE_TEST_CONTEXT: _context, ...environment } = process.env
  return await new Promise((resolve) => {
    const parameters = [join(PROJECT_ROOT, 'tools/test.ts'), path, ...flags]
    execFile(process.execPath, parameters, { env: environment, encoding: 'utf8', timeout: 60_000 }, (error, stdout) => {
      resolve({ code: error === null ? 0 : Number(error.code), lines: stdout.trimEnd().split('\n') })
    })
  })
}

/** What a test file does, and the exit code and last line that must follow. */
for (const [promise, text, code, last] of [
  [
    'counts passed tests, nested ones too, and no suites',
    "describe('suite', () => { test('a', () => {}); test('b', async (t) => { await t.test('c', () => {}) }) })",
    0,
    '3 passed, 0 failed',
  ],
  [
    'counts a failed assertion once',
    "test('a', async (t) => { await t.test('b', () => { assert.equal(1, 2) }) })",
    1,
    '0 passed, 1 failed',
  ],
  ['counts a skipped test apart', "test('a', (t) => { t.skip('no disk') }); test('b', () => {})", 0, '1 passed, 0 failed, 1 skipped'],
  ['fails on a test that is to be done', "test('a', { todo: true }, () => {})", 1, '0 passed, 1 failed'],
  ['fails on a file without a test', '', 1, '0 passed, 1 failed'],
  ['fails on a file that cannot be loaded', "test('a', () => {})\nthrow new Error('planted')", 1, '0 passed, 1 failed'],
  ['fails on a process that ends too early', "test('a', () => { process.exit(3) })", 1, '0 passed, 1 failed'],
  [
    'fails on an error that nobody waits for',
    "test('a', () => {}); setTimeout(() => { throw new Error('late') }, 50)",
    1,
    '1 passed, 1 failed',
  ],
] as const) {
  test(`npm test ${promise}`, async (t) => {
    const result = await runPlanted(t, text)
    assert.deepEqual([result.lines.at(-1), result.code], [last, code], result.lines.join('\n'))
  })
}

test('npm test stops a stage at its time limit and ends what it left behind', async (t) => {
  const hang =
    "test('a', async () => { (await import('node:child_process')).spawn('sleep', ['600'], { detached: true, stdio: 'ignore' }).unref(); await new Promise(() => setInterval(() => {}, 1000)) })"
  const result = await runPlanted(t, hang, '--limit', '2')
  const text = result.lines.join('\n')
  assert.equal(result.code, 1, text)
  assert.match(text, /stopped after its time limit of 2 s/)
  assert.match(text, /ended a process that outlived its test: sleep 600/)
})

test('npm test says why a test was skipped', async (t) => {
  const result = await runPlanted(t, "test('needs a peer', (t) => { t.skip('rabbitmq-server: not installed') })")
  assert.match(result.lines.join('\n'), /^skipped: \[files\] needs a peer .*: rabbitmq-server: not installed$/m)
})
