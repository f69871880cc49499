/**
 * What users may do, from the patterns of the configuration.
 */
import type { Permissions } from '../base/identity.ts'
import { matchesPattern } from './name-pattern.ts'

/** Patterns of names that a user may work with in the namespaces that match. */
export interface PermissionRule {
  /** A pattern of namespaces. */
  readonly namespace: string
  readonly configure: readonly string[]
  readonly write: readonly string[]
  readonly read: readonly string[]
}

/** Everything, everywhere. */
export const EVERYTHING: readonly PermissionRule[] = [{ namespace: '*', configure: ['*'], write: ['*'], read: ['*'] }]

/** Answers kept per operation; a user with more different names asks the patterns again. */
const ANSWERS_MAX = 10_000

/** Permissions by patterns, with the answers remembered. */
export class PatternPermissions implements Permissions {
  readonly full: boolean
  readonly #configure: PatternSet
  readonly #write: PatternSet
  readonly #read: PatternSet

  /** @param rules those that match the namespace; what one of them allows is allowed */
  constructor(rules: readonly PermissionRule[]) {
    this.#configure = new PatternSet(rules.flatMap((rule) => rule.configure))
    this.#write = new PatternSet(rules.flatMap((rule) => rule.write))
    this.#read = new PatternSet(rules.flatMap((rule) => rule.read))
    this.full = this.#configure.all && this.#write.all && this.#read.all
  }

  mayConfigure(name: string): boolean {
    return this.#configure.has(name)
  }

  mayWrite(name: string): boolean {
    return this.#write.has(name)
  }

  mayRead(name: string): boolean {
    return this.#read.has(name)
  }
}

class PatternSet {
  readonly all: boolean
  readonly #patterns: readonly string[]
  readonly #answers = new Map<string, boolean>()

  constructor(patterns: readonly string[]) {
    this.#patterns = patterns
    this.all = patterns.includes('*')
  }

  has(name: string): boolean {
    if (this.all) return true
    const known = this.#answers.get(name)
    if (known !== undefined) return known
    const answer = this.#patterns.some((pattern) => matchesPattern(pattern, name))
    if (this.#answers.size >= ANSWERS_MAX) this.#answers.clear()
    this.#answers.set(name, answer)
    return answer
  }
}
