/**
 * The kinds of settings: each reads what people write and says what it expects.
 * The metadata of a leaf tells the documentation, the JSON Schema and the environment what it is.
 */
import * as v from 'valibot'
import { formatDuration, formatSize, parseDuration, parseSize } from './quantity.ts'

/** What a setting is; decides how a value from the environment is read. */
export type LeafKind = 'text' | 'integer' | 'boolean' | 'list'

/** What is known of a setting besides how it is read. */
export interface LeafFacts {
  readonly kind: LeafKind
  readonly expected: string
  /** The value is never shown. */
  readonly secret?: boolean
  /** What the published schema says of it. */
  readonly jsonSchema: object
}

/** A listening address. */
export interface Address {
  readonly host: string
  readonly port: number
}

/** A share of the machine's memory, or bytes. */
export type MemoryMark = { readonly percent: number } | { readonly sizeBytes: number }

type Reader<T> = (value: unknown) => T | undefined

/** A leaf whose values are read by a function; undefined is an issue that tells what was expected. */
function leaf<T>(facts: LeafFacts, read: Reader<T>) {
  return v.pipe(
    v.unknown(),
    v.rawTransform(({ dataset, addIssue, NEVER }): T => {
      const value = read(dataset.value)
      if (value !== undefined) return value
      addIssue({ message: facts.expected, expected: facts.expected })
      return NEVER
    }),
    v.metadata({ leaf: facts }),
  )
}

/** "30s", with limits. */
export function duration(minMs: number, maxMs: number) {
  const expected = `a duration from ${formatDuration(minMs)} to ${formatDuration(maxMs)}, such as "30s" or "5m"`
  const jsonSchema = { type: 'string', pattern: '^(0|(\\d+(\\.\\d+)?(ms|s|m|h|d))+)$' }
  return leaf({ kind: 'text', expected, jsonSchema }, (value) => {
    const ms = value === 0 ? 0 : typeof value === 'string' ? parseDuration(value) : undefined
    return ms !== undefined && ms >= minMs && ms <= maxMs ? ms : undefined
  })
}

const SIZE_PATTERN = '^\\d+(\\.\\d+)? ?([KMGT]i?B|B)?$'

/** "64MiB" or a count of bytes, with limits. */
export function size(minBytes: number, maxBytes: number) {
  const most = maxBytes === Infinity ? `at least ${formatSize(minBytes)}` : `from ${formatSize(minBytes)} to ${formatSize(maxBytes)}`
  const expected = `a size ${most}, such as "64MiB"`
  const jsonSchema = { type: ['string', 'integer'], pattern: SIZE_PATTERN }
  return leaf({ kind: 'text', expected, jsonSchema }, (value) => {
    const bytes = readSize(value)
    return bytes !== undefined && bytes >= minBytes && bytes <= maxBytes ? bytes : undefined
  })
}

/** "60%" of the memory of the machine (or of the container), or a size. */
export function memoryMark() {
  const expected = 'a share of the memory such as "60%", or a size of at least 128 MiB such as "2GiB"'
  const jsonSchema = { type: ['string', 'integer'], pattern: `^\\d{1,3}%$|${SIZE_PATTERN}` }
  return leaf<MemoryMark>({ kind: 'text', expected, jsonSchema }, (value) => {
    const percent = typeof value === 'string' ? /^(\d{1,3})%$/.exec(value)?.[1] : undefined
    if (percent !== undefined) return Number(percent) > 0 && Number(percent) <= 100 ? { percent: Number(percent) } : undefined
    const sizeBytes = readSize(value)
    return sizeBytes !== undefined && sizeBytes >= 128 * 2 ** 20 ? { sizeBytes } : undefined
  })
}

function readSize(value: unknown): number | undefined {
  if (typeof value === 'string') return parseSize(value)
  return Number.isSafeInteger(value) && (value as number) >= 0 ? (value as number) : undefined
}

/** A whole number, with limits. */
export function integer(min: number, max: number) {
  const facts: LeafFacts = {
    kind: 'integer',
    expected: `a whole number from ${min} to ${max}`,
    jsonSchema: { type: 'integer', minimum: min, maximum: max },
  }
  return leaf(facts, (value) =>
    Number.isInteger(value) && (value as number) >= min && (value as number) <= max ? (value as number) : undefined,
  )
}

/** True or false. */
export function flag() {
  const facts: LeafFacts = { kind: 'boolean', expected: 'true or false', jsonSchema: { type: 'boolean' } }
  return leaf(facts, (value) => (typeof value === 'boolean' ? value : undefined))
}

/** Text that is not empty. */
export function text(what: string, options: { secret?: boolean } = {}) {
  const facts: LeafFacts = { kind: 'text', expected: what, secret: options.secret === true, jsonSchema: { type: 'string', minLength: 1 } }
  return leaf(facts, (value) => (typeof value === 'string' && value !== '' ? value : undefined))
}

/** One of several words. */
export function choice<const T extends string>(words: readonly T[]) {
  const facts: LeafFacts = { kind: 'text', expected: `one of ${words.join(', ')}`, jsonSchema: { enum: words } }
  return leaf(facts, (value) => words.find((word) => word === value))
}

/** A list of texts. */
export function textList(what: string, options: { min?: number } = {}) {
  const min = options.min ?? 0
  const facts: LeafFacts = {
    kind: 'list',
    expected: `a list of ${what}${min > 0 ? ' that is not empty' : ''}`,
    jsonSchema: { type: 'array', items: { type: 'string' }, ...(min > 0 ? { minItems: min } : {}) },
  }
  return leaf(facts, (value) =>
    Array.isArray(value) && value.length >= min && value.every((one) => typeof one === 'string' && one !== '')
      ? (value as string[])
      : undefined,
  )
}

const ADDRESS_EXAMPLES = '5672, "0.0.0.0:5672" or "[::1]:5672"'

/** One listening address or several. */
export function addresses() {
  const one = { type: ['integer', 'string'], pattern: '^(.+:)?\\d{1,5}$' }
  const facts: LeafFacts = {
    kind: 'list',
    expected: `a list of addresses, each a port or host and port, such as ${ADDRESS_EXAMPLES}`,
    jsonSchema: { anyOf: [one, { type: 'array', items: one }] },
  }
  return leaf(facts, (value) => {
    const all = (Array.isArray(value) ? value : [value]).map((entry) => parseAddress(entry))
    return all.every((address) => address !== undefined) ? all : undefined
  })
}

/** "5672", "host:5672", "[::1]:5672" or a number; without a host it is this machine alone. */
function parseAddress(value: unknown): Address | undefined {
  const match = /^(?:(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s]+)):)?(\d{1,5})$/.exec(String(value))
  if (match === null || (typeof value !== 'string' && typeof value !== 'number')) return undefined
  const port = Number(match[3])
  return port <= 65_535 ? { host: match[1] ?? match[2] ?? '127.0.0.1', port } : undefined
}
