/**
 * The payload of a message record in a log, and how it is read back. Little-endian.
 *
 * | offset | size | field |
 * |---|---|---|
 * | 0 | 8 | accepted at, milliseconds since 1970 (double) |
 * | 8 | 8 | expires at, milliseconds since 1970, or 0 (double) |
 * | 16 | 4 | size of the properties |
 * | 20 | 4 | size of the body |
 * | 24 | 2 | size of the address |
 * | 26 | 2 | count of references, modulo 2^16 |
 * | 28 | 1 | form: encoding tag of the properties |
 * | 29 | 1 | priority |
 * | 30 | 1 | flags |
 * | 31 | 1 | count of references, divided by 2^16 |
 * | 32 | 12 each | references: queue number (4), sequence number (double) |
 * | | 8 | due at (double), with FLAG.delayed |
 * | | 12 | the reference that this message replaces, with FLAG.moved |
 * | | | address: exchange and routing key, each one length byte and UTF-8; of a delayed message further routing keys likewise |
 * | | | properties, in the encoding of the form |
 * | | | body |
 *
 * The references name durable queues only: others have their entries in memory alone. In the memory log there are none.
 */
import { copyBytes } from '../base/copy-bytes.ts'
import { WaybillError } from '../base/errors.ts'
import { LIMITS } from '../base/limits.ts'
import type { Log, Position } from '../storage/storage.ts'
import type { Publication } from './publication.ts'

/** Record kinds of the broker in the journal. */
export const RECORD = {
  message: 1,
  /** Settled messages of a queue: queue number (4), run count (4), then per run first sequence number (8) and count (4). */
  settled: 2,
  /** A stored message got other references: see writeRouted. */
  routed: 3,
  /** A message came back unsettled: queue number (4), delivery count (4), sequence number (8), due at or 0 (8). */
  returned: 4,
  /** A change of a definition: UTF-8 JSON (definitions.ts). */
  definition: 5,
  /** A message copied forward by compaction: as `message`; its references replace the positions of entries that exist. */
  copied: 6,
} as const

const FLAG = {
  persistent: 1,
  delayed: 2,
  moved: 4,
} as const

const HEAD_SIZE = 32
const ADDRESS_SIZE_MAX = 0xffff
export const REFERENCE_SIZE = 12

/** What a reference points from: a queue, or the store of delayed messages. */
export interface ReferenceOwner {
  readonly number: number
  readonly durable: boolean
  readonly nextSequence: number
}

/** The reference that a moved (dead-lettered) message takes the place of. */
export interface MovedFrom {
  readonly number: number
  readonly sequence: number
}

const NO_OWNERS: readonly ReferenceOwner[] = []

/**
 * Stores a message in `log` with a reference for each durable owner, at the number the owner gives next.
 * @param dueAtMs when it becomes visible, or 0
 * @returns its position
 */
export function writeMessage(
  log: Log,
  publication: Publication,
  owners: readonly ReferenceOwner[],
  acceptedAtMs: number,
  expiresAtMs: number,
  dueAtMs: number,
  movedFrom: MovedFrom | undefined,
  journaled: boolean,
): Position {
  const listed = journaled ? owners : NO_OWNERS
  let references = 0
  for (let i = 0; i < listed.length; i++) if ((listed[i] as ReferenceOwner).durable) references++
  const addressSize = publication.addressEnd - publication.addressStart
  const propertiesSize = publication.propertiesEnd - publication.propertiesStart
  const bodySize = publication.bodyEnd - publication.bodyStart
  const extraSize = (dueAtMs > 0 ? 8 : 0) + (movedFrom === undefined ? 0 : REFERENCE_SIZE)
  const size = HEAD_SIZE + references * REFERENCE_SIZE + extraSize + addressSize + propertiesSize + bodySize
  const position = log.reserve(RECORD.message, size)
  const view = log.view
  const buffer = log.buffer
  let at = log.offset
  view.setFloat64(at, acceptedAtMs, true)
  view.setFloat64(at + 8, expiresAtMs, true)
  view.setUint32(at + 16, propertiesSize, true)
  view.setUint32(at + 20, bodySize, true)
  view.setUint16(at + 24, addressSize, true)
  view.setUint16(at + 26, references & 0xffff, true)
  buffer[at + 28] = publication.form
  buffer[at + 29] = publication.priority
  buffer[at + 30] =
    (publication.persistent ? FLAG.persistent : 0) | (dueAtMs > 0 ? FLAG.delayed : 0) | (movedFrom === undefined ? 0 : FLAG.moved)
  buffer[at + 31] = references >>> 16
  at += HEAD_SIZE
  for (let i = 0; i < listed.length; i++) {
    const owner = listed[i] as ReferenceOwner
    if (owner.durable) at = writeReference(view, at, owner.number, owner.nextSequence)
  }
  if (dueAtMs > 0) {
    view.setFloat64(at, dueAtMs, true)
    at += 8
  }
  if (movedFrom !== undefined) at = writeReference(view, at, movedFrom.number, movedFrom.sequence)
  at = copyBytes(publication.address, publication.addressStart, publication.addressEnd, buffer, at)
  at = copyBytes(publication.properties, publication.propertiesStart, publication.propertiesEnd, buffer, at)
  copyBytes(publication.body, publication.bodyStart, publication.bodyEnd, buffer, at)
  log.seal()
  return position
}

