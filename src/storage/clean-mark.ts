/**
 * The file `clean`: the last owner closed the storage, and the journal ends at the position that the file holds as text. It is written after
 * everything else at closing and removed, durably, before anything is appended again.
 */
import { readAt } from './checkpoint.ts'
import type { Disk } from './disk.ts'
import type { Position } from './storage.ts'

const NAME = 'clean'

/** The mark of one folder. */
export class CleanMark {
  readonly #disk: Disk
  #present = false

  constructor(disk: Disk) {
    this.#disk = disk
  }

  /** @returns the position where the journal was closed, or -1 */
  async read(names: readonly string[]): Promise<Position> {
    this.#present = names.includes(NAME)
    if (!this.#present) return -1
    const file = await this.#disk.open(NAME, false)
    try {
      const text = (await readAt(file, 0, 32)).toString()
      return /^\d+\n$/.test(text) ? Number(text) : -1
    } finally {
      await file.close()
    }
  }

  async remove(): Promise<void> {
    if (!this.#present) return
    await this.#disk.remove(NAME)
    await this.#disk.syncFolder()
    this.#present = false
  }

  async write(position: Position): Promise<void> {
    const file = await this.#disk.open(NAME, true)
    try {
      await file.write(Buffer.from(`${position}\n`), 0)
      await file.datasync()
    } finally {
      await file.close()
    }
    await this.#disk.syncFolder()
    this.#present = true
  }
}
