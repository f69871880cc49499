/**
 * Moves messages to the dead-letter exchange of their queue. The move is one record that stores the message with its history and
 * settles it at its source: a crash leaves it at exactly one of the two places. A message that has to be read from the disk first waits
 * in line; nothing behind it overtakes it.
 *
 * The history is RabbitMQ's: `x-death` (per queue and reason: count, time of the first, exchange, routing keys, original expiration),
 * `x-first-death-*` and `x-last-death-*`. A message that would come back to a queue without a rejection on the way is dropped there (cycle).
 */
import { WaybillError } from '../base/errors.ts'
import { encodeText } from '../base/text.ts'
import { PHASE, type TurnTask } from '../base/turn.ts'
import type { HeaderValue } from '../message/header-value.ts'
import type { MessageProperties } from '../message/properties.ts'
import type { MessageView } from './message-record.ts'
import { Publication } from './publication.ts'
import type { Position } from '../storage/storage.ts'
import type { Queue } from './queue.ts'
import type { DeadLetterReason, Services } from './services.ts'

const MOVES_PER_TURN_MAX = 500

/** So much of the line that is done is cut off at once. */
const DONE_MAX = 1_024

interface Move {
  readonly queue: Queue
  readonly sequence: number
  readonly reason: DeadLetterReason
  /** Where the message is when its queue is gone: it is kept for this move alone. 0: the queue knows. */
  detachedPosition: Position
}

/** Somebody waits until so many messages in all have been moved. */
interface MoveWaiter {
  readonly count: number
  readonly callback: () => void
}

/** Publishes a dead letter: stores it where `publication` leads, without the queues that `skip` names, and settles it at its source. */
export type PublishDeadLetter = (publication: Publication, from: Queue, sequence: number, skip: (queue: Queue) => boolean) => void

type Death = ReadonlyMap<string, HeaderValue>

/** The messages on their way to dead-letter exchanges. */
export class DeadLetters implements TurnTask {
  scheduled = false
  readonly #services: Services
  readonly #publish: PublishDeadLetter
  #line: Move[] = []
  #at = 0
  #loading = false
  #emptied: (() => void) | undefined
  /** How many came in all, and who waits for how many of them to be done. */
  #addedCount = 0
  #waiters: MoveWaiter[] = []

  constructor(services: Services, publish: PublishDeadLetter) {
    this.#services = services
    this.#publish = publish
  }

  /** Messages in line. */
  get size(): number {
    return this.#line.length - this.#at
  }

  add(queue: Queue, sequence: number, reason: DeadLetterReason): void {
    this.#line.push({ queue, sequence, reason, detachedPosition: 0 })
    this.#addedCount++
    if (!this.#loading) this.#services.turn.schedule(this, PHASE.deliver)
  }

  /** The queue is about to go: what was rejected or expired before is moved all the same. */
  detach(queue: Queue): void {
    for (let at = this.#at; at < this.#line.length; at++) {
      const move = this.#line[at] as Move
      if (move.queue !== queue) continue
      move.detachedPosition = queue.index.positionOf(move.sequence)
      if (move.detachedPosition !== 0) this.#services.storage.logOf(move.detachedPosition).retain(move.detachedPosition)
    }
  }

  /**
   * Moves what `change` adds at once, before what was in line, so that it is in the same commit. What has to be read from the disk first keeps
   * its place in line.
   * @param done called when nothing of it is in line any more, at once if possible
   */
  moveWith(change: () => void, done: () => void): void {
    const before = this.size
    change()
    const end = this.#line.length
    let left = 0
    for (let at = this.#at + before; at < end; at++) {
      const move = this.#line[at] as Move
      const position = positionOf(move)
      if (position === 0) continue
      if (this.#services.storage.logOf(position).locate(position)) this.#carryOut(move, position)
      else left++
    }
    if (left === 0) done()
    else this.#waiters.push({ count: this.#addedCount, callback: done })
  }

  /** Resolves when nothing is in line any more. */
  whenEmpty(): Promise<void> {
    if (this.size === 0) return Promise.resolve()
    return new Promise((resolve) => (this.#emptied = resolve))
  }

  runAtTurnEnd(): void {
    if (this.#loading) return
    const services = this.#services
    let budget = MOVES_PER_TURN_MAX
    while (this.#at < this.#line.length) {
      if (budget-- === 0) return this.#goOnNextTurn()
      const move = this.#line[this.#at] as Move
      const position = positionOf(move)
      if (position !== 0) {
        if (!services.storage.logOf(position).locate(position)) {
          this.#tellWaiters()
          return this.#load(position)
        }
        this.#carryOut(move, position)
      }
      this.#at++
    }
    this.#line = []
    this.#at = 0
    this.#tellWaiters()
    this.#emptied?.()
  }

  #tellWaiters(): void {
    const doneCount = this.#addedCount - this.size
    while (this.#waiters.length > 0 && (this.#waiters[0] as MoveWaiter).count <= doneCount) this.#waiters.shift()?.callback()
  }

  #goOnNextTurn(): void {
    this.#tellWaiters()
    // A line that is never empty must not grow for ever.
    if (this.#at > DONE_MAX && this.#at * 2 > this.#line.length) {
      this.#line = this.#line.slice(this.#at)
      this.#at = 0
    }
    this.#services.turn.schedule(this, PHASE.deliver)
  }

  #load(position: number): void {
    this.#loading = true
    this.#services.storage.logOf(position).load(position, (error) => {
      this.#loading = false
      if (error !== null) {
        // It stays with its queue, set aside, until somebody repairs or salvages.
        this.#services.readFailed(error)
        this.#at++
      }
      this.runAtTurnEnd()
    })
  }

  /** Moves one message that the log has just located. */
  #carryOut(move: Move, position: Position): void {
    const log = this.#services.storage.logOf(position)
    this.#move(move, this.#services.view.openFound(log))
    if (move.detachedPosition === 0) return
    move.detachedPosition = 0
    log.release(position)
  }

