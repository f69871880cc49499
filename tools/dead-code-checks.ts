/**
 * What nobody reaches or uses: files, exports and members of classes.
 *
 * Use is judged by name: a member counts as used if its name stands anywhere else. That misses some dead code,
 * and never reports code that is alive.
 */

import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { HouseRules } from './house-rules.ts'
import type { Export, Member, SourceFile, SourceTree } from './source-tree.ts'
import type { Violation } from './violation.ts'

/** Reports files that nothing reaches, and files of the product that only tests reach. */
export function checkDeadFiles(tree: SourceTree, rules: HouseRules): Violation[] {
  const entries = findEntries(tree, rules)
  const tests = [...tree.files.values()].filter((file) => file.isTest).map((file) => file.path)
  const fromAnything = reach(tree, [...entries, ...tests])
  const fromProduct = reach(
    tree,
    entries.filter((path) => path.startsWith('src/')),
  )
  const violations: Violation[] = []
  for (const path of tree.files.keys()) {
    const exception = rules.testOnly.find((candidate) => candidate.path === path)
    const isProduct = path.startsWith('src/') && !path.endsWith('.test.ts')
    if (!fromAnything.has(path)) violations.push({ path, rule: 'dead-file', text: 'no program, no door and no test reaches it' })
    else if (isProduct && !fromProduct.has(path) && exception === undefined) {
      violations.push({ path, rule: 'dead-file', text: 'only tests or tools reach it, and it stands in the product' })
    } else if (exception !== undefined && fromProduct.has(path)) {
      violations.push({ path, rule: 'exception', text: 'the product reaches it, so its exception is no longer needed' })
    }
  }
  return [
    ...violations,
    ...missing(
      tree,
      rules.testOnly.map((exception) => exception.path),
    ),
  ]
}

/** The programs and doors of the project: those the rules name and those package.json starts. */
function findEntries(tree: SourceTree, rules: HouseRules): string[] {
  const manifest = JSON.parse(readFileSync(join(tree.root, 'package.json'), 'utf8')) as { scripts?: Record<string, string> }
  const words = Object.values(manifest.scripts ?? {}).flatMap((script) => script.split(/\s+/))
  const named = [...globSync([...rules.entries], { cwd: tree.root }), ...words]
  return named.filter((path) => tree.files.has(path))
}

function reach(tree: SourceTree, entries: readonly string[]): Set<string> {
  const reached = new Set<string>(entries)
  for (const path of reached) {
    const file = tree.files.get(path)
    if (file === undefined) continue
    for (const edge of file.imports) if (edge.target !== undefined) reached.add(edge.target)
    for (const mention of file.mentions) reached.add(mention)
  }
  return reached
}

/** Reports exports that no other file uses, and those of the product that only tests use. */
export function checkDeadExports(tree: SourceTree, rules: HouseRules): Violation[] {
  const users = collectUsers(tree)
  const violations: Violation[] = []
  for (const file of tree.files.values()) {
    if (file.isTest || file.path === 'src/index.ts') continue
    for (const found of file.exports) {
      const key = `${file.path}#${found.name}`
      const problem = judgeExport(tree, rules, file, found, users.get(key) ?? new Set())
      const isExcepted = rules.unusedExports.some((exception) => exception.path === key)
      if (problem !== undefined && !isExcepted) violations.push({ path: file.path, line: found.line, rule: 'dead-export', text: problem })
      if (problem === undefined && isExcepted) {
        violations.push({
          path: file.path,
          line: found.line,
          rule: 'exception',
          text: `the exception for ${found.name} is no longer needed`,
        })
      }
    }
  }
  return [
    ...violations,
    ...missing(
      tree,
      rules.unusedExports.map((exception) => exception.path.split('#')[0] ?? ''),
    ),
  ]
}

function judgeExport(tree: SourceTree, rules: HouseRules, file: SourceFile, found: Export, users: ReadonlySet<string>): string | undefined {
  const isUsedInside = (file.words.get(found.name) ?? 0) > 1
  // A type that a signature of the same file needs is part of that signature.
  if (users.size === 0) return found.isType && isUsedInside ? undefined : `no other file uses ${found.name}`
  const isProduct = file.path.startsWith('src/') && !rules.testOnly.some((exception) => exception.path === file.path)
  if (!isProduct || isUsedInside) return undefined
  const hasProductUser = [...users].some((path) => path.startsWith('src/') && tree.files.get(path)?.isTest !== true)
  return hasProductUser ? undefined : `only tests or tools use ${found.name}, and it stands in the product`
}

/** For every `path#name`, the files that import it. */
function collectUsers(tree: SourceTree): Map<string, Set<string>> {
  const users = new Map<string, Set<string>>()
  for (const file of tree.files.values()) {
    for (const edge of file.imports) {
      if (edge.target === undefined) continue
      const names = edge.names === 'everything' ? (tree.files.get(edge.target)?.exports.map((found) => found.name) ?? []) : edge.names
      for (const name of names) {
        const key = `${edge.target}#${name}`
        users.set(key, (users.get(key) ?? new Set()).add(file.path))
      }
    }
  }
  return users
}

/** Reports members of classes whose name stands nowhere else, and rows of tables that no other file of the product names. */
export function checkDeadMembers(tree: SourceTree, rules: HouseRules): Violation[] {
  const violations: Violation[] = []
  const judge = (file: SourceFile, member: Member, isUsed: boolean): void => {
    const isExcepted = rules.unusedMembers.some((exception) => exception.path === `${file.path}#${member.name}`)
    if (isUsed !== isExcepted) return
    const text = isExcepted ? `the exception for ${member.name} is no longer needed` : `nothing uses ${member.owner}.${member.name}`
    violations.push({ path: file.path, line: member.line, rule: isExcepted ? 'exception' : 'dead-member', text })
  }
  const counts = countWords([...tree.files.values()])
  const declared = new Map<string, number>()
  for (const file of tree.files.values()) {
    for (const member of file.members) declared.set(member.name, (declared.get(member.name) ?? 0) + 1)
  }
  for (const file of tree.files.values()) {
    for (const member of file.members) judge(file, member, (counts.get(member.name) ?? 0) > (declared.get(member.name) ?? 0))
  }
  for (const path of rules.tables) {
    const file = tree.files.get(path)
    if (file === undefined) continue
    const product = [...tree.files.values()].filter((other) => other !== file && other.path.startsWith('src/') && !other.isTest)
    const used = countWords(product)
    for (const row of file.rows) judge(file, row, used.has(row.name))
  }
  return [
    ...violations,
    ...missing(
      tree,
      rules.unusedMembers.map((exception) => exception.path.split('#')[0] ?? ''),
    ),
  ]
}

function countWords(files: readonly SourceFile[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const file of files) for (const [word, count] of file.words) counts.set(word, (counts.get(word) ?? 0) + count)
  return counts
}

function missing(tree: SourceTree, paths: readonly string[]): Violation[] {
  return paths
    .filter((path) => !tree.files.has(path))
    .map((path) => ({ path, rule: 'exception', text: 'the file of this exception is not there' }))
}
