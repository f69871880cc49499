/**
 * Which segments of the journal are alive, and how much of each.
 *
 * References are counted per segment, and within it per granule (a 64th), so that memory of chunks that nothing refers to is free
 * at once. A segment dies when it has no references, lies before the newest checkpoint, and the commit that holds whatever removed its
 * last reference is on the disk: until then a crash brings the reference back.
 *
 * Live bytes are an estimate: the bytes of the records that were referenced, times the share of their first references that is left.
 */
import { assert } from '../base/assert.ts'
import { WaybillError } from '../base/errors.ts'
import type { Position, Victim } from './storage.ts'

const GRANULES = 64

/** One segment of the journal. */
export class Segment {
  readonly number: number
  readonly references: Int32Array = new Int32Array(GRANULES)
  referenceCount = 0
  /** References that its records got right after they were written, and the bytes of these records. */
  firstReferenceCount = 0
  referencedSizeBytes = 0
  /** True while it is in the list of those whose last reference went since the last commit was cut. */
  emptied = false
  /** In how many such lists it is, those of commits under way included: while there are any, a crash may bring references back. */
  unsettledCount = 0

  constructor(number: number) {
    this.number = number
  }

  get liveSizeBytes(): number {
    if (this.referenceCount === 0) return 0
    return this.referencedSizeBytes * Math.min(1, this.referenceCount / Math.max(1, this.firstReferenceCount))
  }
}

/** What a checkpoint keeps of a segment. */
export interface SegmentStatistics {
  readonly number: number
  readonly firstReferenceCount: number
  readonly referencedSizeBytes: number
}

/** All segments that are not dead. */
export class SegmentTable {
  readonly segmentSizeBytes: number
  readonly #granuleSizeBytes: number
  readonly #segments = new Map<number, Segment>()
  #retainHit: Segment = new Segment(-1)
  #releaseHit: Segment = new Segment(-1)
  #emptied: Segment[] = []
  /** Segments before this number are covered by the newest checkpoint. */
  #coveredBefore = 0
  readonly #died: (number: number) => void
  /** Until the owner starts, a reference into a segment that is not there is damage of the folder, not a bug. */
  recovering = true

  constructor(segmentSizeBytes: number, died: (number: number) => void) {
    this.segmentSizeBytes = segmentSizeBytes
    this.#granuleSizeBytes = segmentSizeBytes / GRANULES
    this.#died = died
  }

  get count(): number {
    return this.#segments.size
  }

  get liveSizeBytes(): number {
    let sizeBytes = 0
    for (const segment of this.#segments.values()) sizeBytes += segment.liveSizeBytes
    return sizeBytes
  }

  numberOf(position: Position): number {
    return Math.floor(position / this.segmentSizeBytes)
  }

  add(number: number): Segment {
    assert(!this.#segments.has(number), 'a segment is added once')
    const segment = new Segment(number)
    this.#segments.set(number, segment)
    return segment
  }

  get(number: number): Segment | undefined {
    return this.#segments.get(number)
  }

  /** The segment was cut by recovery. */
  forget(number: number): void {
    this.#segments.delete(number)
  }

  /** Hot: once per reference of a message. @returns the segment */
  retain(position: Position): Segment {
    const number = Math.floor(position / this.segmentSizeBytes)
    let segment = this.#retainHit
    if (segment.number !== number) this.#retainHit = segment = this.#existing(number)
    const granule = ((position - number * this.segmentSizeBytes) / this.#granuleSizeBytes) | 0
    segment.references[granule] = (segment.references[granule] as number) + 1
    segment.referenceCount++
    return segment
  }

  /** Hot: once per settled reference. */
  release(position: Position): void {
    const number = Math.floor(position / this.segmentSizeBytes)
    let segment = this.#releaseHit
    if (segment.number !== number) this.#releaseHit = segment = this.#existing(number)
    const granule = ((position - number * this.segmentSizeBytes) / this.#granuleSizeBytes) | 0
    const left = (segment.references[granule] as number) - 1
    assert(left >= 0, 'a reference is released once')
    segment.references[granule] = left
    if (--segment.referenceCount === 0 && !segment.emptied) {
      segment.emptied = true
      segment.unsettledCount++
      this.#emptied.push(segment)
    }
  }

  /** True when nothing refers to a record in [start, end); may also answer false because of a neighbour. */
  isUnreferenced(start: Position, end: Position): boolean {
    const number = this.numberOf(start)
    const segment = this.#segments.get(number)
    if (segment === undefined || segment.referenceCount === 0) return true
    const base = number * this.segmentSizeBytes
    const last = Math.min(GRANULES - 1, Math.floor((end - 1 - base) / this.#granuleSizeBytes))
    for (let granule = Math.floor((start - base) / this.#granuleSizeBytes); granule <= last; granule++) {
      if ((segment.references[granule] as number) > 0) return false
    }
    return true
  }

  /** Takes the segments that lost their last reference by what is in the commit being cut; to be given to `settle` once it is durable. */
  takeEmptied(): Segment[] | undefined {
    if (this.#emptied.length === 0) return undefined
    const emptied = this.#emptied
    this.#emptied = []
    for (const segment of emptied) segment.emptied = false
    return emptied
  }

  /** The commit is on the disk: those of its emptied segments that are still empty and covered by a checkpoint die. */
  settle(emptied: Segment[]): void {
    for (const segment of emptied) {
      segment.unsettledCount--
      this.#dieIfOver(segment)
    }
  }

  /** Segments before `number` are covered by a durable checkpoint. */
  cover(number: number): void {
    this.#coveredBefore = number
    for (const segment of [...this.#segments.values()]) this.#dieIfOver(segment)
  }

  /** The segment of the lowest live share among those that are covered, or undefined when none is worth copying. */
  victim(liveShareMax: number): Victim | undefined {
    let chosen: Segment | undefined
    let lowest = liveShareMax * this.segmentSizeBytes
    for (const segment of this.#segments.values()) {
      if (segment.number >= this.#coveredBefore || segment.referenceCount === 0) continue
      const live = segment.liveSizeBytes
      if (live > lowest) continue
      lowest = live
      chosen = segment
    }
    if (chosen === undefined) return undefined
    return { start: chosen.number * this.segmentSizeBytes, end: (chosen.number + 1) * this.segmentSizeBytes }
  }

  statistics(): SegmentStatistics[] {
    const statistics: SegmentStatistics[] = []
    for (const segment of this.#segments.values()) {
      const { number, firstReferenceCount, referencedSizeBytes } = segment
      if (segment.referenceCount > 0) statistics.push({ number, firstReferenceCount, referencedSizeBytes })
    }
    return statistics
  }

  #dieIfOver(segment: Segment): void {
    if (segment.referenceCount > 0 || segment.unsettledCount > 0 || segment.number >= this.#coveredBefore) return
    if (!this.#segments.delete(segment.number)) return
    this.#died(segment.number)
  }

  #existing(number: number): Segment {
    const segment = this.#segments.get(number)
    if (segment === undefined && this.recovering) {
      const text = `the journal segment that begins at position ${number * this.segmentSizeBytes} is missing, but messages in it are still waiting`
      throw new WaybillError('STORAGE_DAMAGED', text)
    }
    assert(segment !== undefined, 'a referenced record lies in a segment that is alive')
    return segment
  }
}
