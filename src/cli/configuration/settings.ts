/**
 * The settings of the schema as a list: for the environment, "did you mean", and the documentation.
 */
import type { LeafFacts } from './leaf.ts'
import { CONFIGURATION_SCHEMA } from './schema.ts'

/** One setting that has a value of its own. */
export interface Setting {
  /** `['limits', 'messageSize']`; `'*'` stands for a name that the user chooses. */
  readonly path: readonly string[]
  /** `WAYBILL_LIMITS_MESSAGE_SIZE`; undefined for those inside a map or a list. */
  readonly environmentName: string | undefined
  readonly facts: LeafFacts
  readonly description: string
  /** As it would be written in the file. Undefined: there is none. */
  readonly default: unknown
}

/** What is looked at of a schema; a public shape of the library's objects. */
interface SchemaNode {
  readonly type: string
  readonly entries?: Readonly<Record<string, SchemaNode>>
  readonly wrapped?: SchemaNode
  readonly default?: unknown
  readonly value?: SchemaNode
  readonly item?: SchemaNode
  readonly pipe?: readonly { readonly type: string; readonly description?: string; readonly metadata?: { leaf?: LeafFacts } }[]
}

const ROOT = CONFIGURATION_SCHEMA as unknown as SchemaNode

/** Every setting, in the order of the schema. */
export function listSettings(): Setting[] {
  const settings: Setting[] = []
  collect(ROOT, [], undefined, '', settings)
  return settings
}

function collect(node: SchemaNode, path: readonly string[], defaultValue: unknown, description: string, settings: Setting[]): void {
  if (node.wrapped !== undefined) {
    collect(node.wrapped, path, node.default, description, settings)
    return
  }
  const own = findInPipe(node)
  const said = own.description ?? description
  if (own.leaf !== undefined) {
    const environmentName = path.includes('*') ? undefined : environmentNameOf(path)
    settings.push({ path, environmentName, facts: own.leaf, description: said, default: defaultValue })
  } else if (node.entries !== undefined) {
    for (const [key, child] of Object.entries(node.entries)) collect(child, [...path, key], undefined, '', settings)
  } else {
    const facts: LeafFacts = { kind: 'map', expected: node.type === 'record' ? 'a map' : 'a list' }
    const environmentName = path.includes('*') ? undefined : environmentNameOf(path)
    settings.push({ path, environmentName, facts, description: said, default: defaultValue })
    const inner = node.value ?? node.item
    if (inner !== undefined) collect(inner, [...path, '*'], undefined, '', settings)
  }
}

/** A piped schema repeats the fields of its first part; descriptions and facts are further parts, and may be nested. */
function findInPipe(node: SchemaNode): { description?: string; leaf?: LeafFacts } {
  const found: { description?: string; leaf?: LeafFacts } = {}
  for (const part of node.pipe ?? []) {
    if (part.description !== undefined) found.description = part.description
    const leaf = part.metadata?.leaf ?? findInPipeOf(part)
    if (leaf !== undefined) found.leaf = leaf
  }
  return found
}

function findInPipeOf(part: object): LeafFacts | undefined {
  return 'pipe' in part && Array.isArray(part.pipe) && part.pipe[0] !== part ? findInPipe(part as unknown as SchemaNode).leaf : undefined
}

/** `['limits', 'messageSize']` -> `WAYBILL_LIMITS_MESSAGE_SIZE` */
export function environmentNameOf(path: readonly string[]): string {
  return `WAYBILL_${path.map((part) => part.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()).join('_')}`
}

/** The keys that may stand at a place of the configuration, for "did you mean". */
export function keysAt(path: readonly string[]): string[] {
  let node: SchemaNode | undefined = ROOT
  for (const part of path) {
    node = unwrap(node)
    node = node?.entries !== undefined ? node.entries[part] : (node?.value ?? node?.item)
  }
  return Object.keys(unwrap(node)?.entries ?? {})
}

function unwrap(node: SchemaNode | undefined): SchemaNode | undefined {
  return node?.wrapped === undefined ? node : unwrap(node.wrapped)
}
