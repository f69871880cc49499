/**
 * Small projects in a temporary folder, into which a test plants the mistake that a check must find.
 */

import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import type { TestContext } from 'node:test'

/** The root of this project. */
export const PROJECT_ROOT = resolve(import.meta.dirname, '../..')

/** A tree that breaks no rule: two layers, the server, the command line, the door, tests and a file that supports one. */
const CLEAN_TREE: Readonly<Record<string, string>> = {
  'package.json': '{ "name": "planted", "type": "module" }',
  'src/base/assert.ts': 'export function assert(held: boolean): void {\n  if (!held) throw new Error()\n}\n',
  'src/base/assert.test.ts': "import { assert } from './assert.ts'\nassert(true)\n",
  'src/broker/queue.ts': "import { assert } from '../base/assert.ts'\nexport class Queue {\n  put(): void {\n    assert(true)\n  }\n}\n",
  'src/server.ts': "import 'node:fs'\nimport { Queue } from './broker/queue.ts'\nnew Queue().put()\n",
  'src/index.ts': "export { Queue } from './broker/queue.ts'\n",
  'src/cli/main.ts': "import { assert } from '../base/assert.ts'\nassert(true)\n",
  'test/server/server.test.ts': "import '../../src/server.ts'\nimport { PORT } from './port.ts'\nvoid PORT\n",
  'test/server/port.ts': 'export const PORT = 5672\n',
}

/** Writes the clean tree with some files added, changed (a text) or removed (undefined); gone when the test ends. */
export function plantTree(t: TestContext, changes: Readonly<Record<string, string | undefined>> = {}): string {
  const root = mkdtempSync(join(tmpdir(), 'waybill-planted-'))
  t.after(() => rmSync(root, { recursive: true, force: true }))
  for (const [path, text] of Object.entries({ ...CLEAN_TREE, ...changes })) {
    if (text === undefined) continue
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  return root
}

/** Plants a tree that this project's compiler, linter and formatter settings apply to. */
export function plantConfiguredTree(t: TestContext, changes: Readonly<Record<string, string | undefined>>): string {
  const root = plantTree(t, changes)
  for (const name of ['tsconfig.json', 'eslint.config.js', '.prettierrc.json', '.prettierignore'])
    cpSync(join(PROJECT_ROOT, name), join(root, name))
  symlinkSync(join(PROJECT_ROOT, 'node_modules'), join(root, 'node_modules'))
  return root
}

/** Runs a program of this project's packages or tools in a folder; the output is both streams. */
export async function runNode(folder: string, ...parameters: readonly string[]): Promise<{ code: number; output: string }> {
  return await new Promise((resolved) => {
    execFile(process.execPath, parameters, { cwd: folder, encoding: 'utf8', timeout: 120_000 }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1
      resolved({ code, output: stdout + stderr })
    })
  })
}
