/**
 * `npm run build`: compiles `src` to JavaScript and declarations in `dist`, which is what the published package holds.
 */

import { spawnSync } from 'node:child_process'
import { chmodSync, readFileSync, rmSync } from 'node:fs'
import { resolve } from 'node:path'

const ROOT = resolve(import.meta.dirname, '..')
const COMPILER = resolve(ROOT, 'node_modules/typescript/bin/tsc')

rmSync(resolve(ROOT, 'dist'), { recursive: true, force: true })
const compiled = spawnSync(process.execPath, [COMPILER, '--project', 'tsconfig.build.json'], { cwd: ROOT, stdio: 'inherit' })

if (compiled.status !== 0) process.exitCode = compiled.status ?? 1
else {
  const manifest = JSON.parse(readFileSync(resolve(ROOT, 'package.json'), 'utf8')) as { bin: Record<string, string> }
  for (const path of Object.values(manifest.bin)) chmodSync(resolve(ROOT, path), 0o755)
}
