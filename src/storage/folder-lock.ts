/**
 * The lock that keeps a second server off a data folder.
 *
 * It is the system's own lock on a file (through SQLite, which Node brings and which takes one with fcntl), so it goes with the process however
 * that ends: there is no stale lock to detect, and a process number used again means nothing. It also holds between containers
 * that share the folder, where a process number or an abstract socket would not. What is written beside it, who holds the lock, is for
 * people only.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { WaybillError } from '../base/errors.ts'

const SQLITE_BUSY = 5
const LOCK_NAME = 'lock'
const HOLDER_NAME = 'lock-holder'

/** The exclusive lock of one folder. */
export class FolderLock {
  readonly #folder: string
  #database: DatabaseSync | undefined

  constructor(folder: string) {
    this.#folder = folder
  }

  /** @throws WaybillError STORAGE_LOCKED when another process, or another storage of this one, has it */
  take(): void {
    // Loaded here, not at the top: only a server that owns a folder pays for it.
    const sqlite = createRequire(import.meta.url)('node:sqlite') as typeof import('node:sqlite')
    const database = new sqlite.DatabaseSync(join(this.#folder, LOCK_NAME), { timeout: 0 })
    try {
      database.exec('PRAGMA journal_mode = MEMORY; PRAGMA cache_size = 1')
      database.exec('BEGIN EXCLUSIVE')
    } catch (error) {
      database.close()
      if ((error as { errcode?: number }).errcode !== SQLITE_BUSY) throw error
      throw new WaybillError('STORAGE_LOCKED', `the data folder ${this.#folder} is in use by ${this.#holder()}`, { cause: error })
    }
    this.#database = database
    try {
      writeFileSync(join(this.#folder, HOLDER_NAME), `process ${process.pid}\n`)
    } catch {
      // The lock holds without it; a full disk is met, and told, where it matters.
    }
  }

  giveUp(): void {
    this.#database?.close()
    this.#database = undefined
  }

  #holder(): string {
    try {
      return readFileSync(join(this.#folder, HOLDER_NAME), 'utf8').trim() || 'another server'
    } catch {
      return 'another server'
    }
  }
}
