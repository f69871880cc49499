/**
 * Finds the TypeScript that the documentation shows and compiles it against the sources, as if it stood in the project.
 */

import { globSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import ts from 'typescript'
import { readSourceTree } from '../../tools/source-tree.ts'

/** The root of this project. */
export const ROOT = resolve(import.meta.dirname, '../..')

/** A piece of TypeScript in the documentation. */
export interface Snippet {
  /** Where it is shown, as `path:line`. */
  readonly origin: string
  /** The file it is compiled as, beside the one that shows it. */
  readonly path: string
  readonly text: string
}

/** The documents of the project, from its root. */
export function documents(): string[] {
  return globSync(['*.md', 'docs/**/*.md', 'examples/**/*.md', 'bench/**/*.md'], {
    cwd: ROOT,
    exclude: (name) => name === 'node_modules',
  }).sort()
}

/** The `ts` blocks of a document. */
export function documentSnippets(path: string): Snippet[] {
  const snippets: Snippet[] = []
  const text = readFileSync(join(ROOT, path), 'utf8')
  for (const match of text.matchAll(/^```(?:ts|typescript)\n([\s\S]*?)^```$/gm)) {
    const line = text.slice(0, match.index).split('\n').length + 1
    snippets.push({ origin: `${path}:${line}`, path: `${path}.${line}.ts`, text: match[1] ?? '' })
  }
  return snippets
}

/** The `@example` blocks of the TSDoc comments under `src`; each sees what its file exports. */
export function exampleSnippets(): Snippet[] {
  const snippets: Snippet[] = []
  for (const file of readSourceTree(ROOT).files.values()) {
    if (!file.path.startsWith('src/')) continue
    const text = readFileSync(join(ROOT, file.path), 'utf8')
    for (const match of text.matchAll(/@example\b[^\n]*\n\s*\* ```ts\n([\s\S]*?)\n\s*\* ```/g)) {
      const line = text.slice(0, match.index).split('\n').length
      const example = (match[1] ?? '').replaceAll(/^\s*\* ?/gm, '')
      const names = file.exports.filter((found) => new RegExp(`\\b${found.name}\\b`).test(example))
      const imported = names.map((found) => (found.isType ? `type ${found.name}` : found.name)).join(', ')
      snippets.push({
        origin: `${file.path}:${line}`,
        path: file.path.replace(/\.ts$/, `.example-${line}.ts`),
        text: `import { ${imported} } from './${file.path.split('/').at(-1)}'\n${example}\n`,
      })
    }
  }
  return snippets
}

/** Compiles all snippets in one program and returns what the compiler says, as `origin: message`. */
export function compileSnippets(snippets: readonly Snippet[]): string[] {
  const virtual = new Map(snippets.map((snippet) => [join(ROOT, snippet.path), snippet]))
  const { config } = ts.readConfigFile(join(ROOT, 'tsconfig.json'), (path) => ts.sys.readFile(path)) as { config: unknown }
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, ROOT)
  const settings: ts.CompilerOptions = { ...options, noUnusedLocals: false, paths: { waybill: [join(ROOT, 'src/index.ts')] } }
  const host = ts.createCompilerHost(settings)
  const readFile = host.readFile.bind(host)
  const fileExists = host.fileExists.bind(host)
  host.readFile = (path) => virtual.get(path)?.text ?? readFile(path)
  host.fileExists = (path) => virtual.has(path) || fileExists(path)
  host.getSourceFile = (path, version) => {
    const text = host.readFile(path)
    return text === undefined ? undefined : ts.createSourceFile(path, text, version, true)
  }
  const program = ts.createProgram({ rootNames: [...virtual.keys()], options: settings, host })
  const problems: string[] = []
  for (const [path, snippet] of virtual) {
    const source = program.getSourceFile(path)
    if (source === undefined) problems.push(`${snippet.origin}: not compiled`)
    for (const diagnostic of [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)]) {
      problems.push(`${snippet.origin}: ${ts.flattenDiagnosticMessageText(diagnostic.messageText, ' ')}`)
    }
  }
  return problems
}
