import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { test } from 'node:test'
import { stageFiles } from '../../tools/stage-run.ts'
import { STAGES } from '../../tools/stages.ts'
import { compileSnippets, documents, documentSnippets, exampleSnippets, ROOT } from './snippet.ts'

const MANIFEST = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: Record<string, string> }

function linesOf(path: string): string[] {
  return readFileSync(join(ROOT, path), 'utf8').split('\n')
}

/** What a heading is called in a link to it. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-')
}

test('every link between documents leads to a file, and to a heading of it', () => {
  const broken: string[] = []
  for (const path of documents()) {
    const text = readFileSync(join(ROOT, path), 'utf8').replaceAll(/^```[\s\S]*?^```/gm, '')
    for (const [, link = ''] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(link)) continue
      const [file = '', anchor] = link.split('#')
      const target = file === '' ? path : join(dirname(path), file)
      if (!existsSync(join(ROOT, target))) broken.push(`${path}: ${link}`)
      else if (anchor !== undefined && target.endsWith('.md')) {
        const headings = linesOf(target)
          .filter((line) => line.startsWith('#'))
          .map((line) => anchorOf(line.replace(/^#+ /, '')))
        if (!headings.includes(anchor)) broken.push(`${path}: ${link}`)
      }
    }
  }
  assert.deepEqual(broken, [])
})

test('every npm command that a document shows is a script of the package', () => {
  const unknown: string[] = []
  for (const path of documents()) {
    const text = readFileSync(join(ROOT, path), 'utf8')
    for (const [, name = ''] of text.matchAll(/\bnpm run ([\w:-]+)/g))
      if (!(name in MANIFEST.scripts)) unknown.push(`${path}: npm run ${name}`)
  }
  assert.deepEqual(unknown, [])
})

test('every program that a script starts is there', () => {
  const words = Object.values(MANIFEST.scripts).flatMap((script) => script.split(' '))
  const programs = words.filter((word) => /\.(ts|mjs)$|^\.ci\//.test(word))
  assert.deepEqual(
    programs.filter((path) => !existsSync(join(ROOT, path))),
    [],
  )
})

test('every stage and file that a document gives to npm test exists', () => {
  const unknown: string[] = []
  for (const path of documents()) {
    for (const [, words = ''] of readFileSync(join(ROOT, path), 'utf8').matchAll(/npm test -- ([^`|#\n]+)/g)) {
      for (const word of words.trim().split(/\s+/)) {
        if (word.startsWith('-')) break
        const isKnown = word.endsWith('.ts') ? existsSync(join(ROOT, word)) : STAGES.some((stage) => stage.name === word)
        if (!isKnown) unknown.push(`${path}: npm test -- ${word}`)
      }
    }
  }
  assert.deepEqual(unknown, [])
})

test('every path in code quotes of a document is there', () => {
  const missing: string[] = []
  for (const path of documents()) {
    for (const [, quoted = ''] of readFileSync(join(ROOT, path), 'utf8').matchAll(
      /`((?:src|test|tools|bench|docs|examples)\/[\w./-]+)`/g,
    )) {
      if (!existsSync(join(ROOT, quoted))) missing.push(`${path}: ${quoted}`)
    }
  }
  assert.deepEqual(missing, [])
})

test('every TypeScript snippet of a document compiles', () => {
  assert.deepEqual(compileSnippets(documents().flatMap(documentSnippets)), [])
})

test('every example in a TSDoc comment compiles', () => {
  assert.deepEqual(compileSnippets(exampleSnippets()), [])
})

test('a snippet that does not compile is found', () => {
  const planted = [
    {
      origin: 'planted.md:1',
      path: 'planted.md.1.ts',
      text: "import { readFileSync } from 'node:fs'\nconst size: string = readFileSync('x').length\n",
    },
    {
      origin: 'src/base/clock.ts:1',
      path: 'src/base/planted.example-1.ts',
      text: "import { assert } from './assert.ts'\nassert(true, 'held')\n",
    },
  ]
  assert.deepEqual(compileSnippets(planted), ["planted.md:1: Type 'number' is not assignable to type 'string'."])
})

test('every test file belongs to exactly one stage', () => {
  const owners = new Map<string, string[]>()
  for (const stage of STAGES) {
    for (const file of stageFiles(stage, ROOT)) owners.set(relative(ROOT, file), [...(owners.get(relative(ROOT, file)) ?? []), stage.name])
  }
  const files = globSync('{src,test,bench,examples,tools}/**/*.test.ts', { cwd: ROOT })
  assert.deepEqual(
    files.filter((file) => owners.get(file)?.length !== 1),
    [],
  )
})
