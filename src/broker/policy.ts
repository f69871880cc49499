/**
 * Policies: settings that an operator gives to queues and exchanges by a pattern of their names. Of all that match a name the one with the
 * highest priority is in force, alone; apart from that one operator policy, by which an administrator bounds what policies and arguments may ask for.
 */
import { WaybillError } from '../base/errors.ts'
import { LIMITS } from '../base/limits.ts'
import { fieldOf } from '../message/field.ts'
import { valueOf } from './argument-checks.ts'
import { NO_ARGUMENTS } from './binding-arguments.ts'
import { formatField, formatText } from './field-description.ts'
import { NamePattern } from './name-pattern.ts'
import { QUEUE_SETTINGS, settingOf } from './queue-setting-table.ts'
import type { QueueType } from './queue-setting-table.ts'
import type { SettingValues } from './setting-values.ts'

const APPLY_TO = ['queues', 'classic_queues', 'quorum_queues', 'streams', 'exchanges', 'all'] as const

/** What a policy is for. */
export type ApplyTo = (typeof APPLY_TO)[number]

/** A policy as it is set, listed and recorded: plain JSON. */
export interface PolicyDefinition {
  readonly name: string
  /** A regular expression, or `glob:` and a glob; see name-pattern-parser.ts. */
  readonly pattern: string
  /** @default 'all' */
  readonly applyTo?: string
  /** @default 0 */
  readonly priority?: number
  /** Settings by their keys, such as `message-ttl`. */
  readonly definition: { readonly [key: string]: unknown }
}

/** Whose policy it is: an operator policy may set less. */
export type PolicyKind = 'policy' | 'operator'

/** A valid policy. */
export class Policy {
  readonly name: string
  readonly applyTo: ApplyTo
  readonly priority: number
  readonly definition: PolicyDefinition['definition']
  readonly settings: SettingValues
  readonly alternateExchange: string | undefined
  readonly #pattern: NamePattern

  /** @throws PRECONDITION_FAILED when the pattern, a key or a value is not valid */
  constructor(source: PolicyDefinition, kind: PolicyKind) {
    this.name = source.name
    this.applyTo = parseApplyTo(source.applyTo ?? 'all')
    this.priority = source.priority ?? 0
    if (!Number.isSafeInteger(this.priority)) fail(source.name, 'the priority must be an integer')
    this.definition = source.definition
    this.#pattern = new NamePattern(source.pattern)
    const entries = Object.entries(source.definition)
    if (entries.length === 0) fail(source.name, 'no policy provided')
    let settings: SettingValues = {}
    let alternateExchange: string | undefined
    for (const [key, value] of entries) {
      if (key !== 'alternate-exchange' || kind === 'operator') settings = { ...settings, ...parseSetting(source.name, kind, key, value) }
      else if (typeof value === 'string') alternateExchange = value
      else fail(source.name, `${format(value)} is not a valid alternate exchange name`)
    }
    this.settings = settings
    this.alternateExchange = alternateExchange
  }

  get pattern(): string {
    return this.#pattern.text
  }

  /** The policy as JSON, to be listed and recorded. */
  toJSON(): Required<PolicyDefinition> {
    const { name, pattern, applyTo, priority, definition } = this
    return { name, pattern, applyTo, priority, definition }
  }

  appliesToQueue(name: string, type: QueueType): boolean {
    const { applyTo } = this
    return (applyTo === 'all' || applyTo === 'queues' || applyTo === `${type}_queues`) && this.#pattern.matches(name)
  }

  appliesToExchange(name: string): boolean {
    return (this.applyTo === 'all' || this.applyTo === 'exchanges') && this.#pattern.matches(name)
  }
}

/** The policies, or the operator policies, of one namespace. */
export class PolicySet {
  readonly #kind: PolicyKind
  /** By falling priority; of equal ones by name. */
  #policies: Policy[] = []

  constructor(kind: PolicyKind) {
    this.#kind = kind
  }

  /** By falling priority; borrowed until the next change. */
  get policies(): readonly Policy[] {
    return this.#policies
  }

  /** Sets a policy, in place of one with the same name. @throws PRECONDITION_FAILED when it is not valid, RESOURCE_ERROR when there are too many */
  set(definition: PolicyDefinition): Policy {
    const policy = new Policy(definition, this.#kind)
    const others = this.#policies.filter((other) => other.name !== policy.name)
    if (others.length >= LIMITS.policiesPerNamespaceMax) {
      throw new WaybillError('RESOURCE_ERROR', `a namespace has at most ${LIMITS.policiesPerNamespaceMax} policies`)
    }
    this.#policies = [...others, policy].sort((a, b) => b.priority - a.priority || (a.name < b.name ? -1 : 1))
    return policy
  }

  /** Removes a policy; returns false if there is none of this name. */
  delete(name: string): boolean {
    const before = this.#policies.length
    this.#policies = this.#policies.filter((policy) => policy.name !== name)
    return this.#policies.length < before
  }

  /** The policy in force for a queue. */
  forQueue(name: string, type: QueueType): Policy | undefined {
    return this.#policies.find((policy) => policy.appliesToQueue(name, type))
  }

  /** The policy in force for an exchange. */
  forExchange(name: string): Policy | undefined {
    return this.#policies.find((policy) => policy.appliesToExchange(name))
  }
}

function parseApplyTo(word: string): ApplyTo {
  const applyTo = APPLY_TO.find((known) => known === word)
  if (applyTo !== undefined) return applyTo
  const known = `'queues', 'classic_queues', 'quorum_queues', 'streams', 'exchanges', or 'all'`
  throw new WaybillError('PRECONDITION_FAILED', `apply-to '${word}' unrecognised; should be one of: ${known}`)
}

function parseSetting(policyName: string, kind: PolicyKind, key: string, value: unknown): SettingValues {
  const row = QUEUE_SETTINGS.find((candidate) => candidate.key === key && candidate.by.includes(kind))
  if (row === undefined) return fail(policyName, `[{${formatText(key)},${format(value)}}] are not recognised policy settings`)
  if (!isPlain(value)) return fail(policyName, `${format(value)} is not a valid ${row.noun}`)
  const field = fieldOf(value)
  if (row.check(field, NO_ARGUMENTS) !== undefined) fail(policyName, `${format(value)} is not a valid ${row.noun}`)
  return settingOf(row, valueOf(field))
}

function isPlain(value: unknown): value is string | number | boolean {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
}

/** The value in the notation of RabbitMQ's texts, a composite one as JSON. */
function format(value: unknown): string {
  return isPlain(value) ? formatField(fieldOf(value)) : JSON.stringify(value)
}

function fail(policyName: string, problem: string): never {
  throw new WaybillError('PRECONDITION_FAILED', `policy '${policyName}': ${problem}`)
}