  #move({ queue, sequence, reason }: Move, message: MessageView): void {
    if (queue.settings.deadLetterExchange === undefined) {
      // A policy has taken it away since.
      if (!queue.deleted) queue.drop(sequence)
      return
    }
    const publication = new Publication()
    message.copyTo(publication)
    const deaths = deadLetterOf(this.#services, publication, queue, reason, message.exchange, message.routingKey)
    this.#publish(publication, queue, sequence, (target) => goesRound(queue, reason, deaths, target))
  }
}

/** Where the message is, or 0 when it is gone. */
function positionOf({ queue, sequence, detachedPosition }: Move): Position {
  return queue.deleted ? detachedPosition : queue.index.positionOf(sequence)
}

/**
 * Turns a publication into the dead letter of itself: new address, properties with the history. Its bytes are owned by it afterwards,
 * except the body.
 * @returns the deaths before this one
 */
export function deadLetterOf(
  services: Services,
  publication: Publication,
  queue: Queue,
  reason: DeadLetterReason,
  exchange: string,
  routingKey: string,
): readonly Death[] {
  const form = services.forms.of(publication.form)
  const properties = form.decode(publication.properties, publication.propertiesStart, publication.propertiesEnd)
  const headers = new Map<string, HeaderValue | undefined>()
  const before = deathsOf(properties)
  const { deadLetterExchange, deadLetterRoutingKey } = queue.settings
  const carbonCopies = properties.headers.get('CC')
  const keys = [routingKey, ...textsOf(carbonCopies)]
  headers.set('x-death', historyWith(before, { queue: queue.name, reason, exchange, keys, atMs: services.turn.nowMs, properties }))
  if (!properties.headers.has('x-first-death-reason')) setDeath(headers, 'x-first-death', queue.name, reason, exchange)
  setDeath(headers, 'x-last-death', queue.name, reason, exchange)
  publication.moreKeys = undefined
  if (deadLetterRoutingKey === undefined) {
    if (keys.length > 1) publication.moreKeys = keys.slice(1)
  } else if (carbonCopies !== undefined) headers.set('CC', undefined)
  patchProperties(services, publication, headers)
  setAddress(publication, deadLetterExchange as string, deadLetterRoutingKey ?? routingKey)
  return before
}