function writeReference(view: DataView, at: number, number: number, sequence: number): number {
  view.setUint32(at, number, true)
  view.setFloat64(at + 4, sequence, true)
  return at + REFERENCE_SIZE
}

/**
 * A stored message, read in place. One instance is used again and again; its fields are valid until the next `open` or until
 * the caller returns to the event loop.
 */
export class MessageView {
  buffer: Buffer = Buffer.alloc(0)
  #view: DataView = new DataView(new ArrayBuffer(0))
  #start = 0
  referenceCount = 0
  addressStart = 0
  propertiesStart = 0
  bodyStart = 0
  bodyEnd = 0
  /** How often it was delivered and came back, as far as the queue knows; set by the queue. */
  deliveryCount = 0

  /** Reads the payload at `offset`. */
  open(buffer: Buffer, view: DataView, offset: number): this {
    this.buffer = buffer
    this.#view = view
    this.#start = offset
    const references = view.getUint16(offset + 26, true) | ((buffer[offset + 31] as number) << 16)
    const flags = buffer[offset + 30] as number
    let at = offset + HEAD_SIZE + references * REFERENCE_SIZE
    if ((flags & (FLAG.delayed | FLAG.moved)) !== 0) {
      if ((flags & FLAG.delayed) !== 0) at += 8
      if ((flags & FLAG.moved) !== 0) at += REFERENCE_SIZE
    }
    this.referenceCount = references
    this.addressStart = at
    this.propertiesStart = at + view.getUint16(offset + 24, true)
    this.bodyStart = this.propertiesStart + view.getUint32(offset + 16, true)
    this.bodyEnd = this.bodyStart + view.getUint32(offset + 20, true)
    this.deliveryCount = 0
    return this
  }

  /** Reads the record that `log.locate` has just found. */
  openFound(log: Log): this {
    return this.open(log.foundBuffer, log.foundView, log.foundOffset)
  }

  get addressEnd(): number {
    return this.propertiesStart
  }

  get propertiesEnd(): number {
    return this.bodyStart
  }

  get bodySizeBytes(): number {
    return this.bodyEnd - this.bodyStart
  }

  get acceptedAtMs(): number {
    return this.#view.getFloat64(this.#start, true)
  }

  /** When the message itself expires, or 0. */
  get expiresAtMs(): number {
    return this.#view.getFloat64(this.#start + 8, true)
  }

