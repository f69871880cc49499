/** One place where the tree breaks a rule of the house. */
export interface Violation {
  readonly path: string
  readonly line?: number
  /** The rule's short name, such as `layer` or `cycle`. */
  readonly rule: string
  /** One sentence that says what is wrong. */
  readonly text: string
}

/** Shows violations as `path:line: rule: text`, sorted by path. */
export function formatViolations(violations: readonly Violation[]): string[] {
  return violations
    .toSorted((a, b) => a.path.localeCompare(b.path) || (a.line ?? 0) - (b.line ?? 0))
    .map(
      (violation) => `${violation.path}${violation.line === undefined ? '' : `:${violation.line}`}: ${violation.rule}: ${violation.text}`,
    )
}
