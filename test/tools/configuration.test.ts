import assert from 'node:assert/strict'
import { test } from 'node:test'
import { plantConfiguredTree, PROJECT_ROOT, runNode } from './planted-tree.ts'

const ESLINT = ['node_modules/eslint/bin/eslint.js', '--max-warnings', '0'] as const
const COMPILER = ['node_modules/typescript/bin/tsc', '--noEmit'] as const
const FORMATTER = ['node_modules/prettier/bin/prettier.cjs', '--check', '.'] as const

const CLEAN = `export async function wait(): Promise<number> {
  return await Promise.resolve(1)
}
`

for (const [name, text, rule] of [
  ['a promise that nobody waits for', 'export function start(): void {\n  Promise.resolve(1)\n}\n', 'no-floating-promises'],
  ['a promise where a condition is wanted', "export const text = Promise.resolve(true) ? 'yes' : 'no'\n", 'no-misused-promises'],
  ['any', 'export const anything: any = 1\n', 'no-explicit-any'],
  ['an error that is none', "export function stop(): void {\n  throw 'text'\n}\n", 'only-throw-error'],
  ['a silenced compiler', "// @ts-expect-error planted\nexport const count: number = 'one'\n", 'ban-ts-comment'],
  ['a loose comparison', 'export const isSame = (a: number, b: number): boolean => a == b\n', 'eqeqeq'],
] as const) {
  test(`lint fails on ${name}`, async (t) => {
    const broken = await runNode(plantConfiguredTree(t, { 'src/base/planted.ts': text }), ...ESLINT, 'src/base/planted.ts')
    assert.equal(broken.code, 1, broken.output)
    assert.match(broken.output, new RegExp(rule))
    assert.match(broken.output, /✖ 1 problem/)
  })
}

test('lint passes a clean file and a test that the runner waits for', async (t) => {
  const root = plantConfiguredTree(t, {
    'src/base/planted.ts': CLEAN,
    'src/base/planted.test.ts': "import { test } from 'node:test'\n\ntest('waits', async () => {})\n",
  })
  const clean = await runNode(root, ...ESLINT, 'src/base/planted.ts', 'src/base/planted.test.ts')
  assert.equal(clean.code, 0, clean.output)
})

for (const [name, text, code] of [
  ['an enum', 'export enum Color {\n  Red,\n}\n', 'TS1294'],
  ['a parameter property', 'export class Queue {\n  constructor(readonly name: string) {}\n}\n', 'TS1294'],
  ['an index that may be out of range', 'export const first = (list: readonly number[]): number => list[0]\n', 'TS2322'],
  ['a missing override', 'export class A {\n  put(): void {}\n}\nexport class B extends A {\n  put(): void {}\n}\n', 'TS4114'],
  ['an import of a type as a value', "import { BigIntStats } from 'node:fs'\nexport type Size = BigIntStats['size']\n", 'TS1484'],
] as const) {
  test(`the compiler refuses ${name}`, async (t) => {
    const broken = await runNode(plantConfiguredTree(t, { 'src/base/planted.ts': text }), ...COMPILER)
    assert.notEqual(broken.code, 0, broken.output)
    assert.match(broken.output, new RegExp(`src/base/planted.ts.*${code}`))
  })
}

test('the formatter refuses a file that it would write otherwise', async (t) => {
  const broken = await runNode(plantConfiguredTree(t, { 'src/base/planted.ts': 'export const a = "a";\n' }), ...FORMATTER)
  assert.equal(broken.code, 1, broken.output)
  assert.match(broken.output, /src\/base\/planted\.ts/)
})

for (const [version, isEnough] of [
  ['18.19.0', false],
  ['24.5.0', false],
  ['24.6.0', true],
  ['26.0.0', true],
] as const) {
  test(`a program of the checkout ${isEnough ? 'runs' : 'says in one sentence what is wrong'} on Node.js ${version}`, async () => {
    const program = `Object.defineProperty(process.versions, 'node', { value: '${version}' }); await import('./tools/node-version.mjs'); console.log('runs')`
    const result = await runNode(PROJECT_ROOT, '--input-type=module', '--eval', program)
    if (isEnough) assert.deepEqual(result, { code: 0, output: 'runs\n' })
    else {
      assert.equal(result.code, 78)
      assert.match(
        result.output,
        new RegExp(`^waybill: the checkout needs Node\\.js 24\\.6 or later and this is ${version.replaceAll('.', '\\.')}: .*\\n$`),
      )
    }
  })
}
