import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { after, before, test } from 'node:test'
import { runProgram, startProgram } from '../peers/debian-package.ts'
import { sparePort } from '../peers/spare-port.ts'

const ROOT = resolve(import.meta.dirname, '../..')

/** What the installed package finds: this Node.js first, and nothing of the checkout; how registries are reached (certificates) stays. */
const ENVIRONMENT: NodeJS.ProcessEnv = Object.fromEntries(
  Object.entries({ ...process.env, PATH: `${dirname(process.execPath)}:${process.env['PATH'] ?? ''}` }).filter(
    ([name]) => !/^(npm_|INIT_CWD$|NODE_(?!EXTRA_CA_CERTS)|WAYBILL_(?!TEST_RUN))/i.test(name),
  ),
)

let folder = ''
let packed: readonly string[] = []

interface PackReport {
  readonly filename: string
  readonly files: readonly { readonly path: string }[]
}

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'waybill-package-'))
  const pack = await run(ROOT, 'npm', 'pack', '--json', '--silent', '--pack-destination', folder)
  const [report] = JSON.parse(pack.slice(pack.indexOf('[\n'))) as PackReport[]
  assert.ok(report !== undefined, pack)
  packed = report.files.map((file) => file.path)
  writeFileSync(join(folder, 'package.json'), '{ "name": "installs-waybill", "private": true, "type": "module" }')
  await run(folder, 'npm', 'install', '--omit=dev', '--no-audit', '--no-fund', join(folder, report.filename))
})

after(() => rmSync(folder, { recursive: true, force: true }))

async function run(workFolder: string, program: string, ...parameters: readonly string[]): Promise<string> {
  const result = await runProgram(program, parameters, { env: ENVIRONMENT, folder: workFolder, timeoutMs: 180_000 })
  assert.equal(result.code, 0, `${program} ${parameters.join(' ')}\n${result.stdout}\n${result.stderr}`)
  return result.stdout
}

test('the tarball holds compiled JavaScript, declarations and the documents, and nothing else', () => {
  const odd = packed.filter((path) => !/^(dist\/.+(?<!\.test)\.(js|d\.ts)|package\.json|README\.md|CHANGELOG\.md|LICENSE)$/.test(path))
  assert.deepEqual(odd, [])
  for (const path of ['dist/cli/main.js', 'dist/index.js', 'dist/index.d.ts', 'README.md', 'LICENSE'])
    assert.ok(packed.includes(path), `${path} is packed`)
})

test('no packed file names a module of the checkout', () => {
  for (const path of packed.filter((name) => name.endsWith('.js'))) {
    const text = readFileSync(join(folder, 'node_modules/waybill', path), 'utf8')
    assert.doesNotMatch(text, /from '\.[^']*\.ts'|import\('\.[^']*\.ts'\)/, path)
  }
})

test('an application imports the installed package', async () => {
  await run(folder, process.execPath, '--input-type=module', '--eval', "await import('waybill')")
})

test('the installed program starts a broker in an empty folder and ends it on SIGTERM', async () => {
  const port = await sparePort()
  const server = startProgram(
    join(folder, 'node_modules/.bin/waybill'),
    ['serve', '--amqp', String(port), '--data', join(folder, 'data')],
    {
      env: ENVIRONMENT,
      folder,
    },
  )
  try {
    const line = await server.waitFor(/^.*ready.*$/m, 30_000)
    assert.match(line[0], new RegExp(`\\b${port}\\b`), 'the ready line names the port')
  } finally {
    await server.stop()
  }
  assert.equal(await server.ended, 0, server.output())
})
