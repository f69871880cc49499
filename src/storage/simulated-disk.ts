/**
 * A disk in memory that is deterministic and as unkind as a real one may be: operations take virtual time, what is not synced is lost or torn
 * by a power cut, and it can be told to be full, slow, to fail, or to flip bits.
 *
 * The disk outlives the process: each process mounts it, and `crash` ends what the mounted ones have under way without a callback.
 */
import { assert } from '../base/assert.ts'
import type { Clock } from '../base/clock.ts'
import { WaybillError } from '../base/errors.ts'
import type { SeededRandom } from '../base/random.ts'
import type { Disk, DiskFile } from './disk.ts'
import { SimulatedFile } from './simulated-file.ts'

const LATENCY_MS_MIN = 0.05
const LATENCY_MS_SPREAD = 0.3
const BYTES_PER_MS = 250_000
/** Now and then an operation takes very much longer, so that others overtake it. */
const HICCUP_ONE_IN = 50
const HICCUP_FACTOR = 40

/** A change of the folder that a power cut may undo until the folder is synced. */
type FolderChange =
  | { readonly what: 'create'; readonly name: string; readonly file: SimulatedFile }
  | { readonly what: 'rename'; readonly name: string; readonly to: string }
  | { readonly what: 'remove'; readonly name: string }

/** What can be made to fail. */
export type DiskOperation = 'write' | 'read' | 'sync' | 'open' | 'rename' | 'remove' | 'sync-folder'

interface Fault {
  readonly operation: DiskOperation
  readonly code: string
  readonly concerns: (name: string) => boolean
  left: number
}

/** The disk itself. */
export class SimulatedDisk {
  readonly path = '/simulated'
  readonly #clock: Clock
  readonly #random: SeededRandom
  #files = new Map<string, SimulatedFile>()
  /** The folder as of the last sync, and what changed since. */
  #durableFiles = new Map<string, SimulatedFile>()
  #changes: FolderChange[] = []
  #faults: Fault[] = []
  #mounted: MountedDisk | undefined
  /** Writes that would make the files larger than this together fail with ENOSPC. */
  capacitySizeBytes = Infinity
  /** Operations take this many times longer. */
  slowness = 1
  /** Durable writes that have completed, for tests that want to stop at one of them. */
  durableWriteCount = 0

  constructor(clock: Clock, random: SeededRandom) {
    this.#clock = clock
    this.#random = random
  }

  /** The disk as one process sees it. */
  mount(): Disk {
    return new MountedDisk(this)
  }

