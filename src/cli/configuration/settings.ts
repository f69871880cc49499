/**
 * The settings of the schema as a tree and as a list: for the environment, "did you mean", the documentation and the published JSON Schema.
 */
import type { LeafFacts } from './leaf.ts'
import { CONFIGURATION_SCHEMA } from './schema.ts'

/** A place of the configuration. */
export type SettingNode = {
  readonly description: string
  readonly required: boolean
  /** As it would be written in the file. Undefined: there is none. */
  readonly default: unknown
} & (
  | { readonly kind: 'group'; readonly entries: ReadonlyMap<string, SettingNode> }
  /** Names that the user chooses. */
  | { readonly kind: 'map'; readonly item: SettingNode }
  | { readonly kind: 'list'; readonly item: SettingNode }
  | { readonly kind: 'leaf'; readonly facts: LeafFacts }
)

/** One setting that has a value of its own. */
export interface Setting {
  /** `['limits', 'messageSize']`; `'*'` stands for a name that the user chooses, or any item of a list. */
  readonly path: readonly string[]
  /** `limits.messageSize`, `users.<name>.permissions[].read` */
  readonly name: string
  /** `WAYBILL_LIMITS_MESSAGE_SIZE`; undefined for those inside a map or a list. */
  readonly environmentName: string | undefined
  readonly node: SettingNode
}

/** What is looked at of a schema; a public shape of the library's objects. */
interface Schema {
  readonly type: string
  readonly entries?: Readonly<Record<string, Schema>>
  readonly wrapped?: Schema
  readonly default?: unknown
  readonly value?: Schema
  readonly item?: Schema
  readonly pipe?: readonly SchemaPart[]
}

interface SchemaPart {
  readonly type: string
  readonly description?: string
  readonly metadata?: { readonly leaf?: LeafFacts }
  readonly pipe?: readonly SchemaPart[]
}

/** The whole configuration. */
export function settingTree(): SettingNode {
  return nodeOf(CONFIGURATION_SCHEMA, true, undefined)
}

function nodeOf(schema: Schema, required: boolean, defaultValue: unknown): SettingNode {
  if (schema.wrapped !== undefined) return nodeOf(schema.wrapped, false, schema.default)
  const { description = '', leaf } = partsOf(schema.pipe)
  const facts = { description, required, default: defaultValue }
  if (leaf !== undefined) return { ...facts, kind: 'leaf', facts: leaf }
  if (schema.entries !== undefined) {
    return {
      ...facts,
      kind: 'group',
      entries: new Map(Object.entries(schema.entries).map(([key, child]) => [key, nodeOf(child, true, undefined)])),
    }
  }
  if (schema.value !== undefined) return { ...facts, kind: 'map', item: nodeOf(schema.value, true, undefined) }
  if (schema.item !== undefined) return { ...facts, kind: 'list', item: nodeOf(schema.item, true, undefined) }
  throw new TypeError(`a setting of the unknown kind "${schema.type}"`)
}

/** A piped schema has its description and facts among its parts, which may be pipes again. */
function partsOf(pipe: readonly SchemaPart[] | undefined): { description?: string; leaf?: LeafFacts } {
  const found: { description?: string; leaf?: LeafFacts } = {}
  for (const part of pipe ?? []) {
    if (part.pipe !== undefined && part.pipe !== pipe) Object.assign(found, partsOf(part.pipe))
    if (part.description !== undefined) found.description = part.description
    if (part.metadata?.leaf !== undefined) found.leaf = part.metadata.leaf
  }
  return found
}

/** Every setting, in the order of the schema. */
export function listSettings(): Setting[] {
  const settings: Setting[] = []
  collect(settingTree(), [], '', settings)
  return settings
}

function collect(node: SettingNode, path: readonly string[], name: string, settings: Setting[]): void {
  if (node.kind === 'group') {
    for (const [key, child] of node.entries) collect(child, [...path, key], name === '' ? key : `${name}.${key}`, settings)
    return
  }
  settings.push({ path, name, environmentName: path.includes('*') ? undefined : environmentNameOf(path), node })
  if (node.kind !== 'leaf') collect(node.item, [...path, '*'], node.kind === 'map' ? `${name}.<name>` : `${name}[]`, settings)
}

/** `['limits', 'messageSize']` -> `WAYBILL_LIMITS_MESSAGE_SIZE` */
export function environmentNameOf(path: readonly string[]): string {
  return `WAYBILL_${path.map((part) => part.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()).join('_')}`
}

/** The keys that may stand at a place of the configuration, for "did you mean". */
export function keysAt(path: readonly string[]): string[] {
  let node: SettingNode | undefined = settingTree()
  for (const part of path) node = node?.kind === 'group' ? node.entries.get(part) : node?.kind === 'leaf' ? undefined : node?.item
  return node?.kind === 'group' ? [...node.entries.keys()] : []
}
