/**
 * The file `format` of a data folder: JSON with the version of all formats in it, the salt, the size of segments, when it was made.
 *
 * Upgrade rule: a version only grows. A program reads every version up to its own, rewriting what changed when it opens the folder and
 * this file last, so that an upgrade that is interrupted is done again; it refuses a newer version (STORAGE_VERSION). The reasons of each version
 * stand in docs/formats/journal.md.
 */
import { WaybillError } from '../base/errors.ts'
import type { Random } from '../base/random.ts'
import { readAt } from './checkpoint.ts'
import type { Disk } from './disk.ts'
import { saltBytes, saltOf } from './record.ts'
import type { Salt } from './record.ts'

const FORMAT_VERSION = 1
const NAME = 'format'
const TEMPORARY_NAME = 'format.temporary'
const KIND = 'waybill-data'

/** What a folder says about itself. */
export interface FolderFormat {
  readonly salt: Salt
  readonly segmentSizeBytes: number
}

/** Reads the format of a folder. @returns undefined when there is none. @throws WaybillError STORAGE_VERSION, STORAGE_DAMAGED */
export async function readFormat(disk: Disk, names: readonly string[]): Promise<FolderFormat | undefined> {
  if (!names.includes(NAME)) return undefined
  const file = await disk.open(NAME, false)
  let text: string
  try {
    text = (await readAt(file, 0, await file.size())).toString()
  } finally {
    await file.close()
  }
  const damaged = (what: string): WaybillError =>
    new WaybillError('STORAGE_DAMAGED', `the file ${disk.path}/${NAME} is damaged at offset 0: ${what}`)
  let fields: Record<string, unknown>
  try {
    fields = JSON.parse(text) as Record<string, unknown>
  } catch (error) {
    throw damaged(`not JSON (${(error as Error).message})`)
  }
  if (typeof fields !== 'object' || fields === null || fields['kind'] !== KIND) throw damaged(`not of kind ${KIND}`)
  const { version, salt, segmentSizeBytes } = fields
  if (typeof version !== 'number') throw damaged('no version')
  if (version > FORMAT_VERSION) {
    const text = `the data folder ${disk.path} has format version ${version}; this program knows versions up to ${FORMAT_VERSION}`
    throw new WaybillError('STORAGE_VERSION', text)
  }
  if (typeof salt !== 'string' || !/^[0-9a-f]{16}$/.test(salt)) throw damaged('no salt')
  if (typeof segmentSizeBytes !== 'number' || !Number.isInteger(segmentSizeBytes) || segmentSizeBytes <= 0) throw damaged('no segment size')
  return { salt: saltOf(Buffer.from(salt, 'hex')), segmentSizeBytes }
}

/** Makes the format of a new folder, durably. */
export async function writeFormat(disk: Disk, random: Random, segmentSizeBytes: number, createdAtMs: number): Promise<FolderFormat> {
  const salt = saltOf(random.bytes(8))
  const fields = {
    kind: KIND,
    version: FORMAT_VERSION,
    salt: saltBytes(salt).toString('hex'),
    segmentSizeBytes,
    created: new Date(createdAtMs).toISOString(),
  }
  const file = await disk.open(TEMPORARY_NAME, true)
  try {
    await file.truncate(0)
    await file.write(Buffer.from(`${JSON.stringify(fields, null, 2)}\n`), 0)
    await file.datasync()
  } finally {
    await file.close()
  }
  await disk.rename(TEMPORARY_NAME, NAME)
  await disk.syncFolder()
  return { salt, segmentSizeBytes }
}
