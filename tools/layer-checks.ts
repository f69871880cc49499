/**
 * Imports go downwards only, from a layer to one its row names, and never in a circle.
 */

import { readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import type { HouseRules, Place } from './house-rules.ts'
import type { Import, SourceFile, SourceTree } from './source-tree.ts'
import type { Violation } from './violation.ts'

/** Reports every import that the table of layers does not allow. */
export function checkEdges(tree: SourceTree, rules: HouseRules): Violation[] {
  const violations: Violation[] = []
  const usedExceptions = new Set<string>()
  for (const file of tree.files.values()) {
    if (!file.path.startsWith('src/')) continue
    const place = placeOf(file.path, rules)
    if (place === undefined) {
      violations.push({ path: file.path, rule: 'layer', text: 'stands in no layer; the layers are rows of tools/house-rules.ts' })
      continue
    }
    for (const edge of file.imports) {
      const exception = rules.edgeExceptions.find((candidate) => candidate.path === file.path && candidate.target === edge.target)
      const problem = judgeEdge(file, place, edge, rules)
      if (problem === undefined) continue
      if (exception === undefined) violations.push({ path: file.path, line: edge.line, rule: 'layer', text: problem })
      else usedExceptions.add(`${exception.path} ${exception.target}`)
    }
  }
  for (const exception of rules.edgeExceptions) {
    if (usedExceptions.has(`${exception.path} ${exception.target}`)) continue
    violations.push({
      path: exception.path,
      rule: 'exception',
      text: `the exception for importing ${exception.target} is no longer needed`,
    })
  }
  return violations
}

/** The row of the table that a file belongs to, or undefined for a folder that has none. */
function placeOf(path: string, rules: HouseRules): Place | undefined {
  const [, first = '', second = '', third] = path.split('/')
  if (second === '') return testedPlace(first, rules)
  if (first === 'protocols') return third === undefined ? undefined : `protocols/${second}`
  const nested = `${first}/${second}`
  if (third !== undefined && nested in rules.edges) return nested
  return first in rules.edges ? first : undefined
}

/** A file directly in `src` is a place by itself, and its test stands in the same place. */
function testedPlace(name: string, rules: HouseRules): Place | undefined {
  const tested = name.replace(/\.test\.ts$/, '.ts')
  return tested in rules.edges ? tested : undefined
}

function judgeEdge(file: SourceFile, place: Place, edge: Import, rules: HouseRules): string | undefined {
  const target = edge.target
  if (target === undefined) return edge.specifier.startsWith('.') ? `imports ${edge.specifier}, which is not there` : undefined
  if (!target.startsWith('src/')) {
    const isTestMatter = file.isTest && target.startsWith('test/')
    return isTestMatter ? undefined : `${place} may not import ${target}, which is no part of the product`
  }
  const targetPlace = placeOf(target, rules)
  if (targetPlace === undefined || targetPlace === place) return undefined
  const allowed = rules.edges[place.startsWith('protocols/') ? 'protocols/*' : place] ?? []
  const isAllowed = allowed.includes(targetPlace) || (allowed.includes('protocols/*') && targetPlace.startsWith('protocols/'))
  return isAllowed ? undefined : `${place} may not import ${targetPlace} (${target})`
}

/** Reports imports of packages that the published package would not bring along. */
export function checkPackages(tree: SourceTree): Violation[] {
  const manifest = JSON.parse(readFileSync(join(tree.root, 'package.json'), 'utf8')) as { dependencies?: Record<string, string> }
  const dependencies = new Set(Object.keys(manifest.dependencies ?? {}))
  const violations: Violation[] = []
  for (const file of tree.files.values()) {
    if (!file.path.startsWith('src/') || file.isTest) continue
    for (const edge of file.imports) {
      if (edge.specifier.startsWith('.') || edge.specifier.startsWith('node:')) continue
      const name = edge.specifier.split('/', edge.specifier.startsWith('@') ? 2 : 1).join('/')
      if (dependencies.has(name)) continue
      violations.push({
        path: file.path,
        line: edge.line,
        rule: 'package',
        text: `imports "${name}", which is no dependency in package.json`,
      })
    }
  }
  return violations
}

/**
 * Reports one circle of imports for every group of files that reach each other. Types alone may go both ways between files of one folder: a queue has
 * consumers and a consumer has a queue (docs/decisions/0010).
 */
export function checkCycles(tree: SourceTree): Violation[] {
  return findKnots(tree).map((knot) => {
    const circle = shortestCircle(tree, knot)
    return { path: circle[0] ?? '', rule: 'cycle', text: `imports go in a circle: ${circle.join(' -> ')}` }
  })
}

function targetsOf(tree: SourceTree, path: string): string[] {
  const edges = tree.files.get(path)?.imports ?? []
  const isNeighbour = (target: string | undefined): boolean => target !== undefined && posix.dirname(target) === posix.dirname(path)
  const targets = edges.filter(({ target, isTypeOnly }) => !(isTypeOnly && isNeighbour(target))).map((edge) => edge.target)
  return targets.filter((target): target is string => target !== undefined && tree.files.has(target))
}

/** Groups of files that reach each other (strongly connected components, after Tarjan), or one file that imports itself. */
function findKnots(tree: SourceTree): string[][] {
  const indexes = new Map<string, number>()
  const lowest = new Map<string, number>()
  const stack: string[] = []
  const onStack = new Set<string>()
  const knots: string[][] = []
  const visit = (path: string): void => {
    indexes.set(path, indexes.size)
    lowest.set(path, indexes.get(path) ?? 0)
    stack.push(path)
    onStack.add(path)
    for (const target of targetsOf(tree, path)) {
      if (!indexes.has(target)) visit(target)
      else if (!onStack.has(target)) continue
      lowest.set(path, Math.min(lowest.get(path) ?? 0, lowest.get(target) ?? 0))
    }
    if (lowest.get(path) !== indexes.get(path)) return
    const knot = stack.splice(stack.indexOf(path))
    for (const member of knot) onStack.delete(member)
    if (knot.length > 1 || targetsOf(tree, path).includes(path)) knots.push(knot)
  }
  for (const path of tree.files.keys()) if (!indexes.has(path)) visit(path)
  return knots
}

/** The shortest way from the knot's first file back to itself. */
function shortestCircle(tree: SourceTree, knot: readonly string[]): string[] {
  const start = knot.toSorted()[0] ?? ''
  const ways: string[][] = [[start]]
  const seen = new Set<string>()
  for (const way of ways) {
    for (const target of targetsOf(tree, way.at(-1) ?? '')) {
      if (target === start) return [...way, start]
      if (!knot.includes(target) || seen.has(target)) continue
      seen.add(target)
      ways.push([...way, target])
    }
  }
  return [start]
}
