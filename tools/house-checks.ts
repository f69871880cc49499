/**
 * Puts the single checks together: what `npm run layers` and `npm run dead-code` each stand for.
 */

import { resolve } from 'node:path'
import { checkDeadExports, checkDeadFiles, checkDeadMembers } from './dead-code-checks.ts'
import { HOUSE_RULES, withoutExceptions, type HouseRules } from './house-rules.ts'
import { checkCycles, checkEdges, checkPackages } from './layer-checks.ts'
import { checkNames, checkSizes } from './shape-checks.ts'
import { readSourceTree, type SourceTree } from './source-tree.ts'
import { formatViolations, type Violation } from './violation.ts'

const ROOT = resolve(import.meta.dirname, '..')

/** Imports, circles, sizes, names and dead files. */
export function checkLayers(tree: SourceTree, rules: HouseRules): Violation[] {
  return [
    ...checkEdges(tree, rules),
    ...checkPackages(tree),
    ...checkCycles(tree),
    ...checkSizes(tree, rules),
    ...checkNames(tree, rules),
    ...checkDeadFiles(tree, rules),
  ]
}

/** Exports and members of classes that nobody uses. */
export function checkDeadCode(tree: SourceTree, rules: HouseRules): Violation[] {
  return [...checkDeadExports(tree, rules), ...checkDeadMembers(tree, rules)]
}

/**
 * Runs a check as a program: on this project, or on the one whose root is given, which has none of our exceptions.
 * Prints what it found and sets the exit code to 1 if that is anything.
 */
export function runCheck(name: string, check: (tree: SourceTree, rules: HouseRules) => Violation[], root = ROOT): void {
  const tree = readSourceTree(resolve(root))
  const violations = check(tree, tree.root === ROOT ? HOUSE_RULES : withoutExceptions(HOUSE_RULES))
  for (const line of formatViolations(violations)) process.stdout.write(`${line}\n`)
  process.stdout.write(`${name}: ${tree.files.size} files, ${violations.length} violations\n`)
  process.exitCode = violations.length === 0 ? 0 : 1
}
