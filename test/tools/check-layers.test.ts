import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { checkDeadCode, checkLayers } from '../../tools/house-checks.ts'
import { HOUSE_RULES, withoutExceptions, type HouseRules } from '../../tools/house-rules.ts'
import { readSourceTree } from '../../tools/source-tree.ts'
import { formatViolations } from '../../tools/violation.ts'
import { plantTree, PROJECT_ROOT, runNode } from './planted-tree.ts'

type Changes = Readonly<Record<string, string | undefined>>

function check(t: TestContext, changes: Changes = {}, rules: Partial<HouseRules> = {}): string[] {
  const tree = readSourceTree(plantTree(t, changes))
  const applied = { ...withoutExceptions(HOUSE_RULES), ...rules }
  return formatViolations([...checkLayers(tree, applied), ...checkDeadCode(tree, applied)])
}

function lines(count: number): string {
  return Array.from({ length: count }, (_, index) => `// ${index}\n`).join('')
}

test('a clean tree has no violation', (t) => {
  assert.deepEqual(check(t), [])
})

/** Each planted mistake, and the whole list of violations it must lead to. */
const PLANTED: readonly { readonly name: string; readonly changes: Changes; readonly expected: readonly string[] }[] = [
  {
    name: 'an import upwards',
    changes: {
      'src/base/assert.ts':
        "import { PORT } from '../broker/port.ts'\nexport const assert = (held: boolean): number => (held ? PORT : 0)\n",
      'src/broker/port.ts': 'export const PORT = 1\n',
    },
    expected: ['src/base/assert.ts:1: layer: base may not import broker (src/broker/port.ts)'],
  },
  {
    name: 'an upward import of types only',
    changes: {
      'src/base/assert.ts':
        "import type { Port } from '../broker/port.ts'\nexport const assert = (held: boolean | Port): void => void held\n",
      'src/broker/port.ts': 'export interface Port {}\n',
    },
    expected: ['src/base/assert.ts:1: layer: base may not import broker (src/broker/port.ts)'],
  },
  {
    name: 'a dynamic import upwards',
    changes: {
      'src/base/assert.ts':
        "export const assert = async (held: boolean): Promise<unknown> => held && (await import('../broker/port.ts'))\n",
      'src/broker/port.ts': 'void 0\n',
    },
    expected: ['src/base/assert.ts:1: layer: base may not import broker (src/broker/port.ts)'],
  },
  {
    name: 'one protocol that imports another',
    changes: {
      'src/protocols/stomp/session.ts': "import { FRAME } from '../mqtt/frame.ts'\nexport const SESSION = FRAME\n",
      'src/protocols/mqtt/frame.ts': 'export const FRAME = 1\n',
      'src/index.ts': "export { SESSION } from './protocols/stomp/session.ts'\nexport { Queue } from './broker/queue.ts'\n",
    },
    expected: [
      'src/index.ts:1: layer: index.ts may not import protocols/stomp (src/protocols/stomp/session.ts)',
      'src/protocols/stomp/session.ts:1: layer: protocols/stomp may not import protocols/mqtt (src/protocols/mqtt/frame.ts)',
    ],
  },
  {
    name: 'a protocol that knows the storage',
    changes: {
      'src/protocols/stomp/session.ts': "import { DISK } from '../../storage/disk.ts'\nexport const SESSION = DISK\n",
      'src/storage/disk.ts': 'export const DISK = 1\n',
      'src/cli/main.ts': "import { SESSION } from '../protocols/stomp/session.ts'\nvoid SESSION\n",
    },
    expected: ['src/protocols/stomp/session.ts:1: layer: protocols/stomp may not import storage (src/storage/disk.ts)'],
  },
  {
    name: 'an import of the server',
    changes: { 'src/cli/main.ts': "import '../server.ts'\n" },
    expected: ['src/cli/main.ts:1: layer: cli may not import server.ts (src/server.ts)'],
  },
  {
    name: 'a product file that imports test code',
    changes: { 'src/cli/main.ts': "import { PORT } from '../../test/server/port.ts'\nvoid PORT\n" },
    expected: ['src/cli/main.ts:1: layer: cli may not import test/server/port.ts, which is no part of the product'],
  },
  {
    name: 'a folder that is no layer',
    changes: {
      'src/engine/wheel.ts': 'export const WHEEL = 1\n',
      'src/cli/main.ts': "import { WHEEL } from '../engine/wheel.ts'\nvoid WHEEL\n",
    },
    expected: ['src/engine/wheel.ts: layer: stands in no layer; the layers are rows of tools/house-rules.ts'],
  },
  {
    name: 'an import of a file that is not there',
    changes: { 'src/cli/main.ts': "import { X } from './missing.ts'\nvoid X\n" },
    expected: ['src/cli/main.ts:1: layer: imports ./missing.ts, which is not there'],
  },
  {
    name: 'a package that is only a development dependency',
    changes: { 'src/cli/main.ts': "import fastCheck from 'fast-check'\nimport { readFile } from 'fs'\nvoid [fastCheck, readFile]\n" },
    expected: [
      'src/cli/main.ts:1: package: imports "fast-check", which is no dependency in package.json',
      'src/cli/main.ts:2: package: imports "fs", which is no dependency in package.json',
    ],
  },
  {
    name: 'a circle of three files',
    changes: {
      'src/base/a.ts': "import { B } from './b.ts'\nexport const A = B\n",
      'src/base/b.ts': "import { C } from './c.ts'\nexport const B: number = C\n",
      'src/base/c.ts': "import { A } from './a.ts'\nexport const C: number = A\n",
      'src/cli/main.ts': "import { A } from '../base/a.ts'\nvoid A\n",
    },
    expected: ['src/base/a.ts: cycle: imports go in a circle: src/base/a.ts -> src/base/b.ts -> src/base/c.ts -> src/base/a.ts'],
  },
  {
    name: 'a circle of types between folders',
    changes: {
      'src/base/a.ts': "import type { B } from './inner/b.ts'\nexport const A: B = 1\n",
      'src/base/inner/b.ts': "import type { A } from '../a.ts'\nexport type B = number | typeof A\n",
      'src/cli/main.ts': "import { A } from '../base/a.ts'\nvoid A\n",
    },
    expected: ['src/base/a.ts: cycle: imports go in a circle: src/base/a.ts -> src/base/inner/b.ts -> src/base/a.ts'],
  },
  {
    name: 'a circle of types within a folder, which is allowed',
    changes: {
      'src/base/a.ts': "import type { B } from './b.ts'\nexport const A: B = 1\n",
      'src/base/b.ts': "import type { A } from './a.ts'\nexport type B = number | typeof A\n",
      'src/cli/main.ts': "import { A } from '../base/a.ts'\nvoid A\n",
    },
    expected: [],
  },
  {
    name: 'a file that imports itself',
    changes: { 'src/cli/main.ts': "import './main.ts'\n" },
    expected: ['src/cli/main.ts: cycle: imports go in a circle: src/cli/main.ts -> src/cli/main.ts'],
  },
  {
    name: 'a file of 601 lines',
    changes: { 'src/cli/main.ts': lines(601) },
    expected: ['src/cli/main.ts: file-size: has 601 lines, more than 600'],
  },
  {
    name: 'a function of 71 lines',
    changes: { 'src/cli/main.ts': `const endless = (): void => {\n${lines(69)}}\nendless()\n` },
    expected: ['src/cli/main.ts:1: function-size: endless has 71 lines, more than 70'],
  },
  {
    name: 'a folder name that says nothing',
    changes: { 'src/base/utils/wheel.ts': 'void 0\n', 'src/cli/main.ts': "import '../base/utils/wheel.ts'\n" },
    expected: ['src/base/utils/wheel.ts: name: "utils" says nothing: what is the noun?'],
  },
  {
    name: 'a file name that says nothing',
    changes: { 'src/base/queue-manager.ts': 'void 0\n', 'src/cli/main.ts': "import '../base/queue-manager.ts'\n" },
    expected: ['src/base/queue-manager.ts: name: "manager" says nothing: what is the noun?'],
  },
  {
    name: 'a file name that is not kebab-case',
    changes: { 'src/base/bigWheel.ts': 'void 0\n', 'src/cli/main.ts': "import '../base/bigWheel.ts'\n" },
    expected: ['src/base/bigWheel.ts: name: is not kebab-case'],
  },
  {
    name: 'an inner door by name',
    changes: { 'src/base/index.ts': 'export const DOOR = 1\n', 'src/cli/main.ts': "import { DOOR } from '../base/index.ts'\nvoid DOOR\n" },
    expected: ['src/base/index.ts: barrel: only src/index.ts may pass on what others export'],
  },
  {
    name: 'an inner door by what it does',
    changes: {
      'src/base/door.ts': "export * from './assert.ts'\n",
      'src/cli/main.ts': "import { assert } from '../base/door.ts'\nassert(true)\n",
    },
    expected: ['src/base/door.ts: barrel: only src/index.ts may pass on what others export'],
  },
  {
    name: 'a default export',
    changes: {
      'src/base/wheel.ts': 'export default function wheel(): void {}\n',
      'src/cli/main.ts': "import wheel from '../base/wheel.ts'\nwheel()\n",
    },
    expected: ['src/base/wheel.ts:1: default-export: exports have names'],
  },
  {
    name: 'a file that nothing reaches',
    changes: { 'src/base/wheel.ts': 'void 0\n', 'test/server/lost.ts': 'void 0\n' },
    expected: [
      'src/base/wheel.ts: dead-file: no program, no door and no test reaches it',
      'test/server/lost.ts: dead-file: no program, no door and no test reaches it',
    ],
  },
  {
    name: 'a product file that only its test reaches',
    changes: { 'src/base/wheel.ts': 'void 0\n', 'src/base/wheel.test.ts': "import './wheel.ts'\n" },
    expected: ['src/base/wheel.ts: dead-file: only tests or tools reach it, and it stands in the product'],
  },
  {
    name: 'an export that nobody uses',
    changes: { 'test/server/port.ts': 'export const PORT = 5672\nexport const SECURE_PORT = 5671\nexport interface Unused {}\n' },
    expected: [
      'test/server/port.ts:2: dead-export: no other file uses SECURE_PORT',
      'test/server/port.ts:3: dead-export: no other file uses Unused',
    ],
  },
  {
    name: 'an export of the product that only a test uses',
    changes: {
      'src/base/assert.ts': 'export function assert(held: boolean): void {\n  if (!held) throw new Error()\n}\nexport const SPARE = 1\n',
      'src/base/assert.test.ts': "import { SPARE } from './assert.ts'\nvoid SPARE\n",
    },
    expected: ['src/base/assert.ts:4: dead-export: only tests or tools use SPARE, and it stands in the product'],
  },
  {
    name: 'a method that nothing calls',
    changes: { 'src/broker/queue.ts': 'export class Queue {\n  put(): void {}\n  purgeSlowly(): void {}\n}\n' },
    expected: ['src/broker/queue.ts:3: dead-member: nothing uses Queue.purgeSlowly'],
  },
  {
    name: 'a limit that nothing obeys',
    changes: {
      'src/base/limits.ts': 'export const LIMITS = {\n  nameSizeMax: 255,\n  spareMax: 1,\n} as const\nvoid LIMITS.spareMax\n',
      'src/cli/main.ts': "import { LIMITS } from '../base/limits.ts'\nvoid LIMITS.nameSizeMax\n",
    },
    expected: ['src/base/limits.ts:3: dead-member: nothing uses LIMITS.spareMax'],
  },
]