  get form(): number {
    return this.buffer[this.#start + 28] as number
  }

  get priority(): number {
    return this.buffer[this.#start + 29] as number
  }

  get persistent(): boolean {
    return ((this.buffer[this.#start + 30] as number) & FLAG.persistent) !== 0
  }

  /** When a delayed message becomes visible, or 0. */
  get dueAtMs(): number {
    if (((this.buffer[this.#start + 30] as number) & FLAG.delayed) === 0) return 0
    return this.#view.getFloat64(this.#start + HEAD_SIZE + this.referenceCount * REFERENCE_SIZE, true)
  }

  /** The reference this message replaces, or undefined. */
  get movedFrom(): MovedFrom | undefined {
    const flags = this.buffer[this.#start + 30] as number
    if ((flags & FLAG.moved) === 0) return undefined
    const at = this.addressStart - REFERENCE_SIZE
    return { number: this.#view.getUint32(at, true), sequence: this.#view.getFloat64(at + 4, true) }
  }

  referenceNumber(index: number): number {
    return this.#view.getUint32(this.#start + HEAD_SIZE + index * REFERENCE_SIZE, true)
  }

  referenceSequence(index: number): number {
    return this.#view.getFloat64(this.#start + HEAD_SIZE + index * REFERENCE_SIZE + 4, true)
  }

  get exchange(): string {
    const length = this.buffer[this.addressStart] as number
    return this.buffer.toString('utf8', this.addressStart + 1, this.addressStart + 1 + length)
  }

  get routingKey(): string {
    const start = this.addressStart + 1 + (this.buffer[this.addressStart] as number)
    const length = this.buffer[start] as number
    return this.buffer.toString('utf8', start + 1, start + 1 + length)
  }

  /** The routing keys beside the first that a delayed message waits with, or undefined. */
  get moreKeys(): string[] | undefined {
    const { buffer, addressEnd } = this
    let at = this.addressStart
    for (let name = 0; name < 2; name++) at += 1 + (buffer[at] as number)
    if (at >= addressEnd) return undefined
    const keys: string[] = []
    while (at < addressEnd) {
      const end = at + 1 + (buffer[at] as number)
      keys.push(buffer.toString('utf8', at + 1, end))
      at = end
    }
    return keys
  }

  /** Copies address, properties, body and facets into a publication; its bytes are those of this view, borrowed likewise. */
  copyTo(publication: Publication): void {
    publication.address = publication.properties = publication.body = this.buffer
    publication.addressStart = this.addressStart
    publication.addressEnd = this.addressEnd
    publication.propertiesStart = this.propertiesStart
    publication.propertiesEnd = this.propertiesEnd
    publication.bodyStart = this.bodyStart
    publication.bodyEnd = this.bodyEnd
    publication.form = this.form
    publication.persistent = this.persistent
    publication.priority = this.priority
    publication.expirationMs = -1
    publication.delayMs = 0
    publication.moreKeys = undefined
    publication.route = undefined
  }
}

/**
 * Writes further routing keys behind the address of a publication that is to be delayed: they are gone otherwise when it is routed.
 * @throws WaybillError PRECONDITION_FAILED when they are too many
 */
export function addKeysToAddress(publication: Publication, keys: readonly string[]): void {
  const parts = [publication.address.subarray(publication.addressStart, publication.addressEnd)]
  for (const key of keys) {
    const bytes = Buffer.from(key, 'utf8')
    if (bytes.length > LIMITS.nameSizeBytesMax) continue
    parts.push(Buffer.of(bytes.length), bytes)
  }
  const address = Buffer.concat(parts)
  if (address.length > ADDRESS_SIZE_MAX) throw new WaybillError('PRECONDITION_FAILED', 'a delayed message has too many routing keys')
  publication.address = address
  publication.addressStart = 0
  publication.addressEnd = address.length
}

/** Size of a routed record without its references. */
export const ROUTED_HEAD_SIZE = 48

/**
 * A stored message gets other references (a delayed message that has become due): position (8), accepted at (8), expires at or 0 (8),
 * the reference it had (12), body size (4), priority (4), count of references (4), then the references (12 each).
 */
export function writeRouted(
  log: Log,
  position: Position,
  message: MessageView,
  acceptedAtMs: number,
  from: MovedFrom,
  owners: readonly ReferenceOwner[],
): void {
  // Taken first: the view reads from the log's buffers as they are now.
  const { expiresAtMs, priority, bodySizeBytes } = message
  let references = 0
  for (const owner of owners) if (owner.durable) references++
  log.reserve(RECORD.routed, ROUTED_HEAD_SIZE + references * REFERENCE_SIZE)
  const view = log.view
  let at = log.offset
  view.setFloat64(at, position, true)
  view.setFloat64(at + 8, acceptedAtMs, true)
  view.setFloat64(at + 16, expiresAtMs, true)
  writeReference(view, at + 24, from.number, from.sequence)
  view.setUint32(at + 36, bodySizeBytes, true)
  view.setUint32(at + 40, priority, true)
  view.setUint32(at + 44, references, true)
  at += ROUTED_HEAD_SIZE
  for (const owner of owners) if (owner.durable) at = writeReference(view, at, owner.number, owner.nextSequence)
  log.seal()
}

/** Records that a delivery came back: its count of deliveries, and until when it is held back (0: not). */
export function writeReturned(log: Log, number: number, sequence: number, deliveryCount: number, dueAtMs: number): void {
  log.reserve(RECORD.returned, 24)
  const view = log.view
  const at = log.offset
  view.setUint32(at, number, true)
  view.setUint32(at + 4, deliveryCount, true)
  view.setFloat64(at + 8, sequence, true)
  view.setFloat64(at + 16, dueAtMs, true)
  log.seal()
}

/** Copies a stored message forward, with only the references that still count. @returns its new position */
export function writeCopied(log: Log, message: MessageView, references: readonly MovedFrom[]): Position {
  const dueAtMs = message.dueAtMs
  const tailSize = message.bodyEnd - message.addressStart
  const size = HEAD_SIZE + references.length * REFERENCE_SIZE + (dueAtMs > 0 ? 8 : 0) + tailSize
  const position = log.reserve(RECORD.copied, size)
  const view = log.view
  const buffer = log.buffer
  let at = log.offset
  view.setFloat64(at, message.acceptedAtMs, true)
  view.setFloat64(at + 8, message.expiresAtMs, true)
  view.setUint32(at + 16, message.propertiesEnd - message.propertiesStart, true)
  view.setUint32(at + 20, message.bodySizeBytes, true)
  view.setUint16(at + 24, message.addressEnd - message.addressStart, true)
  view.setUint16(at + 26, references.length & 0xffff, true)
  buffer[at + 28] = message.form
  buffer[at + 29] = message.priority
  buffer[at + 30] = (message.persistent ? FLAG.persistent : 0) | (dueAtMs > 0 ? FLAG.delayed : 0)
  buffer[at + 31] = references.length >>> 16
  at += HEAD_SIZE
  for (const reference of references) at = writeReference(view, at, reference.number, reference.sequence)
  if (dueAtMs > 0) {
    view.setFloat64(at, dueAtMs, true)
    at += 8
  }
  copyBytes(message.buffer, message.addressStart, message.bodyEnd, buffer, at)
  log.seal()
  return position
}
