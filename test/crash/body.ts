/**
 * Bodies that say which message they are and whether they are whole:
 *
 *     magic:uint32 id:uint32 size:uint32 filling checksum:uint32        (the checksum is over everything before it)
 */
import { randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'

const MAGIC = 0x77796231
const HEAD_SIZE_BYTES = 12
/** The smallest body. */
export const BODY_SIZE_BYTES_MIN = HEAD_SIZE_BYTES + 4
/** The largest body. */
export const BODY_SIZE_BYTES_MAX = 400_000

/** Where fillings are taken from: making bytes for each message would cost more than sending them. */
const FILLING = randomBytes(BODY_SIZE_BYTES_MAX + 4096)

/** The body of a message. */
export function makeBody(id: number, sizeBytes: number): Buffer {
  const body = Buffer.allocUnsafe(sizeBytes)
  body.writeUInt32BE(MAGIC, 0)
  body.writeUInt32BE(id, 4)
  body.writeUInt32BE(sizeBytes, 8)
  FILLING.copy(body, HEAD_SIZE_BYTES, id % 4096, (id % 4096) + sizeBytes - BODY_SIZE_BYTES_MIN)
  body.writeUInt32BE(crc32(body.subarray(0, sizeBytes - 4)), sizeBytes - 4)
  return body
}

/** Which message a body belongs to; undefined when it is torn or none of ours. */
export function readBody(body: Buffer): number | undefined {
  const sizeBytes = body.length
  if (sizeBytes < BODY_SIZE_BYTES_MIN || body.readUInt32BE(0) !== MAGIC || body.readUInt32BE(8) !== sizeBytes) return undefined
  return crc32(body.subarray(0, sizeBytes - 4)) === body.readUInt32BE(sizeBytes - 4) ? body.readUInt32BE(4) : undefined
}