for (const planted of PLANTED) {
  test(`finds ${planted.name}`, (t) => {
    assert.deepEqual(check(t, planted.changes), planted.expected)
  })
}

test('a package that is a dependency may be imported', (t) => {
  const manifest = '{ "dependencies": { "yaml": "2", "@scope/name": "1" } }'
  const changes = {
    'package.json': manifest,
    'src/cli/main.ts': "import { parse } from 'yaml'\nimport x from '@scope/name/deep.js'\nvoid [parse, x]\n",
  }
  assert.deepEqual(check(t, changes), [])
})

test('a file that a string names is reached', (t) => {
  const changes = {
    'test/server/worker.ts': 'void 0\n',
    'test/server/port.ts': "export const PORT = new URL('./worker.ts', import.meta.url)\n",
  }
  assert.deepEqual(check(t, changes), [])
})

test('an exception silences what it names and nothing else', (t) => {
  const reason = 'planted'
  const changes = {
    'src/cli/main.ts': `import '../server.ts'\nimport { assert } from '../base/assert.ts'\nassert(true)\nconst endless = (): void => {\n${lines(69)}}\nendless()\n`,
    'src/base/long.ts': lines(601),
    'src/base/assert.ts':
      "import './long.ts'\nexport function assert(held: boolean): void {\n  if (!held) throw new Error()\n}\nexport const SPARE = 1\n",
    'src/broker/queue.ts': 'export class Queue {\n  put(): void {}\n  spare(): void {}\n}\n',
    'src/base/planted.ts': 'export const PLANTED = 1\n',
    'src/base/planted.test.ts': "import { PLANTED } from './planted.ts'\nvoid PLANTED\n",
  }
  const rules = {
    edgeExceptions: [{ path: 'src/cli/main.ts', target: 'src/server.ts', reason }],
    fileExceptions: [{ path: 'src/base/long.ts', reason }],
    functionExceptions: [{ path: 'src/cli/main.ts', name: 'endless', reason }],
    testOnly: [{ path: 'src/base/planted.ts', reason }],
    unusedExports: [{ path: 'src/base/assert.ts#SPARE', reason }],
    unusedMembers: [{ path: 'src/broker/queue.ts#spare', reason }],
  }
  assert.deepEqual(check(t, changes, rules), [])
})