/** Takes the expiration away and sets headers. A message whose headers leave no room for a history (LIMITS.headerEntriesMax) goes without one. */
function patchProperties(services: Services, publication: Publication, headers: ReadonlyMap<string, HeaderValue | undefined>): void {
  const { properties, propertiesStart, propertiesEnd } = publication
  const form = services.forms.of(publication.form)
  let encoded: Buffer
  try {
    encoded = form.patch(properties, propertiesStart, propertiesEnd, { removeExpiration: true, headers })
    // Whoever reads it again (its next queue, the next start) must be able to.
    form.scan(encoded, 0, encoded.length, services.facets)
  } catch (error) {
    if (!(error instanceof WaybillError)) throw error
    encoded = form.patch(properties, propertiesStart, propertiesEnd, { removeExpiration: true })
  }
  publication.properties = encoded
  publication.propertiesStart = 0
  publication.propertiesEnd = encoded.length
}

/** Gives a publication its address, in names and in bytes. */
export function setAddress(publication: Publication, exchange: string, routingKey: string): void {
  publication.exchange = exchange
  publication.routingKey = routingKey
  publication.route = undefined
  const names = [encodeText(exchange), encodeText(routingKey)] as const
  publication.address = Buffer.concat([Buffer.of(names[0].length), names[0], Buffer.of(names[1].length), names[1]])
  publication.addressStart = 0
  publication.addressEnd = publication.address.length
}

/** True when a message that died in `from` after `deaths` must not go to `target`: it would go round without anybody rejecting it. */
export function goesRound(from: Queue, reason: DeadLetterReason, deaths: readonly Death[], target: Queue): boolean {
  return reason !== 'rejected' && (target === from || isCycle(deaths, target.name))
}

/** True when the deaths show that the message has been in `queue` and was not rejected since. */
function isCycle(deaths: readonly Death[], queue: string): boolean {
  const at = deaths.findIndex((death) => death.get('queue') === queue)
  return at >= 0 && deaths.slice(0, at + 1).every((death) => death.get('reason') !== 'rejected')
}

interface NewDeath {
  readonly queue: string
  readonly reason: DeadLetterReason
  readonly exchange: string
  readonly keys: readonly string[]
  readonly atMs: number
  readonly properties: MessageProperties
}

/** The history with one more death: the newest first, one entry per queue and reason. */
function historyWith(before: readonly Death[], death: NewDeath): HeaderValue {
  const at = before.findIndex((entry) => entry.get('queue') === death.queue && entry.get('reason') === death.reason)
  if (at >= 0) {
    const known = before[at] as Death
    const again = new Map(known)
    again.set('count', countOf(known) + 1)
    return [again, ...before.filter((_, i) => i !== at)].map(withLongCount)
  }
  const entry = new Map<string, HeaderValue>([
    ['count', 1],
    ['reason', death.reason],
    ['queue', death.queue],
    ['time', new Date(Math.floor(death.atMs / 1000) * 1000)],
    ['exchange', death.exchange],
    ['routing-keys', death.keys],
  ])
  if (death.properties.expirationMs !== undefined) entry.set('original-expiration', String(death.properties.expirationMs))
  return [entry, ...before].map(withLongCount)
}

/** How often a message has died this way. A client may have written anything into the history: what is no count is none. */
function countOf(death: Death): number {
  const count = death.get('count')
  const number = typeof count === 'number' || typeof count === 'bigint' ? Number(count) : 0
  return Number.isSafeInteger(number) && number > 0 ? number : 0
}

/** The count is a 64-bit integer on the wire, as clients know it from RabbitMQ; a bigint is written as one. */
function withLongCount(death: Death): Death {
  const count = death.get('count')
  return Number.isSafeInteger(count) ? new Map(death).set('count', BigInt(count as number)) : death
}

function deathsOf(properties: MessageProperties): readonly Death[] {
  const history = properties.headers.get('x-death')
  return Array.isArray(history) ? history.filter((entry): entry is Death => entry instanceof Map) : []
}

function textsOf(value: HeaderValue | undefined): readonly string[] {
  return Array.isArray(value) ? value.filter((entry): entry is string => typeof entry === 'string') : []
}

function setDeath(headers: Map<string, HeaderValue | undefined>, prefix: string, queue: string, reason: string, exchange: string): void {
  headers.set(`${prefix}-reason`, reason)
  headers.set(`${prefix}-queue`, queue)
  headers.set(`${prefix}-exchange`, exchange)
}
