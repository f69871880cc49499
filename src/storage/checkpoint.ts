/**
 * Checkpoints: the owner's state as of a position, so that only the journal after it needs to be replayed.
 * docs/formats/checkpoint.md has the format with its reasons. All integers are little-endian.
 *
 * A checkpoint is one file, `checkpoint/<position, 16 digits>.checkpoint`: a head, then parts, then an end.
 *
 * | offset | size | head |
 * |---|---|---|
 * | 0 | 8 | "WBCHKPT1" |
 * | 8 | 8 | salt of the folder |
 * | 16 | 8 | position: records from here on are replayed |
 * | 24 | 8 | where reading begins: the head of the commit part that the position lies in, or the position itself |
 * | 32 | 8 | sequence number of the part that stands there (or the next one to stand there) |
 * | 40 | 4 | 0 |
 * | 44 | 4 | count of parts, the storage's own first part included |
 * | 48 | 4 | CRC-32 of bytes 0 to 47 |
 * | 52 | 4 | 0 |
 *
 * Each part, and the end (which is a part of length 0xffffffff without payload), at a multiple of 8:
 *
 * | offset | size | field |
 * |---|---|---|
 * | 0 | 4 | CRC-32 of the payload, begun with the number of the part |
 * | 4 | 4 | length of the payload |
 * | 8 | | payload, zeros up to a multiple of 8 |
 *
 * The first part is the storage's own: JSON, `{"segments":[[number, first references, bytes referenced], ...]}`.
 *
 * Validity: the head is right, the name tells the same position, all parts are right and the end stands after them.
 * Crash argument: it is written under a temporary name, synced, renamed, the folder synced, all after the journal is durable up to its position;
 * older ones, and segments that only they need, go after that.
 */
import { crc32 } from 'node:zlib'
import { WaybillError } from '../base/errors.ts'
import type { Disk, DiskFile } from './disk.ts'
import { readUint53, saltBytes, writeUint53 } from './record.ts'
import type { Salt } from './record.ts'
import type { SegmentStatistics } from './segment-table.ts'
import type { Position } from './storage.ts'

const FOLDER = 'checkpoint/'
const SUFFIX = '.checkpoint'
const TEMPORARY_SUFFIX = '.temporary'
const MAGIC = Buffer.from('WBCHKPT1')
const HEAD_SIZE = 56
const PART_HEAD_SIZE = 8
const END_SIZE = 0xffffffff
/** Written in durable steps of this size, so that commits in between don't wait for the whole. */
const STEP_SIZE = 256 * 1024
const PADDING = Buffer.alloc(8)

/** What a checkpoint says besides the owner's state. */
export interface CheckpointHead {
  readonly position: Position
  readonly replayStart: Position
  readonly replaySequence: number
  readonly segments: readonly SegmentStatistics[]
}

/** A checkpoint that was read. */
export interface Checkpoint extends CheckpointHead {
  readonly name: string
  readonly sizeBytes: number
}

/** Name of the checkpoint of a position. */
function checkpointName(position: Position): string {
  return FOLDER + String(position).padStart(16, '0') + SUFFIX
}

/** The names of the checkpoints among `names`, the newest first. */
export function checkpointNames(names: readonly string[]): string[] {
  return names.filter((name) => name.startsWith(FOLDER) && name.endsWith(SUFFIX)).sort((a, b) => (a < b ? 1 : -1))
}

/** True for what an unfinished checkpoint leaves behind. */
export function isUnfinishedCheckpoint(name: string): boolean {
  return name.startsWith(FOLDER) && name.endsWith(TEMPORARY_SUFFIX)
}

/**
 * Writes a checkpoint and makes it durable. The journal must be durable up to its position before the promise of `ready` resolves.
 * @returns its name and size
 */
export async function writeCheckpoint(
  disk: Disk,
  salt: Salt,
  head: CheckpointHead,
  parts: readonly Uint8Array[],
  ready: Promise<void>,
): Promise<{ name: string; sizeBytes: number }> {
  const name = checkpointName(head.position)
  const temporary = name + TEMPORARY_SUFFIX
  const own = Buffer.from(
    JSON.stringify({
      segments: head.segments.map((segment) => [segment.number, segment.firstReferenceCount, segment.referencedSizeBytes]),
    }),
  )
  const file = await disk.open(temporary, true)
  let sizeBytes = 0
  try {
    try {
      await file.truncate(0)
      const writer = new StepWriter(file)
      await writer.add(headBytes(salt, head, parts.length + 1))
      await addPart(writer, 0, own)
      for (let i = 0; i < parts.length; i++) await addPart(writer, i + 1, parts[i] as Uint8Array)
      await writer.add(partHead(parts.length + 1, PADDING.subarray(0, 0), END_SIZE))
      sizeBytes = await writer.finish()
      await file.datasync()
    } finally {
      await file.close()
    }
    await ready
  } catch (error) {
    // It may be what filled the disk. Where it cannot be removed either, the next start does.
    await disk.remove(temporary).catch(() => undefined)
    throw error
  }
  await disk.rename(temporary, name)
  await disk.syncFolder()
  return { name, sizeBytes }
}

/**
 * Reads a checkpoint whole, giving its parts to `visit` only after all of it has been found right.
 * @throws WaybillError STORAGE_DAMAGED
 */
