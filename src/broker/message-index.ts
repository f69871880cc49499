/**
 * Where a queue's messages are: sequence number -> (position, size, state), in pages of typed arrays.
 *
 * Every message of a queue, waiting or with a consumer, has an entry from the moment it is accepted until it is settled. A waiting
 * message costs twelve bytes and no object. Sequence numbers grow by one per message of the queue and are never used again,
 * so that a settlement is recorded as runs of numbers and found without a hash.
 *
 * Pages without entries are given back. When few old entries hold back many empty pages (one delivery unsettled for hours while
 * millions pass), the old pages move into a map, so that the directory stays proportional to what is stored.
 */
import { assert } from '../base/assert.ts'
import type { Position } from '../storage/storage.ts'

export const PAGE_ENTRIES = 512
const PAGE_POOL_MAX = 256
/** The directory is thinned out when it has more slots than this and fewer than a sixteenth of them are used. */
const DIRECTORY_SLOTS_MIN = 1024

/** Bits of an entry's state word above its size. */
export const ENTRY = {
  /** With a consumer, or being dead-lettered: not available to anybody else. */
  out: 0x8000_0000,
  /** Was (or may have been) delivered before. */
  redelivered: 0x4000_0000,
  /** Waits for its back-off to pass. */
  held: 0x2000_0000,
} as const
const SIZE_MASK = 0x1fff_ffff
const NOT_WAITING = 0xa000_0000 | 0

/** Bits that survive a restart. */
export const STATE_SIZE_MASK = SIZE_MASK

/** A page of entries; entry i of page p belongs to sequence number p * PAGE_ENTRIES + i. Position 0: no entry. */
export interface IndexPage {
  readonly positions: Float64Array
  readonly states: Uint32Array
  /** Only in queues with priorities. */
  priorities: Uint8Array | undefined
  live: number
}

const pool: IndexPage[] = []

function takePage(): IndexPage {
  const page = pool.pop()
  if (page !== undefined) return page
  return { positions: new Float64Array(PAGE_ENTRIES), states: new Uint32Array(PAGE_ENTRIES), priorities: undefined, live: 0 }
}

function givePage(page: IndexPage): void {
  assert(page.live === 0, 'a page that is given back is empty')
  page.priorities = undefined
  if (pool.length < PAGE_POOL_MAX) pool.push(page)
}

/** Position and state of each message of one queue, by sequence number. */
export class MessageIndex {
  /** Number of the next message. Numbers start at 1, so that 0 can mean none. */
  nextSequence = 1
  /** Entries present. */
  size = 0
  /** Page numbers from `#firstPage` on; an empty page's slot is undefined. */
  #pages: (IndexPage | undefined)[] = []
  #firstPage = 0
  #usedPages = 0
  readonly #oldPages = new Map<number, IndexPage>()

  /** Adds the next message. @returns its sequence number */
  append(position: Position, sizeBytes: number): number {
    const sequence = this.nextSequence++
    this.#put(sequence, position, sizeBytes)
    return sequence
  }

  /** Puts an entry at a known number (recovery, where numbers come in order but may have gaps). */
  restore(sequence: number, position: Position, state: number): void {
    if (sequence >= this.nextSequence) this.nextSequence = sequence + 1
    const slot = sequence & (PAGE_ENTRIES - 1)
    const page = this.#pageOf(sequence)
    if (page !== undefined && page.positions[slot] !== 0) {
      page.positions[slot] = position
      return
    }
    this.#put(sequence, position, state)
  }

  /** The message's position, or 0 when it is gone. */
  positionOf(sequence: number): Position {
    const page = this.#pageOf(sequence)
    return page === undefined ? 0 : (page.positions[sequence & (PAGE_ENTRIES - 1)] as number)
  }

  /** True when the message is there, not out and not held back. */
  isWaiting(sequence: number): boolean {
    const page = this.#pageOf(sequence)
    if (page === undefined) return false
    const slot = sequence & (PAGE_ENTRIES - 1)
    return page.positions[slot] !== 0 && ((page.states[slot] as number) & NOT_WAITING) === 0
  }

  stateOf(sequence: number): number {
    const page = this.#pageOf(sequence)
    return page === undefined ? 0 : (page.states[sequence & (PAGE_ENTRIES - 1)] as number)
  }

  sizeOf(sequence: number): number {
    return this.stateOf(sequence) & SIZE_MASK
  }

  setBits(sequence: number, bits: number): void {
    const page = this.#pageOf(sequence) as IndexPage
    const slot = sequence & (PAGE_ENTRIES - 1)
    page.states[slot] = ((page.states[slot] as number) | bits) >>> 0
  }

  clearBits(sequence: number, bits: number): void {
    const page = this.#pageOf(sequence) as IndexPage
    const slot = sequence & (PAGE_ENTRIES - 1)
    page.states[slot] = ((page.states[slot] as number) & ~bits) >>> 0
  }

  /** The message moved in its log (compaction). */
  moveTo(sequence: number, position: Position): void {
    const page = this.#pageOf(sequence)
    assert(page !== undefined, 'only a present message moves')
    page.positions[sequence & (PAGE_ENTRIES - 1)] = position
  }

  setPriority(sequence: number, priority: number): void {
    const page = this.#pageOf(sequence) as IndexPage
    page.priorities ??= new Uint8Array(PAGE_ENTRIES)
    page.priorities[sequence & (PAGE_ENTRIES - 1)] = priority
  }

  priorityOf(sequence: number): number {
    const page = this.#pageOf(sequence)
    return page?.priorities?.[sequence & (PAGE_ENTRIES - 1)] ?? 0
  }

