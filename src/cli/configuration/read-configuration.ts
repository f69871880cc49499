/**
 * Reads the configuration: defaults, then the file, then the environment, then flags. Every mistake is reported at once, each with where it
 * was made, what was expected and what was found.
 */
import { dirname, resolve } from 'node:path'
import * as v from 'valibot'
import { WaybillError } from '../../base/errors.ts'
import { parsePasswordHash } from '../../base/password-hash.ts'
import { CONFIGURATION_SCHEMA, type Configuration } from './schema.ts'
import { keysAt, listSettings } from './settings.ts'
import { type FlagValue, flagSource, overlay, readEnvironmentSource, readFileSource, type RawTree, type Source } from './source.ts'
import { nearest } from './suggestion.ts'

/** Where a configuration is read from. */
export interface ConfigurationInput {
  /** The file named by a flag; WAYBILL_CONFIG otherwise; none otherwise. */
  readonly file: string | undefined
  readonly environment: NodeJS.ProcessEnv
  readonly flags: readonly FlagValue[]
  /** The present folder, for paths in flags and variables. */
  readonly folder: string
}

/** A configuration that was read. */
export interface ReadConfiguration {
  readonly configuration: Configuration
  /** What is odd but no mistake. */
  readonly warnings: readonly string[]
  /** The file it came from, if any. */
  readonly file: string | undefined
}

/**
 * Reads and checks the configuration.
 * @throws CONFIGURATION_INVALID one line per mistake
 */
export async function readConfiguration(input: ConfigurationInput): Promise<ReadConfiguration> {
  const file = input.file ?? (input.environment['WAYBILL_CONFIG'] || undefined)
  const { source: environment, warnings } = readEnvironmentSource(input.environment)
  const sources: Source[] = []
  if (file !== undefined) {
    const source = await readFileSource(resolve(input.folder, file))
    sources.push({ ...source, tree: resolvePaths(source.tree, dirname(resolve(input.folder, file))) })
  }
  sources.push({ ...environment, tree: resolvePaths(environment.tree, input.folder) })
  const flags = flagSource(input.flags)
  sources.push({ ...flags, tree: resolvePaths(flags.tree, input.folder) })
  const tree = sources.reduce<RawTree>((lower, source) => overlay(lower, source.tree), {})
  const locate = (path: readonly string[], what: 'key' | 'value'): string => {
    for (const source of sources.toReversed()) {
      if (holds(source.tree, path)) return source.locate(path, what) ?? 'configuration'
    }
    return file === undefined ? 'configuration' : resolve(input.folder, file)
  }
  const result = v.safeParse(CONFIGURATION_SCHEMA, tree)
  if (!result.success) throw new WaybillError('CONFIGURATION_INVALID', describeIssues(result.issues, locate).join('\n'))
  const configuration = { ...result.output, data: resolve(input.folder, result.output.data) }
  const problems = checkRelations(configuration, locate)
  if (problems.length > 0) throw new WaybillError('CONFIGURATION_INVALID', problems.join('\n'))
  return { configuration, warnings, file }
}

/** The settings that are paths; those of the file are relative to its folder. */
function resolvePaths(tree: RawTree, folder: string): RawTree {
  const copy = structuredClone(tree)
  const change = (node: unknown, key: string): void => {
    const parent = node as RawTree | null | undefined
    const value = typeof parent === 'object' ? parent?.[key] : undefined
    if (typeof value === 'string' && value !== '') (parent as RawTree)[key] = resolve(folder, value)
  }
  change(copy, 'data')
  for (const key of ['certificate', 'key', 'passphraseFile', 'authority']) change(copy['tls'], key)
  const users = copy['users']
  if (typeof users === 'object' && users !== null) for (const user of Object.values(users)) change(user, 'passwordFile')
  return copy
}

function holds(tree: unknown, path: readonly string[]): boolean {
  let node: unknown = tree
  for (const part of path) {
    if (typeof node !== 'object' || node === null || !Object.hasOwn(node, part)) return false
    node = (node as RawTree)[part]
  }
  return true
}

