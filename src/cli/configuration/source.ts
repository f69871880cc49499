/**
 * Where values come from: the file, the environment, flags; later ones win. Each value keeps its origin, so that a mistake
 * is reported where it was made.
 */
import { readFile } from 'node:fs/promises'
import { WaybillError } from '../../base/errors.ts'
import { environmentNameOf, listSettings } from './settings.ts'
import { nearest } from './suggestion.ts'

/** A tree of values as they were written. */
export type RawTree = { [key: string]: unknown }

/** Says where the value (or the key, when it is the key that is wrong) at a path was written. */
export interface Source {
  readonly tree: RawTree
  locate(path: readonly string[], what: 'key' | 'value'): string | undefined
}

/** A value given by a flag of the command line. */
export interface FlagValue {
  readonly path: readonly string[]
  readonly flag: string
  readonly value: unknown
}

/**
 * Reads the file.
 * @throws CONFIGURATION_INVALID when it cannot be read or is no YAML
 */
export async function readFileSource(file: string): Promise<Source> {
  let content: string
  try {
    content = await readFile(file, 'utf8')
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    const reason =
      code === 'ENOENT'
        ? 'the file does not exist'
        : code === 'EACCES'
          ? 'the file may not be read'
          : code === 'EISDIR'
            ? 'it is a folder'
            : String(code)
    throw new WaybillError('CONFIGURATION_INVALID', `configuration ${file}: ${reason}`, { cause: error })
  }
  return parseFileSource(file, content)
}

/** Reads the content of a file. YAML is loaded only here: a server without a file does not need it in its memory. */
export async function parseFileSource(file: string, content: string): Promise<Source> {
  const { parseDocument, LineCounter, isMap, isPair, isScalar } = await import('yaml')
  const lineCounter = new LineCounter()
  const document = parseDocument(content, { lineCounter, prettyErrors: false })
  const place = (offset: number): string => {
    const { line, col } = lineCounter.linePos(offset)
    return `${file}, line ${line}, column ${col}`
  }
  const [first] = document.errors
  if (first !== undefined) {
    const problem = first.message.replace(/\s+/g, ' ')
    throw new WaybillError('CONFIGURATION_INVALID', `${place(first.pos[0])}: ${problem.charAt(0).toLowerCase()}${problem.slice(1)}`)
  }
  let tree: unknown
  try {
    tree = document.toJS({ maxAliasCount: 100 })
  } catch (error) {
    throw new WaybillError('CONFIGURATION_INVALID', `${file}: ${(error as Error).message}`, { cause: error })
  }
  if (tree === null || tree === undefined) tree = {}
  if (!isTree(tree)) {
    throw new WaybillError('CONFIGURATION_INVALID', `${place(0)}: expected settings such as "data: ./waybill-data", found ${typeof tree}`)
  }
  const locate = (path: readonly string[], what: 'key' | 'value'): string | undefined => {
    for (let length = path.length; length > 0; length--) {
      const parent = document.getIn(path.slice(0, length - 1), true) ?? (length === 1 ? document.contents : undefined)
      const key = path[length - 1]
      if (isMap(parent)) {
        const pair = parent.items.find((item) => isPair(item) && isScalar(item.key) && String(item.key.value) === key)
        const node = pair === undefined ? undefined : what === 'key' || !hasRange(pair.value) ? pair.key : pair.value
        if (hasRange(node)) return place(node.range[0])
      }
      const node = document.getIn(path.slice(0, length), true)
      if (hasRange(node)) return place(node.range[0])
    }
    return hasRange(document.contents) ? place(document.contents.range[0]) : file
  }
  return { tree, locate }
}

function hasRange(node: unknown): node is { range: [number, number, number] } {
  return typeof node === 'object' && node !== null && 'range' in node && Array.isArray(node.range)
}

/** Names that belong to the program and are no settings. */
const OTHER_NAMES = new Set(['WAYBILL_CONFIG', 'WAYBILL_URL', 'WAYBILL_TEST_RUN'])

