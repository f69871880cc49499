/**
 * Damage that the crash test must notice: the end of the journal is wiped, as a disk does that lies about having written.
 */
import { open, readdir } from 'node:fs/promises'
import { join } from 'node:path'

const WIPED_SIZE_BYTES = 256 * 1024

/** Wipes the last bytes of the journal that are not zero. */
export async function wipeJournalEnd(dataFolder: string): Promise<void> {
  const folder = join(dataFolder, 'journal')
  let last = { path: '', end: 0, modifiedMs: 0 }
  for (const name of await readdir(folder)) {
    const path = join(folder, name)
    const file = await open(path, 'r')
    const { mtimeMs } = await file.stat()
    const bytes = await file.readFile()
    await file.close()
    const end = bytes.findLastIndex((byte) => byte !== 0) + 1
    if (end > 0 && mtimeMs > last.modifiedMs) last = { path, end, modifiedMs: mtimeMs }
  }
  if (last.end === 0) throw new Error(`${folder} holds nothing to wipe`)
  const file = await open(last.path, 'r+')
  const sizeBytes = Math.min(WIPED_SIZE_BYTES, last.end)
  await file.write(Buffer.alloc(sizeBytes), 0, sizeBytes, last.end - sizeBytes)
  await file.close()
}