  /** Takes the entry away. @returns the position it had, or 0 when there was none */
  remove(sequence: number): Position {
    const page = this.#pageOf(sequence)
    if (page === undefined) return 0
    const slot = sequence & (PAGE_ENTRIES - 1)
    const position = page.positions[slot] as number
    if (position === 0) return 0
    page.positions[slot] = 0
    page.states[slot] = 0
    this.size--
    if (--page.live === 0) this.#dropPage(sequence)
    return position
  }

  /** The smallest number at or after `sequence` that has an entry (waiting or not), or `nextSequence`. Skips empty pages whole. */
  firstAtOrAfter(sequence: number): number {
    let at = sequence
    while (at < this.nextSequence) {
      const number = Math.floor(at / PAGE_ENTRIES)
      const page = number >= this.#firstPage ? this.#pages[number - this.#firstPage] : this.#oldPages.get(number)
      if (page !== undefined) {
        const positions = page.positions
        for (let slot = at & (PAGE_ENTRIES - 1); slot < PAGE_ENTRIES; slot++, at++) if (positions[slot] !== 0) return at
      } else if (number < this.#firstPage) {
        at = this.#nextOldPage(number) * PAGE_ENTRIES
      } else {
        at = (number + 1) * PAGE_ENTRIES
      }
    }
    return this.nextSequence
  }

  /** The number of the first old page after `number`, or of the first page of the directory. */
  #nextOldPage(number: number): number {
    let next = this.#firstPage
    for (const old of this.#oldPages.keys()) if (old > number && old < next) next = old
    return next
  }

  /** Visits the pages in order of their numbers. `base` is the sequence number of the page's first entry. */
  forEachPage(visit: (page: IndexPage, base: number) => void): void {
    const old = [...this.#oldPages.keys()].sort((a, b) => a - b)
    for (const number of old) visit(this.#oldPages.get(number) as IndexPage, number * PAGE_ENTRIES)
    for (let i = 0; i < this.#pages.length; i++) {
      const page = this.#pages[i]
      if (page !== undefined) visit(page, (this.#firstPage + i) * PAGE_ENTRIES)
    }
  }

  /** Visits each entry in order of its number. The visitor may remove the entry it is given. */
  forEach(visit: (sequence: number, position: Position, state: number) => void): void {
    const pages: [IndexPage, number][] = []
    this.forEachPage((page, base) => pages.push([page, base]))
    for (const [page, base] of pages) {
      for (let slot = 0; slot < PAGE_ENTRIES && page.live > 0; slot++) {
        const position = page.positions[slot] as number
        if (position !== 0) visit(base + slot, position, page.states[slot] as number)
      }
    }
  }

  #pageOf(sequence: number): IndexPage | undefined {
    const number = Math.floor(sequence / PAGE_ENTRIES)
    const slot = number - this.#firstPage
    if (slot >= 0) return this.#pages[slot]
    return this.#oldPages.size === 0 ? undefined : this.#oldPages.get(number)
  }

  #put(sequence: number, position: Position, state: number): void {
    assert(position !== 0, 'a message has a position')
    const number = Math.floor(sequence / PAGE_ENTRIES)
    if (this.#pages.length === 0) this.#firstPage = Math.max(number, this.#firstPage)
    let slot = number - this.#firstPage
    let page: IndexPage | undefined
    if (slot < 0) {
      page = this.#oldPages.get(number)
      if (page === undefined) this.#oldPages.set(number, (page = takePage()))
    } else {
      if (slot - this.#pages.length > DIRECTORY_SLOTS_MIN) {
        this.#thin(0)
        this.#firstPage = number
        slot = 0
      }
      while (this.#pages.length <= slot) this.#pages.push(undefined)
      page = this.#pages[slot]
      if (page === undefined) {
        page = this.#pages[slot] = takePage()
        this.#usedPages++
        if (this.#pages.length > DIRECTORY_SLOTS_MIN && this.#usedPages * 16 < this.#pages.length) this.#thin(2)
      }
    }
    const at = sequence & (PAGE_ENTRIES - 1)
    page.positions[at] = position
    page.states[at] = state
    page.live++
    this.size++
  }

  /** The page of `sequence` has become empty: give it back, and its slot when it is the first. The page being filled stays. */
  #dropPage(sequence: number): void {
    const number = Math.floor(sequence / PAGE_ENTRIES)
    if (number === Math.floor(this.nextSequence / PAGE_ENTRIES) && this.size > 0) return
    const slot = number - this.#firstPage
    if (slot < 0) {
      givePage(this.#oldPages.get(number) as IndexPage)
      this.#oldPages.delete(number)
      return
    }
    // The page that the next message goes to is kept: a queue that is filled and drained all the time does not exchange it at each message.
    if (number === Math.floor(this.nextSequence / PAGE_ENTRIES)) return
    givePage(this.#pages[slot] as IndexPage)
    this.#pages[slot] = undefined
    this.#usedPages--
    while (this.#pages.length > 0 && this.#pages[0] === undefined) {
      this.#pages.shift()
      this.#firstPage++
    }
  }

  /** Moves all used pages but the last `keep` into the map, so that the directory is short again. */
  #thin(keep: number): void {
    while (this.#pages.length > keep) {
      const page = this.#pages.shift()
      if (page !== undefined) {
        if (page.live === 0) givePage(page)
        else this.#oldPages.set(this.#firstPage, page)
        this.#usedPages--
      }
      this.#firstPage++
    }
  }
}
