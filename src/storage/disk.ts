/**
 * The disk as a parameter: real files (file-disk.ts) or the simulator's (simulated-disk.ts). One flat folder of named files, with
 * '/' in a name for a sub-folder. All errors are Node's (`error.code`: ENOSPC, EIO, ENOENT, ...).
 */

/** An open file. Calls on one file may overlap; the storage overlaps only reads with one write. */
export interface DiskFile {
  readonly name: string
  /**
   * Writes the buffers one after the other at `offset`, durably: when the callback comes without an error the bytes survive a power cut.
   * The buffers are borrowed until the callback. After an error the bytes may be there in part or not at all.
   */
  writeDurably(buffers: readonly Uint8Array[], offset: number, callback: (error: NodeJS.ErrnoException | null) => void): void
  /** Writes without durability. */
  write(bytes: Uint8Array, offset: number): Promise<void>
  /** Makes earlier writes durable. */
  datasync(): Promise<void>
  /** Reads into `target`; the callback gets the count of bytes read (fewer at the end of the file). */
  read(target: Uint8Array, offset: number, callback: (error: NodeJS.ErrnoException | null, readSizeBytes: number) => void): void
  truncate(sizeBytes: number): Promise<void>
  size(): Promise<number>
  close(): Promise<void>
}

/** A folder of files. */
export interface Disk {
  /** For messages to people: where this is. */
  readonly path: string
  /** Opens a file for reading and writing. @throws ENOENT when absent and not `create` */
  open(name: string, create: boolean): Promise<DiskFile>
  list(): Promise<string[]>
  rename(from: string, to: string): Promise<void>
  remove(name: string): Promise<void>
  /** Makes creations, renames and removals durable. */
  syncFolder(): Promise<void>
  freeSizeBytes(): Promise<number>
  /** Takes the folder for this process alone. @throws WaybillError STORAGE_LOCKED */
  lock(): Promise<void>
  unlock(): Promise<void>
}