/**
 * Reads WAYBILL_... variables. A name that begins with a section of the configuration and is no setting is an error; other unknown
 * names are warnings, because machines set variables of their own (Kubernetes does, for a service called "waybill").
 * @throws CONFIGURATION_INVALID
 */
export function readEnvironmentSource(environment: NodeJS.ProcessEnv): { source: Source; warnings: string[] } {
  const settings = new Map<string, { path: readonly string[]; kind: string }>()
  for (const { environmentName, path, node } of listSettings())
    if (environmentName !== undefined) settings.set(environmentName, { path, kind: node.kind === 'leaf' ? node.facts.kind : node.kind })
  const sections = new Set(
    [...settings.values()].filter(({ path }) => path.length > 1).map(({ path }) => `${environmentNameOf(path.slice(0, 1))}_`),
  )
  const tree: RawTree = {}
  const warnings: string[] = []
  const problems: string[] = []
  for (const [name, value] of Object.entries(environment)) {
    if (!name.startsWith('WAYBILL_') || OTHER_NAMES.has(name) || value === undefined) continue
    const setting = settings.get(name)
    if (setting !== undefined) {
      place(tree, setting.path, readText(value, setting.kind))
      continue
    }
    const suggestion = nearest(name, [...settings.keys()])
    const sentence = `environment variable ${name}: there is no such setting${suggestion === undefined ? '' : `; did you mean ${suggestion}?`}`
    if ([...sections].some((section) => name.startsWith(section))) problems.push(sentence)
    else warnings.push(sentence)
  }
  if (problems.length > 0) throw new WaybillError('CONFIGURATION_INVALID', problems.join('\n'))
  const locate = (path: readonly string[]): string | undefined => {
    for (const [name, setting] of settings) {
      if (environment[name] !== undefined && setting.path.every((part, i) => part === path[i])) return `environment variable ${name}`
    }
    return undefined
  }
  return { source: { tree, locate }, warnings }
}

/** A variable is text; what is no text in the file is read as JSON, and a list may also be written with commas. */
function readText(value: string, kind: string): unknown {
  if (kind === 'integer' && /^\d+$/.test(value)) return Number(value)
  if (kind === 'boolean') return value === 'true' ? true : value === 'false' ? false : value
  if (kind !== 'list' && kind !== 'map') return value
  if (value.trim() === '') return []
  if (/^\s*[[{]/.test(value)) {
    try {
      return JSON.parse(value)
    } catch {
      return value
    }
  }
  return kind === 'list' ? value.split(',').map((part) => part.trim()) : value
}

/** Values of flags. */
export function flagSource(flags: readonly FlagValue[]): Source {
  const tree: RawTree = {}
  for (const { path, value } of flags) place(tree, path, value)
  const locate = (path: readonly string[]): string | undefined => flags.find((one) => one.path.every((part, i) => part === path[i]))?.flag
  return { tree, locate }
}

function place(tree: RawTree, path: readonly string[], value: unknown): void {
  let node = tree
  for (const part of path.slice(0, -1)) {
    const next = node[part]
    node = isTree(next) ? next : (node[part] = {})
  }
  node[path[path.length - 1] as string] = value
}

/** Lays `upper` over `lower`: maps are joined, everything else is replaced. */
export function overlay(lower: RawTree, upper: RawTree): RawTree {
  const result: RawTree = { ...lower }
  for (const [key, value] of Object.entries(upper)) {
    const below = Object.hasOwn(result, key) ? result[key] : undefined
    const merged = isTree(below) && isTree(value) ? overlay(below, value) : value
    // Not by assignment: a key may be called __proto__.
    Object.defineProperty(result, key, { value: merged, enumerable: true, writable: true, configurable: true })
  }
  return result
}

/** True for a map of values. */
function isTree(value: unknown): value is RawTree {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
