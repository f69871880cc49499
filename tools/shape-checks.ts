/**
 * The shape of files: sizes, names, one public door.
 */

import { basename } from 'node:path'
import type { HouseRules } from './house-rules.ts'
import type { SourceFile, SourceTree } from './source-tree.ts'
import type { Violation } from './violation.ts'

/** Reports files and functions that are too long, and exceptions that are no longer needed. */
export function checkSizes(tree: SourceTree, rules: HouseRules): Violation[] {
  const violations: Violation[] = []
  for (const file of tree.files.values()) {
    const isExcepted = rules.fileExceptions.some((exception) => exception.path === file.path)
    if (file.lineCount > rules.fileLinesMax !== isExcepted) {
      const text = isExcepted
        ? `the exception for its size is no longer needed (${file.lineCount} lines)`
        : `has ${file.lineCount} lines, more than ${rules.fileLinesMax}`
      violations.push({ path: file.path, rule: isExcepted ? 'exception' : 'file-size', text })
    }
    violations.push(...checkFunctions(file, rules))
  }
  const excepted = [...rules.fileExceptions, ...rules.functionExceptions]
  for (const exception of excepted) {
    if (!tree.files.has(exception.path))
      violations.push({ path: exception.path, rule: 'exception', text: 'the file of this exception is not there' })
  }
  return violations
}

function checkFunctions(file: SourceFile, rules: HouseRules): Violation[] {
  // The function that holds the cases of a test grows with them, and reads as a list.
  if (file.isTest) return []
  const violations: Violation[] = []
  const exceptions = rules.functionExceptions.filter((exception) => exception.path === file.path)
  const usedNames = new Set<string>()
  for (const extent of file.functions) {
    if (extent.lineCount <= rules.functionLinesMax) continue
    if (exceptions.some((exception) => exception.name === extent.name)) usedNames.add(extent.name)
    else {
      const text = `${extent.name} has ${extent.lineCount} lines, more than ${rules.functionLinesMax}`
      violations.push({ path: file.path, line: extent.line, rule: 'function-size', text })
    }
  }
  for (const exception of exceptions) {
    if (usedNames.has(exception.name)) continue
    violations.push({ path: file.path, rule: 'exception', text: `the exception for the size of ${exception.name} is no longer needed` })
  }
  return violations
}

/** Reports names that say nothing, names that are not kebab-case, default exports and doors other than `src/index.ts`. */
export function checkNames(tree: SourceTree, rules: HouseRules): Violation[] {
  const violations: Violation[] = []
  for (const file of tree.files.values()) {
    const folders = file.path.split('/').slice(1, -1)
    const name = basename(file.path).replace(/(\.test)?\.ts$/, '')
    const report = (rule: string, text: string, line?: number): void => {
      violations.push({ path: file.path, rule, text, ...(line === undefined ? {} : { line }) })
    }
    const emptyWord = [...folders, name].flatMap((part) => part.split('-').slice(-1)).find((word) => rules.emptyWords.includes(word))
    if (emptyWord !== undefined) report('name', `"${emptyWord}" says nothing: what is the noun?`)
    if (![...folders, name].every((part) => /^[a-z0-9]+(-[a-z0-9]+)*$/.test(part))) report('name', 'is not kebab-case')
    if (file.path === 'src/index.ts') continue
    if (name === 'index' || file.isBarrel) report('barrel', 'only src/index.ts may pass on what others export')
    for (const found of file.exports) if (found.name === 'default') report('default-export', 'exports have names', found.line)
  }
  return violations
}
