/**
 * Rebuilds the broker from a checkpoint and the records after it. Replaying is by number, so that it does not matter in which order parts
 * of a queue come: a reference puts an entry at its sequence number, a settlement takes it away.
 */
import { WaybillError } from '../base/errors.ts'
import type { RecordKind, RecoveryHandler } from '../storage/storage.ts'
import type { Broker } from './broker.ts'
import { argumentsFromText, type BindingDefinition, type Definition, readDefinition } from './definitions.ts'
import type { DelayedMessages } from './delayed-messages.ts'
import { ENTRY, PAGE_ENTRIES } from './message-index.ts'
import { MessageView, RECORD, REFERENCE_SIZE, ROUTED_HEAD_SIZE } from './message-record.ts'
import { alternateOf } from './namespace-policies.ts'
import type { Namespace } from './namespace.ts'
import type { Queue } from './queue.ts'
import { PAGES_HEAD_SIZE, PART, PART_HEAD_SIZE, pageSizeBytes } from './snapshot.ts'

/** One recovery; used once. */
export class Recovery implements RecoveryHandler {
  readonly #broker: Broker
  readonly #view = new MessageView()
  readonly #delayed = new Map<number, DelayedMessages>()
  /** Ordering keys of messages in queues that have them. */
  readonly #keys = new Map<Queue, Map<number, string>>()
  /** Until when messages are held back: the last word of each counts. */
  readonly #held = new Map<Queue, Map<number, number>>()

  constructor(broker: Broker) {
    this.#broker = broker
  }

  // ---- Checkpoint ----

  checkpointPart(part: Buffer): void {
    const kind = part.readUInt32LE(0)
    const number = part.readUInt32LE(4)
    if (kind === PART.definitions) {
      const { nextNumber, definitions } = jsonOf(part) as { nextNumber: number; definitions: Definition[] }
      for (const definition of definitions) this.#define(definition)
      this.#broker.nextNumber = Math.max(this.#broker.nextNumber, nextNumber)
      return
    }
    const delayed = this.#delayed.get(number)
    if (delayed !== undefined) return this.#delayedPart(delayed, kind, part)
    const queue = this.#broker.queuesByNumber.get(number)
    if (queue === undefined)
      throw new WaybillError('STORAGE_DAMAGED', `the checkpoint has a part of queue ${number}, which it does not define`)
    this.#queuePart(queue, kind, part)
  }

  #queuePart(queue: Queue, kind: number, part: Buffer): void {
    switch (kind) {
      case PART.pages:
        return forEachEntry(part, queue.index, (sequence, position, state, priority) => {
          queue.restore(sequence, position, restartedState(state))
          if (priority > 0) queue.index.setPriority(sequence, priority)
        })
      case PART.held:
        return forEachPair(part, (time, sequence) => this.#hold(queue, sequence, time))
      case PART.expiry:
        return forEachPair(part, (time, sequence) => queue.times.expireAt(sequence, time))
      case PART.attempts:
        return forEachPair(part, (sequence, count) => queue.times.setAttempts(sequence, count))
      case PART.keys:
        for (const [sequence, key] of jsonOf(part) as [number, string][]) this.#keysOf(queue).set(sequence, key)
        return
      case PART.deduplication:
        for (const [id, atMs] of jsonOf(part) as [string, number][]) queue.deduplication?.remember(id, atMs)
        return
      default:
        throw new WaybillError('STORAGE_VERSION', `the checkpoint has a part of the unknown kind ${kind}`)
    }
  }

