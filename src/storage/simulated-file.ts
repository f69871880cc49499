/**
 * One file of the simulated disk: what is read now, what a power cut leaves, and what lies between.
 *
 * Bytes reach the platter by sectors of 512 bytes. A sector that was written since its last sync has several versions; a power cut leaves
 * any one of them, each sector for itself.
 */
import { assert } from '../base/assert.ts'
import type { SeededRandom } from '../base/random.ts'

const SECTOR_SIZE = 512

/** Where a write is under way. */
export interface WriteRange {
  readonly start: number
  readonly end: number
}

/** Content of a file, shared by all handles. */
export class SimulatedFile {
  /** What reads see. Beyond `sizeBytes` it is zero. */
  #current: Buffer = Buffer.alloc(0)
  /** What is on the platter for sure. */
  #durable: Buffer = Buffer.alloc(0)
  sizeBytes = 0
  #durableSizeBytes = 0
  /** Versions of the sectors written since their last sync, the oldest first; the last one is what reads see. */
  #dirty = new Map<number, Buffer[]>()
  #writes = new Set<WriteRange>()

  /** Notes a write that takes time: two at once on the same bytes would leave either, so that is a bug of whoever does it. */
  beginWrite(offset: number, sizeBytes: number): WriteRange {
    const range = { start: offset, end: offset + sizeBytes }
    for (const other of this.#writes) assert(range.end <= other.start || range.start >= other.end, 'writes under way do not overlap')
    this.#writes.add(range)
    return range
  }

  endWrite(range: WriteRange): void {
    this.#writes.delete(range)
  }

  write(buffers: readonly Uint8Array[], offset: number): void {
    let at = offset
    for (const bytes of buffers) {
      this.#grow(at + bytes.length)
      this.#current.set(bytes, at)
      at += bytes.length
    }
    this.sizeBytes = Math.max(this.sizeBytes, at)
    if (at === offset) return
    for (let sector = Math.floor(offset / SECTOR_SIZE); sector * SECTOR_SIZE < at; sector++) {
      const versions = this.#dirty.get(sector) ?? []
      versions.push(Buffer.from(this.#current.subarray(sector * SECTOR_SIZE, (sector + 1) * SECTOR_SIZE)))
      this.#dirty.set(sector, versions)
    }
  }

  /** Makes a range durable as it is now. */
  sync(offset: number, sizeBytes: number): void {
    const first = Math.floor(offset / SECTOR_SIZE)
    const last = Math.ceil((offset + sizeBytes) / SECTOR_SIZE)
    for (const sector of this.#dirty.keys()) if (sector >= first && sector < last) this.#settle(sector, this.#sector(sector))
    this.#durableSizeBytes = Math.max(this.#durableSizeBytes, Math.min(this.sizeBytes, offset + sizeBytes))
  }

  syncAll(): void {
    this.sync(0, this.sizeBytes)
    this.#durableSizeBytes = this.sizeBytes
  }

  /** What the system does after a sync that failed: it forgets that the range is dirty. It stays readable, and no later sync brings it to the disk. */
  forget(offset: number, sizeBytes: number): void {
    const first = Math.floor(offset / SECTOR_SIZE)
    const last = Math.ceil((offset + sizeBytes) / SECTOR_SIZE)
    for (const sector of this.#dirty.keys()) if (sector >= first && sector < last) this.#dirty.delete(sector)
  }

  truncate(sizeBytes: number): void {
    this.#grow(sizeBytes)
    this.#current.fill(0, sizeBytes)
    this.#durable.fill(0, Math.min(sizeBytes, this.#durable.length))
    for (const sector of this.#dirty.keys()) if (sector * SECTOR_SIZE >= sizeBytes) this.#dirty.delete(sector)
    this.sizeBytes = sizeBytes
    this.#durableSizeBytes = sizeBytes
  }

  read(target: Uint8Array, offset: number): number {
    const sizeBytes = Math.max(0, Math.min(target.length, this.sizeBytes - offset))
    target.set(this.#current.subarray(offset, offset + sizeBytes))
    return sizeBytes
  }

  /** Changes a bit on the platter. */
  flipBit(offset: number, bit: number): void {
    assert(offset < this.sizeBytes, 'the byte is there')
    for (const bytes of [this.#current, this.#durable]) bytes[offset] = (bytes[offset] as number) ^ (1 << bit)
  }

  /** The power goes: each sector that is not synced keeps one of its versions. */
  crash(random: SeededRandom): void {
    // Now and then all or nothing arrives, so that whole and absent writes are as usual as torn ones.
    const survival = [0, 1, random.fraction(), random.fraction()][random.below(4)] as number
    let sizeBytes = random.below(2) === 0 ? this.#durableSizeBytes : this.sizeBytes
    for (const [sector, versions] of this.#dirty) {
      if (random.fraction() >= survival) continue
      const version = versions[random.below(3) === 0 ? random.below(versions.length) : versions.length - 1] as Buffer
      this.#settle(sector, version)
      sizeBytes = Math.max(sizeBytes, Math.min(this.sizeBytes, (sector + 1) * SECTOR_SIZE))
    }
    this.#dirty.clear()
    this.#writes.clear()
    this.#current = Buffer.alloc(this.#durable.length)
    this.#durable.copy(this.#current, 0, 0, Math.min(sizeBytes, this.#durable.length))
    this.#durable = Buffer.from(this.#current)
    this.sizeBytes = sizeBytes
    this.#durableSizeBytes = sizeBytes
  }

  #sector(sector: number): Buffer {
    return this.#current.subarray(sector * SECTOR_SIZE, (sector + 1) * SECTOR_SIZE)
  }

  #settle(sector: number, content: Buffer): void {
    this.#durable.set(content, sector * SECTOR_SIZE)
    this.#dirty.delete(sector)
  }

  #grow(sizeBytes: number): void {
    if (sizeBytes <= this.#current.length) return
    const capacity = Math.ceil(Math.max(sizeBytes, this.#current.length * 2) / SECTOR_SIZE) * SECTOR_SIZE
    const grown = Buffer.alloc(capacity)
    this.#current.copy(grown)
    this.#current = grown
    const durable = Buffer.alloc(capacity)
    this.#durable.copy(durable)
    this.#durable = durable
  }
}