type Issue = v.InferIssue<typeof CONFIGURATION_SCHEMA>
type Locate = (path: readonly string[], what: 'key' | 'value') => string

function describeIssues(issues: readonly Issue[], locate: Locate): string[] {
  const sentences = issues.map((issue) => {
    const path = (issue.path ?? []).map((item) => String(item.key))
    const name = nameOf(path)
    const isUnknownKey = issue.type === 'strict_object' && issue.expected === 'never'
    if (isUnknownKey) {
      const key = path[path.length - 1] as string
      const known = keysAt(path.slice(0, -1))
      const suggestion = nearest(key, known)
      const hint = suggestion === undefined ? `expected one of ${known.join(', ')}` : `did you mean "${suggestion}"?`
      return `${locate(path, 'key')}: unknown setting "${name}"; ${hint}`
    }
    if (issue.input === undefined) return `${locate(path.slice(0, -1), 'key')}: "${name}" is missing; expected ${expectedOf(issue)}`
    return `${locate(path, 'value')}: "${name}": expected ${expectedOf(issue)}, found ${found(issue.input, path)}`
  })
  const lineOf = (sentence: string): number => Number(/, line (\d+),/.exec(sentence)?.[1] ?? 0)
  return sentences.sort((a, b) => lineOf(a) - lineOf(b))
}

function expectedOf(issue: Issue): string {
  if (issue.type === 'strict_object' || issue.type === 'record') return issue.expected === 'Object' ? 'settings (a map)' : 'a value'
  if (issue.type === 'array') return 'a list'
  return issue.expected ?? issue.message
}

function nameOf(path: readonly string[]): string {
  return path.map((part, i) => (/^\d+$/.test(part) ? `[${part}]` : i === 0 ? part : `.${part}`)).join('')
}

/** What was found, shortened; never a secret. */
function found(value: unknown, path: readonly string[]): string {
  const setting = listSettings().find(
    (one) => one.path.length === path.length && one.path.every((part, i) => part === '*' || part === path[i]),
  )
  if (setting?.node.kind === 'leaf' && setting.node.facts.secret === true) return `something else (not shown, of type ${typeof value})`
  const json = JSON.stringify(value) ?? String(value)
  return json.length > 60 ? `${json.slice(0, 57)}...` : json
}

/** What a schema cannot say. */
function checkRelations(configuration: Configuration, locate: Locate): string[] {
  const problems: string[] = []
  const { listeners, tls, users } = configuration
  if (listeners.amqps.length > 0 && tls === undefined) {
    problems.push(`${locate(['listeners', 'amqps'], 'value')}: a TLS listener needs the settings "tls.certificate" and "tls.key"`)
  }
  if (listeners.amqp.length + listeners.amqps.length === 0) {
    problems.push(
      `${locate(['listeners'], 'value')}: the server would listen nowhere; expected an address under "listeners.amqp" or "listeners.amqps"`,
    )
  }
  if (tls !== undefined && tls.verify !== 'none' && tls.authority === undefined) {
    problems.push(
      `${locate(['tls', 'verify'], 'value')}: verifying clients needs "tls.authority", the file with those who sign their certificates`,
    )
  }
  if (tls?.passphrase !== undefined && tls.passphraseFile !== undefined) {
    problems.push(`${locate(['tls', 'passphrase'], 'key')}: expected "passphrase" or "passphraseFile", found both`)
  }
  for (const [name, user] of Object.entries(users)) {
    const secrets = (['password', 'passwordHash', 'passwordFile'] as const).filter((key) => user[key] !== undefined)
    if (secrets.length > 1)
      problems.push(
        `${locate(['users', name, secrets[1] as string], 'key')}: user "${name}" has both ${secrets.join(' and ')}; expected one`,
      )
    if (user.passwordHash !== undefined && parsePasswordHash(user.passwordHash) === undefined) {
      problems.push(
        `${locate(['users', name, 'passwordHash'], 'value')}: expected a hash as "waybill hash-password" prints it ($scrypt$...)`,
      )
    }
  }
  return problems
}
