/**
 * A transaction of a session: publications and settlements kept until the commit, then carried out in one synchronous step, so that
 * the journal has them all in one commit or none.
 */
import { WaybillError } from '../base/errors.ts'
import { LIMITS } from '../base/limits.ts'
import { Publication, PUBLISHED } from './publication.ts'
import type { Outcome, Session } from './session.ts'

interface Settlement {
  readonly tag: number
  readonly multiple: boolean
  readonly outcome: Outcome
}

/** What keeping a publication or a settlement takes besides its bytes, about: many small ones are limited too. */
const PUBLICATION_EXTRA_BYTES = 600
const SETTLEMENT_SIZE_BYTES = 100

/** Carries out one settlement; with `multiple` all up to the tag that are not settled yet, whether the tag itself is or not. */
export type SettleNow = (tag: number, multiple: boolean, outcome: Outcome) => void

/** What a session wants to happen at its next commit. */
export class Transaction {
  readonly #session: Session
  readonly #publications: Publication[] = []
  readonly #settlements: Settlement[] = []
  readonly #settledTags = new Set<number>()
  #settledUpTo = 0
  #sizeBytes = 0

  constructor(session: Session) {
    this.#session = session
  }

  /** Keeps a copy. @returns PUBLISHED.done @throws WaybillError when there is no such exchange, or the transaction is too large */
  publish(publication: Publication): number {
    this.#session.namespace.routeTo(publication)
    this.#grow(publication.bodySizeBytes + (publication.propertiesEnd - publication.propertiesStart) + PUBLICATION_EXTRA_BYTES)
    this.#publications.push(copyOf(publication))
    return PUBLISHED.done
  }

  /**
   * Keeps a settlement; false when the delivery is not unsettled (any more). All (`multiple`, tag 0) means what was delivered by now: what
   * comes until the commit was not meant.
   * @throws WaybillError when the transaction is too large
   */
  settle(tag: number, multiple: boolean, outcome: Outcome): boolean {
    const all = tag === 0 && multiple
    if (!all && (!this.#session.isUnsettled(tag) || this.hasSettled(tag))) return false
    this.#grow(SETTLEMENT_SIZE_BYTES)
    const last = all ? this.#session.lastTag : tag
    if (!multiple) this.#settledTags.add(last)
    else this.#settledUpTo = Math.max(this.#settledUpTo, last)
    this.#settlements.push({ tag: last, multiple, outcome })
    return true
  }

  /** True for a delivery that is settled when this is committed. */
  hasSettled(tag: number): boolean {
    return tag <= this.#settledUpTo || this.#settledTags.has(tag)
  }

  #grow(sizeBytes: number): void {
    this.#sizeBytes += sizeBytes
    if (this.#sizeBytes > LIMITS.transactionSizeBytesMax) throw new WaybillError('RESOURCE_ERROR', 'the transaction is too large')
  }

  /** Carries everything out. @returns an error when a queue refused a publication; the rest is done all the same */
  apply(settle: SettleNow): WaybillError | undefined {
    let error: WaybillError | undefined
    for (const publication of this.#publications) {
      publication.route = undefined
      try {
        const result = this.#session.namespace.publish(publication)
        if (result === PUBLISHED.refused) error ??= new WaybillError('PRECONDITION_FAILED', 'partial tx completion')
        else if (result === PUBLISHED.unroutable && publication.mandatory) this.#session.sink.returned(publication)
      } catch (cause) {
        if (!(cause instanceof WaybillError)) throw cause
        error ??= cause
      }
    }
    for (const { tag, multiple, outcome } of this.#settlements) settle(tag, multiple, outcome)
    return error
  }
}

function copyOf(from: Publication): Publication {
  const to = new Publication()
  to.exchange = from.exchange
  to.routingKey = from.routingKey
  to.moreKeys = from.moreKeys === undefined ? undefined : [...from.moreKeys]
  to.form = from.form
  to.address = Buffer.from(from.address.subarray(from.addressStart, from.addressEnd))
  to.addressEnd = to.address.length
  to.properties = Buffer.from(from.properties.subarray(from.propertiesStart, from.propertiesEnd))
  to.propertiesEnd = to.properties.length
  to.body = Buffer.from(from.body.subarray(from.bodyStart, from.bodyEnd))
  to.bodyEnd = to.body.length
  to.persistent = from.persistent
  to.priority = from.priority
  to.expirationMs = from.expirationMs
  to.delayMs = from.delayMs
  to.mandatory = from.mandatory
  return to
}