  #delayedPart(delayed: DelayedMessages, kind: number, part: Buffer): void {
    if (kind === PART.pages) {
      forEachEntry(part, delayed.index, (sequence, position, state) => delayed.index.restore(sequence, position, restartedState(state)))
    } else if (kind === PART.due) {
      forEachPair(part, (time, sequence) => {
        if (delayed.index.positionOf(sequence) !== 0) delayed.heap.push(time, sequence)
      })
    } else throw new WaybillError('STORAGE_VERSION', `the checkpoint has a part of the unknown kind ${kind}`)
  }

  // ---- Records ----

  /** @throws WaybillError STORAGE_DAMAGED when the bytes, though their checksum is right, are no record of a broker */
  record(kind: RecordKind, position: number, buffer: Buffer, view: DataView, offset: number, sizeBytes: number): void {
    try {
      this.#apply(kind, position, buffer, view, offset, sizeBytes)
    } catch (cause) {
      if (!(cause instanceof RangeError) && !(cause instanceof SyntaxError)) throw cause
      throw new WaybillError('STORAGE_DAMAGED', `the record of kind ${kind} at position ${position} makes no sense`, { cause })
    }
  }

  #apply(kind: RecordKind, position: number, buffer: Buffer, view: DataView, offset: number, sizeBytes: number): void {
    switch (kind) {
      case RECORD.message:
        return this.#message(position, this.#view.open(buffer, view, offset))
      case RECORD.copied:
        return this.#copied(position, this.#view.open(buffer, view, offset))
      case RECORD.settled:
        return this.#settled(view, offset)
      case RECORD.routed:
        return this.#routed(view, offset)
      case RECORD.returned:
        return this.#returned(view, offset)
      case RECORD.definition:
        return this.#define(readDefinition(buffer, offset, sizeBytes))
      default:
        throw new WaybillError('STORAGE_VERSION', `the journal has a record of the unknown kind ${kind} at position ${position}`)
    }
  }

  #message(position: number, message: MessageView): void {
    const { movedFrom, dueAtMs } = message
    const size = message.bodySizeBytes
    for (let i = 0; i < message.referenceCount; i++) {
      const number = message.referenceNumber(i)
      const sequence = message.referenceSequence(i)
      const queue = this.#broker.queuesByNumber.get(number)
      if (queue !== undefined) this.#enter(queue, sequence, position, message)
      else this.#delayed.get(number)?.restore(sequence, position, size, dueAtMs)
    }
    if (movedFrom !== undefined) this.#settle(movedFrom.number, movedFrom.sequence)
  }

  #enter(queue: Queue, sequence: number, position: number, message: MessageView): void {
    queue.restore(sequence, position, message.bodySizeBytes)
    if (!queue.special && message.expiresAtMs === 0) return
    const { priorityMax, orderingKey } = queue.settings
    if (priorityMax !== undefined) queue.index.setPriority(sequence, Math.min(message.priority, priorityMax))
    const expiresAtMs = queue.expiryOf(message.acceptedAtMs, message.expiresAtMs)
    if (expiresAtMs > 0) queue.times.expireAt(sequence, expiresAtMs)
    if (queue.deduplication === undefined && orderingKey === undefined) return
    const facts = this.#broker.facts.of({
      form: message.form,
      properties: message.buffer,
      propertiesStart: message.propertiesStart,
      propertiesEnd: message.propertiesEnd,
      routingKey: message.routingKey,
    })
    const id = queue.deduplication === undefined ? undefined : facts.messageId
    if (id !== undefined) queue.deduplication?.remember(id, message.acceptedAtMs)
    if (orderingKey !== undefined) this.#keysOf(queue).set(sequence, facts.orderingKey(orderingKey) ?? `\0${sequence}`)
  }

  /** A copy replaces the positions of entries that are still there; what was settled since stays settled. */
  #copied(position: number, message: MessageView): void {
    for (let i = 0; i < message.referenceCount; i++) {
      const number = message.referenceNumber(i)
      const sequence = message.referenceSequence(i)
      const index = this.#broker.queuesByNumber.get(number)?.index ?? this.#delayed.get(number)?.index
      if (index !== undefined && index.positionOf(sequence) !== 0) index.moveTo(sequence, position)
    }
  }

  #settled(view: DataView, offset: number): void {
    const number = view.getUint32(offset, true)
    const runs = view.getUint32(offset + 4, true)
    for (let run = 0, at = offset + 8; run < runs; run++, at += 12) {
      const first = view.getFloat64(at, true)
      const count = view.getUint32(at + 8, true)
      const queue = this.#broker.queuesByNumber.get(number)
      if (queue === undefined) return
      for (let i = 0; i < count; i++) queue.restoreSettled(first + i)
    }
  }

  #routed(view: DataView, offset: number): void {
    const position = view.getFloat64(offset, true)
    const acceptedAtMs = view.getFloat64(offset + 8, true)
    const messageExpiresAtMs = view.getFloat64(offset + 16, true)
    const from = view.getUint32(offset + 24, true)
    const fromSequence = view.getFloat64(offset + 28, true)
    const size = view.getUint32(offset + 36, true)
    const priority = view.getUint32(offset + 40, true)
    const references = view.getUint32(offset + 44, true)
    // A copy made since the message was stored has moved it: the delayed store knows where it is.
    const now = this.#delayed.get(from)?.index.positionOf(fromSequence)
    const at = now === undefined || now === 0 ? position : now
    for (let i = 0, place = offset + ROUTED_HEAD_SIZE; i < references; i++, place += REFERENCE_SIZE) {
      const queue = this.#broker.queuesByNumber.get(view.getUint32(place, true))
      if (queue === undefined) continue
      const sequence = view.getFloat64(place + 4, true)
      queue.restore(sequence, at, size)
      if (queue.settings.priorityMax !== undefined) queue.index.setPriority(sequence, Math.min(priority, queue.settings.priorityMax))
      const expiresAtMs = queue.expiryOf(acceptedAtMs, messageExpiresAtMs)
      if (expiresAtMs > 0) queue.times.expireAt(sequence, expiresAtMs)
    }
    this.#settle(from, fromSequence)
  }

  #returned(view: DataView, offset: number): void {
    const queue = this.#broker.queuesByNumber.get(view.getUint32(offset, true))
    const sequence = view.getFloat64(offset + 8, true)
    if (queue === undefined || queue.index.positionOf(sequence) === 0) return
    queue.times.setAttempts(sequence, view.getUint32(offset + 4, true))
    queue.index.setBits(sequence, ENTRY.redelivered)
    this.#hold(queue, sequence, view.getFloat64(offset + 16, true))
  }

  /** @param dueAtMs 0: not held back */
  #hold(queue: Queue, sequence: number, dueAtMs: number): void {
    let held = this.#held.get(queue)
    if (held === undefined) this.#held.set(queue, (held = new Map<number, number>()))
    if (dueAtMs > 0) held.set(sequence, dueAtMs)
    else held.delete(sequence)
  }

  #settle(number: number, sequence: number): void {
    const queue = this.#broker.queuesByNumber.get(number)
    if (queue !== undefined) queue.restoreSettled(sequence)
    else this.#delayed.get(number)?.restoreSettled(sequence)
  }

  // ---- Definitions ----

  #define(definition: Definition): void {
    const broker = this.#broker
    if (definition.op === 'namespace') {
      const namespace = broker.addNamespace(definition.n, definition.delayedNumber)
      this.#delayed.set(definition.delayedNumber, namespace.delayed)
      return
    }
    const namespace = broker.namespaces.get(definition.n)
    if (namespace === undefined) throw new WaybillError('STORAGE_DAMAGED', `a definition names the unknown namespace ${definition.n}`)
    switch (definition.op) {
      case 'exchange': {
        const { name, kind, routing, autoDelete, internal } = definition
        const table = argumentsFromText(definition.arguments)
        const alternate = alternateOf(table)
        namespace.addExchange({ name, kind, routing, durable: true, autoDelete, internal, arguments: table, alternate })
        return
      }
      case 'exchange-delete':
        return this.#removeExchange(namespace, definition.name)
      case 'queue': {
        const { number, name, autoDelete } = definition
        const table = argumentsFromText(definition.arguments)
        broker.addQueue(namespace, { name, durable: true, autoDelete, exclusiveOwner: undefined, arguments: table }, number)
        return
      }
      case 'queue-delete': {
        const queue = broker.queuesByNumber.get(definition.number)
        if (queue !== undefined) this.#removeQueue(namespace, queue)
        return
      }
      case 'bind':
      case 'unbind':
        return this.#bind(namespace, definition.op, definition.binding)
      case 'policy':
      case 'policy-delete':
        return namespace.policies.restore(definition)
    }
  }

  #bind(namespace: Namespace, op: 'bind' | 'unbind', binding: BindingDefinition): void {
    const source = namespace.exchanges.get(binding.source)
    const destination = binding.toExchange ? namespace.exchanges.get(binding.destination) : namespace.queues.get(binding.destination)
    if (source === undefined || destination === undefined) return
    source[op](destination, binding.key, argumentsFromText(binding.arguments))
    namespace.topologyVersion++
  }

  /** The deletion of sources that were kept by a binding alone has its own record. */
  #removeExchange(namespace: Namespace, name: string): void {
    const exchange = namespace.exchanges.get(name)
    if (exchange === undefined) return
    namespace.exchanges.delete(name)
    exchange.removeAll()
    for (const binding of [...namespace.bindings.leadingTo(exchange)]) binding.source.remove(binding)
    namespace.topologyVersion++
  }

  #removeQueue(namespace: Namespace, queue: Queue): void {
    namespace.queues.delete(queue.name)
    for (const binding of [...namespace.bindings.leadingTo(queue)]) binding.source.remove(binding)
    this.#broker.queuesByNumber.delete(queue.number)
    this.#keys.delete(queue)
    queue.deleted = true
    namespace.topologyVersion++
  }

  // ---- End ----

  /** Everything is read: queues count and order what they have. After a crash (`suspect`) all of it may have been delivered. */
  finish(suspect: boolean): void {
    const { journal } = this.#broker.services
    for (const queue of this.#broker.queuesByNumber.values()) {
      for (const [sequence, dueAtMs] of this.#held.get(queue) ?? []) {
        if (queue.index.positionOf(sequence) !== 0) queue.restoreHeld(sequence, dueAtMs)
      }
      const keys = this.#keys.get(queue)
      queue.restored(journal, (sequence) => keys?.get(sequence) ?? `\0${sequence}`, suspect)
    }
    for (const delayed of this.#delayed.values()) delayed.restored(suspect)
  }

  #keysOf(queue: Queue): Map<number, string> {
    let keys = this.#keys.get(queue)
    if (keys === undefined) this.#keys.set(queue, (keys = new Map<number, string>()))
    return keys
  }
}