export async function readCheckpoint(disk: Disk, salt: Salt, name: string, visit: (part: Buffer) => void): Promise<Checkpoint> {
  const file = await disk.open(name, false)
  try {
    const sizeBytes = await file.size()
    const damaged = (offset: number, what: string): WaybillError =>
      new WaybillError('STORAGE_DAMAGED', `the checkpoint ${disk.path}/${name} is damaged at offset ${offset}: ${what}`)
    const bytes = await readAt(file, 0, HEAD_SIZE)
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    if (bytes.length < HEAD_SIZE || !bytes.subarray(0, 8).equals(MAGIC)) throw damaged(0, 'not a checkpoint')
    if (view.getUint32(48, true) !== crc32(bytes.subarray(0, 48))) throw damaged(0, 'wrong checksum of the head')
    if (!bytes.subarray(8, 16).equals(saltBytes(salt))) throw damaged(8, 'it belongs to another folder')
    const position = readUint53(view, 16)
    if (checkpointName(position) !== name) throw damaged(16, 'it belongs to another position')
    const partCount = view.getUint32(44, true)
    const own: Buffer[] = []
    // Two passes, the second one from the system's cache: the owner sees nothing of a checkpoint that is not whole, and no part is kept.
    await readParts(file, sizeBytes, partCount, damaged, (part, index) => void (index === 0 && own.push(Buffer.from(part))))
    await readParts(file, sizeBytes, partCount, damaged, (part, index) => void (index > 0 && visit(part)))
    const segments = segmentsOf(own[0])
    return { name, sizeBytes, position, replayStart: readUint53(view, 24), replaySequence: readUint53(view, 32), segments }
  } finally {
    await file.close()
  }
}

function segmentsOf(own: Buffer | undefined): SegmentStatistics[] {
  const { segments } = JSON.parse(own?.toString() ?? '{"segments":[]}') as { segments: [number, number, number][] }
  return segments.map(([number, firstReferenceCount, referencedSizeBytes]) => ({ number, firstReferenceCount, referencedSizeBytes }))
}

function headBytes(salt: Salt, head: CheckpointHead, partCount: number): Buffer {
  const bytes = Buffer.alloc(HEAD_SIZE)
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEAD_SIZE)
  MAGIC.copy(bytes, 0)
  saltBytes(salt).copy(bytes, 8)
  writeUint53(view, 16, head.position)
  writeUint53(view, 24, head.replayStart)
  writeUint53(view, 32, head.replaySequence)
  view.setUint32(44, partCount, true)
  view.setUint32(48, crc32(bytes.subarray(0, 48)), true)
  return bytes
}

function partHead(index: number, payload: Uint8Array, sizeBytes: number): Buffer {
  const bytes = Buffer.alloc(PART_HEAD_SIZE)
  bytes.writeUInt32LE(crc32(payload, index), 0)
  bytes.writeUInt32LE(sizeBytes, 4)
  return bytes
}

async function addPart(writer: StepWriter, index: number, payload: Uint8Array): Promise<void> {
  await writer.add(partHead(index, payload, payload.length))
  await writer.add(payload)
  await writer.add(PADDING.subarray(0, -payload.length & 7))
}

/** Gathers small pieces and writes them in steps. */
class StepWriter {
  readonly #file: DiskFile
  #pieces: Uint8Array[] = []
  #piecesSize = 0
  #offset = 0

  constructor(file: DiskFile) {
    this.#file = file
  }

  async add(bytes: Uint8Array): Promise<void> {
    let rest = bytes
    while (this.#piecesSize + rest.length > STEP_SIZE) {
      const fitting = STEP_SIZE - this.#piecesSize
      if (fitting > 0) this.#push(rest.subarray(0, fitting))
      rest = rest.subarray(fitting)
      await this.#write()
    }
    if (rest.length > 0) this.#push(rest)
    if (this.#pieces.length >= 512) await this.#write()
  }

  async finish(): Promise<number> {
    await this.#write()
    return this.#offset
  }

  #push(bytes: Uint8Array): void {
    this.#pieces.push(bytes)
    this.#piecesSize += bytes.length
  }

  async #write(): Promise<void> {
    if (this.#piecesSize === 0) return
    const pieces = this.#pieces
    await new Promise<void>((resolve, reject) => {
      this.#file.writeDurably(pieces, this.#offset, (error) => (error === null ? resolve() : reject(error)))
    })
    this.#offset += this.#piecesSize
    this.#pieces = []
    this.#piecesSize = 0
  }
}

async function readParts(
  file: DiskFile,
  fileSizeBytes: number,
  partCount: number,
  damaged: (offset: number, what: string) => WaybillError,
  visit: (part: Buffer, index: number) => void,
): Promise<void> {
  let offset = HEAD_SIZE
  for (let index = 0; ; index++) {
    const head = await readAt(file, offset, PART_HEAD_SIZE)
    if (head.length < PART_HEAD_SIZE) throw damaged(offset, 'it ends too early')
    const sizeBytes = head.readUInt32LE(4)
    if (index === partCount) {
      if (sizeBytes !== END_SIZE || head.readUInt32LE(0) !== crc32(PADDING.subarray(0, 0), index))
        throw damaged(offset, 'its end is missing')
      return
    }
    if (sizeBytes > fileSizeBytes - offset - PART_HEAD_SIZE) throw damaged(offset, 'a part is longer than the file')
    const payload = await readAt(file, offset + PART_HEAD_SIZE, sizeBytes)
    if (payload.length < sizeBytes || head.readUInt32LE(0) !== crc32(payload, index)) throw damaged(offset, 'wrong checksum of a part')
    visit(payload, index)
    offset += PART_HEAD_SIZE + sizeBytes + (-sizeBytes & 7)
  }
}

/** Bytes of a file; fewer where it ends. */
export function readAt(
  file: DiskFile,
  offset: number,
  sizeBytes: number,
  target: Buffer = Buffer.allocUnsafeSlow(sizeBytes),
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    file.read(target, offset, (error, readSizeBytes) => (error === null ? resolve(target.subarray(0, readSizeBytes)) : reject(error)))
  })
}
