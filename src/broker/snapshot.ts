/**
 * The broker's state for a checkpoint, as parts. Little-endian; the machine is checked to be so. Each part starts with a kind (4 bytes) and
 * the number of the queue or delayed store it belongs to (4 bytes).
 *
 * | kind | content after the first 8 bytes |
 * |---|---|
 * | definitions | UTF-8 JSON: { nextNumber, definitions: Definition[] } |
 * | pages | next sequence number (8), count of pages (4), flag: with priorities (4), then per page: base sequence number (8), 512 positions (8 each), 512 states (4 each), and with the flag 512 priorities (1 each) |
 * | held, expiry, due | pairs of doubles: time, sequence number |
 * | attempts | pairs of doubles: sequence number, count |
 * | keys | UTF-8 JSON: [sequence number, ordering key][] |
 * | deduplication | UTF-8 JSON: [message id, time][] |
 *
 * Entries with negative positions (memory log) are there but mean nothing after a restart. A message that is out is written as such and read
 * as waiting and redelivered.
 */
import { assert } from '../base/assert.ts'
import type { TimedHeap } from '../base/timed-heap.ts'
import type { Broker } from './broker.ts'
import { argumentsToText, type Definition } from './definitions.ts'
import { type IndexPage, type MessageIndex, PAGE_ENTRIES } from './message-index.ts'
import { exchangeRecord, type Namespace } from './namespace.ts'
import type { Queue } from './queue.ts'

export const PART = { definitions: 1, pages: 2, held: 3, expiry: 4, due: 5, attempts: 6, keys: 7, deduplication: 8 } as const
export type PartKind = (typeof PART)[keyof typeof PART]

export const PART_HEAD_SIZE = 8
export const PAGES_HEAD_SIZE = 24
const PAGES_PER_PART = 256
const PAIRS_PER_PART = 65_536
const JSON_ENTRIES_PER_PART = 20_000

assert(new Uint8Array(Uint16Array.of(1).buffer)[0] === 1, 'the machine is little-endian')

/** Size of one page in a part. */
export function pageSizeBytes(withPriorities: boolean): number {
  return 8 + PAGE_ENTRIES * 12 + (withPriorities ? PAGE_ENTRIES : 0)
}

/** The state of `broker` now. The caller owns the parts. */
export function snapshotOf(broker: Broker): Uint8Array[] {
  const parts: Uint8Array[] = []
  const { nextNumber } = broker
  const definitions = definitionsOf(broker)
  for (let at = 0; at === 0 || at < definitions.length; at += JSON_ENTRIES_PER_PART) {
    parts.push(jsonPart(PART.definitions, 0, { nextNumber, definitions: definitions.slice(at, at + JSON_ENTRIES_PER_PART) }))
  }
  for (const namespace of broker.namespaces.values()) {
    const { delayed } = namespace
    addPages(parts, delayed.number, delayed.index)
    addPairs(parts, PART.due, delayed.number, (visit) => delayed.forEachDue(visit))
  }
  for (const queue of broker.queuesByNumber.values()) if (queue.durable) addQueue(parts, queue)
  return parts
}

/** All durable definitions, in an order in which they can be replayed. */
function definitionsOf(broker: Broker): Definition[] {
  const definitions: Definition[] = []
  for (const namespace of broker.namespaces.values()) {
    definitions.push({ op: 'namespace', n: namespace.name, delayedNumber: namespace.delayed.number })
    definitions.push(...namespace.policies.definitions())
    addTopology(definitions, namespace)
  }
  return definitions
}

function addTopology(definitions: Definition[], namespace: Namespace): void {
  const n = namespace.name
  for (const exchange of namespace.exchanges.values()) {
    if (exchange.durable && !exchange.name.startsWith('amq.')) definitions.push({ op: 'exchange', n, ...exchangeRecord(exchange) })
  }
  for (const queue of namespace.queues.values()) {
    if (!queue.durable) continue
    const { number, name, autoDelete } = queue
    definitions.push({ op: 'queue', n, number, name, autoDelete, arguments: argumentsToText(queue.arguments) })
  }
  for (const exchange of namespace.exchanges.values()) {
    if (!exchange.durable) continue
    for (const binding of exchange.bindings) {
      const destination = binding.queue ?? binding.exchange
      if (destination === undefined || !destination.durable) continue
      const toExchange = binding.exchange !== undefined
      const record = { source: exchange.name, destination: destination.name, toExchange, key: binding.routingKey }
      definitions.push({ op: 'bind', n, binding: { ...record, arguments: argumentsToText(binding.arguments) } })
    }
  }
}

