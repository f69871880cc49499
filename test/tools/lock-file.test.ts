import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { PROJECT_ROOT } from './planted-tree.ts'

interface LockedPackage {
  readonly version?: string
  readonly resolved?: string
  readonly integrity?: string
  readonly hasInstallScript?: boolean
  readonly dependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

const LOCK = JSON.parse(readFileSync(join(PROJECT_ROOT, 'package-lock.json'), 'utf8')) as { packages: Record<string, LockedPackage> }
const MANIFEST = JSON.parse(readFileSync(join(PROJECT_ROOT, 'package.json'), 'utf8')) as {
  allowScripts: Record<string, boolean>
  devDependencies: Record<string, string>
}
const LOCKED = Object.entries(LOCK.packages).filter(([path]) => path !== '')

/** Where Node.js would look for a package that another one needs: in its own folder, then further up. */
function findLocked(path: string, name: string): LockedPackage | undefined {
  const parts = path.split('/node_modules/')
  for (let depth = parts.length; depth >= 0; depth--) {
    const found =
      LOCK.packages[[...parts.slice(0, depth), `node_modules/${name}`].join('/').replace(/^node_modules\/node_modules/, 'node_modules')]
    if (found !== undefined) return found
  }
  return LOCK.packages[`node_modules/${name}`]
}

test('the lock file names no registry and holds the hash of every package', () => {
  assert.deepEqual(
    LOCKED.filter(([, locked]) => locked.resolved !== undefined).map(([path]) => path),
    [],
  )
  assert.deepEqual(
    LOCKED.filter(([, locked]) => locked.integrity === undefined).map(([path]) => path),
    [],
  )
})

test('the lock file holds every package that another needs, those of other platforms too', () => {
  const missing: string[] = []
  for (const [path, locked] of LOCKED) {
    for (const name of Object.keys({ ...locked.dependencies, ...locked.optionalDependencies })) {
      if (findLocked(path, name) === undefined) missing.push(`${path} needs ${name}`)
    }
  }
  assert.deepEqual(missing, [])
})

test('only the packages that package.json allows run a script when they are installed', () => {
  const running = LOCKED.filter(([, locked]) => locked.hasInstallScript === true).map(([path]) => path.replace(/^.*node_modules\//, ''))
  assert.deepEqual(running, Object.keys(MANIFEST.allowScripts))
})

test('the Node.js of the checkout is pinned to one version', () => {
  assert.match(MANIFEST.devDependencies['node'] ?? '', /^\d+\.\d+\.\d+$/)
  assert.equal(LOCK.packages['node_modules/node']?.version, MANIFEST.devDependencies['node'])
  assert.equal(process.versions.node, MANIFEST.devDependencies['node'], 'the tests run with it')
})