  /** The power goes. What was mounted is dead: nothing it began calls back. */
  crash(): void {
    this.#mounted?.die()
    this.#mounted = undefined
    const files = new Map(this.#durableFiles)
    // In the order they happened, or any of them: file systems differ.
    const inOrder = this.#random.below(2) === 0
    const kept = this.#random.below(this.#changes.length + 1)
    this.#changes.forEach((change, index) => {
      if (inOrder ? index < kept : this.#random.below(2) === 0) applyChange(files, change)
    })
    for (const file of new Set([...this.#files.values(), ...files.values()])) file.crash(this.#random)
    this.#files = files
    this.#durableFiles = new Map(files)
    this.#changes = []
    this.#faults = []
  }

  /** Makes the next `count` operations of a kind on files whose name is accepted fail with an error code such as EIO. */
  failNext(operation: DiskOperation, code: string, count: number = 1, concerns: (name: string) => boolean = () => true): void {
    this.#faults.push({ operation, code, concerns, left: count })
  }

  /** Damages a byte of a file for good. */
  flipBit(name: string, offset: number, bit: number): void {
    this.#existing(name).flipBit(offset, bit)
  }

  /** Writes over a file as somebody else might, durably. */
  overwrite(name: string, bytes: Uint8Array, offset: number): void {
    const file = this.#existing(name)
    file.write([bytes], offset)
    file.syncAll()
  }

  /** Takes a file away, durably, as somebody else might. */
  lose(name: string): void {
    this.#existing(name)
    this.#files.delete(name)
    this.#durableFiles.delete(name)
  }

  names(): string[] {
    return [...this.#files.keys()].sort()
  }

  sizeOf(name: string): number {
    return this.#existing(name).sizeBytes
  }

  /** A copy of what reads see. */
  contentOf(name: string): Buffer {
    const file = this.#existing(name)
    const content = Buffer.alloc(file.sizeBytes)
    file.read(content, 0)
    return content
  }

  get usedSizeBytes(): number {
    let sizeBytes = 0
    for (const file of this.#files.values()) sizeBytes += file.sizeBytes
    return sizeBytes
  }

  // What follows is for the mounted disk.

  take(disk: MountedDisk): void {
    if (this.#mounted !== undefined) throw new WaybillError('STORAGE_LOCKED', `the data folder ${this.path} is in use by another server`)
    this.#mounted = disk
  }

  giveUp(disk: MountedDisk): void {
    if (this.#mounted === disk) this.#mounted = undefined
  }

  /** Calls back after the time that an operation on so many bytes takes. */
  later(sizeBytes: number, callback: () => void): void {
    const ms = LATENCY_MS_MIN + this.#random.fraction() * LATENCY_MS_SPREAD + sizeBytes / BYTES_PER_MS
    const hiccup = this.#random.below(HICCUP_ONE_IN) === 0 ? HICCUP_FACTOR : 1
    this.#clock.setTimer(ms * hiccup * this.slowness, callback)
  }

  /** The error that an operation is to fail with, if any. */
  faultOf(operation: DiskOperation, name: string): NodeJS.ErrnoException | null {
    const fault = this.#faults.find((each) => each.left > 0 && each.operation === operation && each.concerns(name))
    if (fault === undefined) return null
    fault.left--
    return failure(fault.code, operation, name)
  }

  open(name: string, create: boolean): SimulatedFile {
    let file = this.#files.get(name)
    if (file === undefined) {
      if (!create) throw failure('ENOENT', 'open', name)
      if (this.usedSizeBytes >= this.capacitySizeBytes) throw failure('ENOSPC', 'open', name)
      file = new SimulatedFile()
      this.#change({ what: 'create', name, file })
    }
    return file
  }

  rename(name: string, to: string): void {
    this.#existing(name)
    this.#change({ what: 'rename', name, to })
  }

  remove(name: string): void {
    this.#existing(name)
    this.#change({ what: 'remove', name })
  }

  syncFolder(): void {
    this.#durableFiles = new Map(this.#files)
    this.#changes = []
  }

  /** Writes as far as there is room. @returns ENOSPC when there was not enough */
  write(name: string, file: SimulatedFile, buffers: readonly Uint8Array[], offset: number): NodeJS.ErrnoException | null {
    const sizeBytes = buffers.reduce((sum, bytes) => sum + bytes.length, 0)
    const room = this.capacitySizeBytes - this.usedSizeBytes + file.sizeBytes - offset
    if (sizeBytes <= room || offset + sizeBytes <= file.sizeBytes) {
      file.write(buffers, offset)
      return null
    }
    const fitting = Math.max(0, Math.floor(this.#random.fraction() * room))
    file.write([Buffer.concat(buffers).subarray(0, fitting)], offset)
    return failure('ENOSPC', 'write', name)
  }

  #change(change: FolderChange): void {
    applyChange(this.#files, change)
    this.#changes.push(change)
  }

  #existing(name: string): SimulatedFile {
    const file = this.#files.get(name)
    if (file === undefined) throw failure('ENOENT', 'open', name)
    return file
  }
}

function applyChange(files: Map<string, SimulatedFile>, change: FolderChange): void {
  if (change.what === 'create') {
    files.set(change.name, change.file)
    return
  }
  const file = files.get(change.name)
  files.delete(change.name)
  // Where the creation before it was lost there is nothing to rename.
  if (change.what === 'rename' && file !== undefined) files.set(change.to, file)
}

function failure(code: string, operation: string, name: string): NodeJS.ErrnoException {
  const error: NodeJS.ErrnoException = new Error(`${code}: ${operation} '${name}' (simulated)`)
  error.code = code
  return error
}

class MountedDisk implements Disk {
  readonly #device: SimulatedDisk
  #alive = true

  constructor(device: SimulatedDisk) {
    this.#device = device
  }

  get path(): string {
    return this.#device.path
  }

  die(): void {
    this.#alive = false
  }

  open(name: string, create: boolean): Promise<DiskFile> {
    return this.operate('open', name, () => new MountedFile(name, this, this.#device, this.#device.open(name, create)))
  }

  list(): Promise<string[]> {
    return this.operate(undefined, '', () => this.#device.names())
  }

  rename(from: string, to: string): Promise<void> {
    return this.operate('rename', from, () => this.#device.rename(from, to))
  }

  remove(name: string): Promise<void> {
    return this.operate('remove', name, () => this.#device.remove(name))
  }

  syncFolder(): Promise<void> {
    return this.operate('sync-folder', '', () => this.#device.syncFolder())
  }

  freeSizeBytes(): Promise<number> {
    return this.operate(undefined, '', () => this.#device.capacitySizeBytes - this.#device.usedSizeBytes)
  }

  lock(): Promise<void> {
    return this.operate(undefined, '', () => this.#device.take(this))
  }

  unlock(): Promise<void> {
    return this.operate(undefined, '', () => this.#device.giveUp(this))
  }

  /** Does something after its time, unless the process is dead by then: a dead process never hears of it. */
  operate<T>(operation: DiskOperation | undefined, name: string, action: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      this.later(0, () => {
        try {
          const fault = operation === undefined ? null : this.#device.faultOf(operation, name)
          if (fault !== null) throw fault
          resolve(action())
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)))
        }
      })
    })
  }

  later(sizeBytes: number, callback: () => void): void {
    if (!this.#alive) return
    this.#device.later(sizeBytes, () => {
      if (this.#alive) callback()
    })
  }

  get alive(): boolean {
    return this.#alive
  }
}

class MountedFile implements DiskFile {
  readonly name: string
  readonly #disk: MountedDisk
  readonly #device: SimulatedDisk
  readonly #file: SimulatedFile
  #closed = false

  constructor(name: string, disk: MountedDisk, device: SimulatedDisk, file: SimulatedFile) {
    this.name = name
    this.#disk = disk
    this.#device = device
    this.#file = file
  }

  writeDurably(buffers: readonly Uint8Array[], offset: number, callback: (error: NodeJS.ErrnoException | null) => void): void {
    if (!this.#disk.alive) return
    assert(!this.#closed, 'an open file is written')
    const copies = buffers.map((bytes) => Buffer.from(bytes))
    const sizeBytes = copies.reduce((sum, bytes) => sum + bytes.length, 0)
    const range = this.#file.beginWrite(offset, sizeBytes)
    // From here on a power cut may leave any of it.
    const full = this.#device.write(this.name, this.#file, copies, offset)
    this.#disk.later(sizeBytes, () => {
      this.#file.endWrite(range)
      copies.forEach((copy, index) =>
        assert(copy.equals(buffers[index] as Uint8Array), 'borrowed bytes stay as they are until the callback'),
      )
      const fault = this.#device.faultOf('write', this.name)
      if (fault !== null) {
        this.#file.forget(offset, sizeBytes)
        return callback(fault)
      }
      if (full !== null) return callback(full)
      this.#file.sync(offset, sizeBytes)
      this.#device.durableWriteCount++
      callback(null)
    })
  }

  write(bytes: Uint8Array, offset: number): Promise<void> {
    return this.#disk.operate('write', this.name, () => {
      const full = this.#device.write(this.name, this.#file, [bytes], offset)
      if (full !== null) throw full
    })
  }

  datasync(): Promise<void> {
    return this.#disk.operate(undefined, this.name, () => {
      const fault = this.#device.faultOf('sync', this.name)
      if (fault !== null) {
        this.#file.forget(0, this.#file.sizeBytes)
        throw fault
      }
      this.#file.syncAll()
    })
  }

  read(target: Uint8Array, offset: number, callback: (error: NodeJS.ErrnoException | null, readSizeBytes: number) => void): void {
    assert(!this.#closed, 'an open file is read')
    this.#disk.later(target.length, () => {
      const fault = this.#device.faultOf('read', this.name)
      if (fault !== null) callback(fault, 0)
      else callback(null, this.#file.read(target, offset))
    })
  }

  truncate(sizeBytes: number): Promise<void> {
    return this.#disk.operate('write', this.name, () => this.#file.truncate(sizeBytes))
  }

  size(): Promise<number> {
    return this.#disk.operate(undefined, this.name, () => this.#file.sizeBytes)
  }

  close(): Promise<void> {
    this.#closed = true
    return this.#disk.operate(undefined, this.name, () => undefined)
  }
}