function addQueue(parts: Uint8Array[], queue: Queue): void {
  addPages(parts, queue.number, queue.index)
  const { held, attempts } = queue.times
  if (held !== undefined) addHeap(parts, PART.held, queue.number, held)
  const expiries = new PairParts(parts, PART.expiry, queue.number)
  queue.times.forEachExpiry((atMs, sequence) => expiries.add(atMs, sequence))
  expiries.end()
  if (attempts !== undefined && attempts.size > 0) {
    const pairs = new PairParts(parts, PART.attempts, queue.number)
    for (const [sequence, count] of attempts) pairs.add(sequence, count)
    pairs.end()
  }
  if (queue.settings.orderingKey !== undefined) {
    const keys: [number, string][] = []
    queue.index.forEach((sequence) => keys.push([sequence, queue.keyOf(sequence)]))
    addJson(parts, PART.keys, queue.number, keys)
  }
  if (queue.deduplication !== undefined) {
    const ids: [string, number][] = []
    queue.deduplication.forEach((id, atMs) => ids.push([id, atMs]))
    addJson(parts, PART.deduplication, queue.number, ids)
  }
}

/** The pages of an index: copied whole, because that is a tenth of the time of looking at each entry. */
function addPages(parts: Uint8Array[], number: number, index: MessageIndex): void {
  const pages: [IndexPage, number][] = []
  index.forEachPage((page, base) => {
    if (page.live > 0) pages.push([page, base])
  })
  let at = 0
  do {
    const some = pages.slice(at, at + PAGES_PER_PART)
    const withPriorities = some.some(([page]) => page.priorities !== undefined)
    const part = Buffer.alloc(PAGES_HEAD_SIZE + some.length * pageSizeBytes(withPriorities))
    part.writeUInt32LE(PART.pages, 0)
    part.writeUInt32LE(number, 4)
    part.writeDoubleLE(index.nextSequence, 8)
    part.writeUInt32LE(some.length, 16)
    part.writeUInt32LE(withPriorities ? 1 : 0, 20)
    let offset = PAGES_HEAD_SIZE
    for (const [page, base] of some) {
      part.writeDoubleLE(base, offset)
      part.set(new Uint8Array(page.positions.buffer), offset + 8)
      part.set(new Uint8Array(page.states.buffer), offset + 8 + PAGE_ENTRIES * 8)
      if (page.priorities !== undefined) part.set(page.priorities, offset + 8 + PAGE_ENTRIES * 12)
      offset += pageSizeBytes(withPriorities)
    }
    parts.push(part)
    at += PAGES_PER_PART
  } while (at < pages.length)
}

function addHeap(parts: Uint8Array[], kind: PartKind, number: number, heap: TimedHeap): void {
  if (heap.size > 0) addPairs(parts, kind, number, (visit) => heap.forEach(visit))
}

function addPairs(parts: Uint8Array[], kind: PartKind, number: number, forEach: (visit: (a: number, b: number) => void) => void): void {
  const pairs = new PairParts(parts, kind, number)
  forEach((a, b) => pairs.add(a, b))
  pairs.end()
}

/** A list in parts of bounded size: one text of everything could outgrow the longest string there is. */
function addJson(parts: Uint8Array[], kind: PartKind, number: number, list: readonly unknown[]): void {
  for (let at = 0; at < list.length; at += JSON_ENTRIES_PER_PART)
    parts.push(jsonPart(kind, number, list.slice(at, at + JSON_ENTRIES_PER_PART)))
}

function jsonPart(kind: PartKind, number: number, value: unknown): Buffer {
  const head = Buffer.alloc(PART_HEAD_SIZE)
  head.writeUInt32LE(kind, 0)
  head.writeUInt32LE(number, 4)
  return Buffer.concat([head, Buffer.from(JSON.stringify(value), 'utf8')])
}

/** Gathers pairs of doubles into parts of bounded size. */
class PairParts {
  readonly #parts: Uint8Array[]
  readonly #kind: PartKind
  readonly #number: number
  /** Made when it is first needed: most queues have no pairs. */
  #values: Float64Array | undefined
  #count = 0

  constructor(parts: Uint8Array[], kind: PartKind, number: number) {
    this.#parts = parts
    this.#kind = kind
    this.#number = number
  }

  add(a: number, b: number): void {
    this.#values ??= new Float64Array(PAIRS_PER_PART * 2)
    this.#values[this.#count++] = a
    this.#values[this.#count++] = b
    if (this.#count === this.#values.length) this.end()
  }

  end(): void {
    if (this.#values === undefined || this.#count === 0) return
    const part = Buffer.alloc(PART_HEAD_SIZE + this.#count * 8)
    part.writeUInt32LE(this.#kind, 0)
    part.writeUInt32LE(this.#number, 4)
    part.set(new Uint8Array(this.#values.buffer, 0, this.#count * 8), PART_HEAD_SIZE)
    this.#parts.push(part)
    this.#count = 0
  }
}