test('an exception that is no longer needed is a violation', (t) => {
  const reason = 'planted'
  const rules = {
    edgeExceptions: [{ path: 'src/cli/main.ts', target: 'src/server.ts', reason }],
    fileExceptions: [{ path: 'src/server.ts', reason }],
    functionExceptions: [{ path: 'src/server.ts', name: 'start', reason }],
    testOnly: [
      { path: 'src/base/assert.ts', reason },
      { path: 'src/base/gone.ts', reason },
    ],
    unusedExports: [{ path: 'src/base/assert.ts#assert', reason }],
    unusedMembers: [{ path: 'src/broker/queue.ts#put', reason }],
  }
  assert.deepEqual(check(t, {}, rules), [
    'src/base/assert.ts: exception: the product reaches it, so its exception is no longer needed',
    'src/base/assert.ts:1: exception: the exception for assert is no longer needed',
    'src/base/gone.ts: exception: the file of this exception is not there',
    'src/broker/queue.ts:3: exception: the exception for put is no longer needed',
    'src/cli/main.ts: exception: the exception for importing src/server.ts is no longer needed',
    'src/server.ts: exception: the exception for its size is no longer needed (3 lines)',
    'src/server.ts: exception: the exception for the size of start is no longer needed',
  ])
})

for (const [tool, changes] of [
  ['tools/check-layers.ts', { 'src/cli/main.ts': "import '../server.ts'\n" }],
  ['tools/check-dead-code.ts', { 'test/server/port.ts': 'export const PORT = 1\nexport const SPARE = 2\n' }],
] as const) {
  test(`${tool} ends with 0 on a clean tree and with 1 on a planted violation`, async (t) => {
    const clean = await runNode(PROJECT_ROOT, join(PROJECT_ROOT, tool), plantTree(t))
    assert.equal(clean.code, 0, clean.output)
    const broken = await runNode(PROJECT_ROOT, join(PROJECT_ROOT, tool), plantTree(t, changes))
    assert.equal(broken.code, 1, broken.output)
    assert.match(broken.output, /, 1 violations$/m)
  })
}
