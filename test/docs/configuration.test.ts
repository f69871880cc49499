import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { readConfiguration } from '../../src/cli/configuration/read-configuration.ts'
import { EXIT } from '../../src/cli/exit-codes.ts'
import { schemaText, withTable } from '../../tools/configuration-docs.ts'
import { ROOT } from './snippet.ts'

const DOCUMENT = readFileSync(join(ROOT, 'docs/configuration.md'), 'utf8')

test('the published JSON Schema and the table of settings are those of the schema (npm run configuration-docs)', async () => {
  assert.equal(readFileSync(join(ROOT, 'docs/configuration.schema.json'), 'utf8'), await schemaText())
  assert.equal(DOCUMENT, withTable(DOCUMENT))
})

test('the configuration that the document shows is valid', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'waybill-docs-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const yaml = /```yaml\n([\s\S]*?)```/.exec(DOCUMENT)?.[1] ?? ''
  writeFileSync(join(folder, 'waybill.yaml'), yaml)
  const { configuration } = await readConfiguration({ file: 'waybill.yaml', environment: {}, flags: [], folder })
  assert.equal(configuration.data, '/var/lib/waybill')
  assert.deepEqual(Object.keys(configuration.users), ['shop', 'billing'])
  assert.equal(configuration.tls?.certificate, join(folder, 'tls/server.pem'), 'paths are relative to the file')
})

test('every exit code is in the table of the document', () => {
  const rows = DOCUMENT.slice(DOCUMENT.indexOf('## Exit codes'))
  const missing = Object.entries(EXIT).filter(([, code]) => !new RegExp(`^\\|[^|]*\\b${code}\\b`, 'm').test(rows))
  assert.deepEqual(missing, [])
})
