/**
 * The disk of the machine: a folder of files.
 *
 * A durable write is one pwritev to a descriptor opened with O_DSYNC where the system has it (a single system call, half the time of
 * write and fdatasync when the blocks are allocated), else a write followed by fdatasync.
 */
import { constants, fdatasync, fsync, close, fstat, ftruncate, open, read, write, writev } from 'node:fs'
import { mkdir, open as openHandle, readdir, rename, statfs, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { WaybillError } from '../base/errors.ts'
import type { Disk, DiskFile } from './disk.ts'
import { FolderLock } from './folder-lock.ts'

type WriteCallback = (error: NodeJS.ErrnoException | null) => void
type ReadCallback = (error: NodeJS.ErrnoException | null, readSizeBytes: number) => void

/** Node's types promise O_DSYNC everywhere; Windows and macOS lack it. */
const O_DSYNC: number | undefined = process.platform === 'linux' ? constants.O_DSYNC : undefined
/** pwritev takes at most this many buffers. */
const BUFFERS_MAX = 1024

const openAsync = promisify(open)
const closeAsync = promisify(close)
const fdatasyncAsync = promisify(fdatasync)
const ftruncateAsync = promisify(ftruncate)
const fstatAsync = promisify(fstat)

/** A folder of the machine's file system. */
export class FileDisk implements Disk {
  readonly path: string
  readonly #lock: FolderLock
  /** Folders whose entries changed since the last `syncFolder`. */
  readonly #changed = new Set<string>()
  readonly #known = new Set<string>()
  #syncing: Promise<void> = Promise.resolve()

  constructor(path: string) {
    this.path = path
    this.#lock = new FolderLock(path)
  }

  async open(name: string, create: boolean): Promise<DiskFile> {
    const path = join(this.path, name)
    if (create) await this.#makeFolder(dirname(path))
    const descriptor = await openAsync(path, constants.O_RDWR | (create ? constants.O_CREAT : 0) | (O_DSYNC ?? 0), 0o640)
    if (create) this.#changed.add(dirname(path))
    return new FileDiskFile(name, path, descriptor)
  }

  async list(): Promise<string[]> {
    try {
      const entries = await readdir(this.path, { recursive: true, withFileTypes: true })
      const files = entries.filter((entry) => entry.isFile())
      return files.map((entry) => join(entry.parentPath, entry.name).slice(join(this.path, '/').length)).sort()
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
      throw error
    }
  }

  async rename(from: string, to: string): Promise<void> {
    const [source, target] = [join(this.path, from), join(this.path, to)]
    await this.#makeFolder(dirname(target))
    await rename(source, target)
    this.#changed.add(dirname(source)).add(dirname(target))
  }

  async remove(name: string): Promise<void> {
    const path = join(this.path, name)
    await unlink(path)
    this.#changed.add(dirname(path))
  }

  /** One after the other: whoever asks while another sync is under way may depend on what that one has taken on. */
  syncFolder(): Promise<void> {
    const syncing = this.#syncing.then(() => this.#syncChanged())
    this.#syncing = syncing.catch(() => undefined)
    return syncing
  }

  async #syncChanged(): Promise<void> {
    const folders = [...this.#changed]
    this.#changed.clear()
    try {
      for (const folder of folders) await syncOneFolder(folder)
    } catch (error) {
      for (const folder of folders) this.#changed.add(folder)
      throw error
    }
  }

  async freeSizeBytes(): Promise<number> {
    const { bavail, bsize } = await statfs(this.path)
    return bavail * bsize
  }

  async lock(): Promise<void> {
    try {
      await this.#makeFolder(this.path)
      this.#lock.take()
    } catch (error) {
      if (error instanceof WaybillError) throw error
      const text = `the data folder ${this.path} cannot be written: ${(error as Error).message}`
      throw new WaybillError('FOLDER_NOT_WRITABLE', text, { cause: error })
    }
  }

  unlock(): Promise<void> {
    this.#lock.giveUp()
    return Promise.resolve()
  }

  async #makeFolder(folder: string): Promise<void> {
    if (this.#known.has(folder)) return
    const first = await mkdir(folder, { recursive: true })
    this.#known.add(folder)
    // Each new folder is an entry of the one above it.
    if (first !== undefined) for (let made = folder; made.length >= first.length; made = dirname(made)) this.#changed.add(dirname(made))
  }
}

async function syncOneFolder(folder: string): Promise<void> {
  // Folders cannot be opened on Windows, where the file system keeps its entries durable itself.
  if (process.platform === 'win32') return
  const handle = await openHandle(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

class FileDiskFile implements DiskFile {
  readonly name: string
  readonly #path: string
  /** Opened with O_DSYNC where there is such a thing. */
  readonly #descriptor: number
  /** For writes without durability; opened when first needed. */
  #plain: Promise<number> | undefined
  #operationCount = 0
  #closed = false
  #whenQuiet: (() => void) | undefined

  constructor(name: string, path: string, descriptor: number) {
    this.name = name
    this.#path = path
    this.#descriptor = descriptor
  }

  writeDurably(buffers: readonly Uint8Array[], offset: number, callback: WriteCallback): void {
    this.#begin()
    const done = (error: NodeJS.ErrnoException | null): void => {
      this.#end()
      callback(error)
    }
    if (O_DSYNC === undefined) {
      writeAll(this.#descriptor, buffers, offset, (error) => {
        if (error === null) fdatasync(this.#descriptor, done)
        else done(error)
      })
    } else {
      writeAll(this.#descriptor, buffers, offset, done)
    }
  }

  async write(bytes: Uint8Array, offset: number): Promise<void> {
    this.#begin()
    try {
      this.#plain ??= O_DSYNC === undefined ? Promise.resolve(this.#descriptor) : openAsync(this.#path, constants.O_RDWR)
      const descriptor = await this.#plain
      await new Promise<void>((resolve, reject) => {
        writeAll(descriptor, [bytes], offset, (error) => (error === null ? resolve() : reject(error)))
      })
    } finally {
      this.#end()
    }
  }

  async datasync(): Promise<void> {
    await this.#during(fdatasyncAsync(this.#descriptor))
  }

  read(target: Uint8Array, offset: number, callback: ReadCallback): void {
    if (this.#closed) {
      const error: NodeJS.ErrnoException = new Error(`${this.name} is closed`)
      error.code = 'EBADF'
      setImmediate(() => callback(error, 0))
      return
    }
    this.#begin()
    readAll(this.#descriptor, target, offset, 0, (error, readSizeBytes) => {
      this.#end()
      callback(error, readSizeBytes)
    })
  }

  async truncate(sizeBytes: number): Promise<void> {
    await this.#during(ftruncateAsync(this.#descriptor, sizeBytes))
    await this.#during(
      new Promise<void>((resolve, reject) => fsync(this.#descriptor, (error) => (error === null ? resolve() : reject(error)))),
    )
  }

  async size(): Promise<number> {
    return (await this.#during(fstatAsync(this.#descriptor))).size
  }

  /** Waits for the operations under way: a descriptor that is closed under one may be another file's by the time it runs. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    if (this.#operationCount > 0) await new Promise<void>((resolve) => (this.#whenQuiet = resolve))
    const plain = await this.#plain
    if (plain !== undefined && plain !== this.#descriptor) await closeAsync(plain)
    await closeAsync(this.#descriptor)
  }

  #begin(): void {
    this.#operationCount++
  }

  #end(): void {
    if (--this.#operationCount === 0) this.#whenQuiet?.()
  }

  async #during<T>(operation: Promise<T>): Promise<T> {
    this.#begin()
    try {
      return await operation
    } finally {
      this.#end()
    }
  }
}

/** Writes all bytes, however many the system takes at a time. */
function writeAll(descriptor: number, buffers: readonly Uint8Array[], offset: number, callback: WriteCallback): void {
  const next = (error: NodeJS.ErrnoException | null, sizeBytes: number): void => {
    if (error !== null) return callback(error)
    const left = withoutFirst(buffers, sizeBytes)
    if (left.length === 0) return callback(null)
    writeAll(descriptor, left, offset + sizeBytes, callback)
  }
  const first = buffers[0]
  if (first === undefined) return callback(null)
  if (buffers.length === 1) write(descriptor, first, 0, first.length, offset, next)
  else writev(descriptor, buffers.length <= BUFFERS_MAX ? buffers : buffers.slice(0, BUFFERS_MAX), offset, next)
}

function withoutFirst(buffers: readonly Uint8Array[], sizeBytes: number): Uint8Array[] {
  let index = 0
  let skip = sizeBytes
  while (index < buffers.length && skip >= (buffers[index] as Uint8Array).length) skip -= (buffers[index++] as Uint8Array).length
  const left = buffers.slice(index)
  if (skip > 0) left[0] = (left[0] as Uint8Array).subarray(skip)
  return left
}

function readAll(descriptor: number, target: Uint8Array, offset: number, filled: number, callback: ReadCallback): void {
  if (filled === target.length) return callback(null, filled)
  read(descriptor, target, filled, target.length - filled, offset + filled, (error, sizeBytes) => {
    if (error !== null) callback(error, filled)
    else if (sizeBytes === 0) callback(null, filled)
    else readAll(descriptor, target, offset, filled + sizeBytes, callback)
  })
}