/** What was with a consumer waits again, and was delivered before. */
function restartedState(state: number): number {
  const wasOut = (state & ENTRY.out) !== 0
  return ((state & ~(ENTRY.out | ENTRY.held)) | (wasOut ? ENTRY.redelivered : 0)) >>> 0
}

function jsonOf(part: Buffer): unknown {
  return JSON.parse(part.toString('utf8', PART_HEAD_SIZE))
}

function forEachPair(part: Buffer, visit: (a: number, b: number) => void): void {
  for (let at = PART_HEAD_SIZE; at + 16 <= part.length; at += 16) visit(part.readDoubleLE(at), part.readDoubleLE(at + 8))
}

function forEachEntry(
  part: Buffer,
  index: { nextSequence: number },
  visit: (sequence: number, position: number, state: number, priority: number) => void,
): void {
  const nextSequence = part.readDoubleLE(8)
  const pages = part.readUInt32LE(16)
  const withPriorities = part.readUInt32LE(20) !== 0
  const stride = pageSizeBytes(withPriorities)
  for (let page = 0, offset = PAGES_HEAD_SIZE; page < pages; page++, offset += stride) {
    const base = part.readDoubleLE(offset)
    for (let slot = 0; slot < PAGE_ENTRIES; slot++) {
      const position = part.readDoubleLE(offset + 8 + slot * 8)
      if (position <= 0) continue
      const state = part.readUInt32LE(offset + 8 + PAGE_ENTRIES * 8 + slot * 4)
      const priority = withPriorities ? (part[offset + 8 + PAGE_ENTRIES * 12 + slot] as number) : 0
      visit(base + slot, position, state, priority)
    }
  }
  if (index.nextSequence < nextSequence) index.nextSequence = nextSequence
}
