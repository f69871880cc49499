/**
 * Reading basic.publish and content headers on the hot path: into instances that a session uses again and again, as offsets into
 * the borrowed bytes. Nothing is allocated, nothing is decoded.
 */
import { WaybillError } from '../../base/errors.ts'
import { undecodable } from './methods.ts'

/** Arguments of basic.publish [AMQP-0-9-1 1.8.3.7]. Offsets are absolute in the buffer that was read. */
export class PublishArguments {
  /** Exchange and routing key, each with its length byte, side by side: as a message record keeps them. */
  addressStart = 0
  addressEnd = 0
  /** First byte of the exchange name. */
  exchangeStart = 0
  exchangeEnd = 0
  /** First byte of the routing key; it ends at `addressEnd`. */
  routingKeyStart = 0
  mandatory = false
  immediate = false
}

/** Size of class-id and method-id, before the arguments. */
const IDS_SIZE_BYTES = 4

/**
 * Reads the basic.publish in the method payload `buffer[start, end)` (from its class-id on). Hot.
 * Whether the names are UTF-8 is the caller's to check when they differ from those of the publish before (`wellFormed`).
 * @throws FRAME_ERROR when it is cut off or has bytes left
 */
export function readPublish(buffer: Uint8Array, start: number, end: number, into: PublishArguments): void {
  // Ticket (2 bytes, without a meaning), exchange, routing key, bits.
  const addressStart = start + IDS_SIZE_BYTES + 2
  if (addressStart >= end) throw undecodable('basic.publish is cut off', buffer, start, end)
  const exchangeEnd = addressStart + 1 + (buffer[addressStart] as number)
  if (exchangeEnd >= end) throw undecodable('basic.publish is cut off', buffer, start, end)
  const addressEnd = exchangeEnd + 1 + (buffer[exchangeEnd] as number)
  if (addressEnd >= end) throw undecodable('basic.publish is cut off', buffer, start, end)
  if (addressEnd + 1 !== end) throw undecodable('bytes follow the arguments of basic.publish', buffer, start, end)
  const bits = buffer[addressEnd] as number
  into.addressStart = addressStart
  into.addressEnd = addressEnd
  into.exchangeStart = addressStart + 1
  into.exchangeEnd = exchangeEnd
  into.routingKeyStart = exchangeEnd + 1
  into.mandatory = (bits & 1) !== 0
  into.immediate = (bits & 2) !== 0
}

/** A content header [AMQP-0-9-1 4.2.6.1]. Offsets are absolute in the buffer that was read. */
export class ContentHeader {
  classId = 0
  /** Without a meaning; anything but 0 is unexpected. */
  weight = 0
  /** Bytes of the body to come; rounded beyond 2^53, which is over every limit. */
  bodySizeBytes = 0
  /** Flags and properties, to be scanned. */
  propertiesStart = 0
  propertiesEnd = 0
}

/** Bytes of a header payload before its property flags. */
export const CONTENT_HEADER_SIZE_BYTES = 12

/**
 * Reads the header payload `buffer[start, end)`. The properties are not looked at. Hot.
 * @throws FRAME_ERROR when it is cut off
 */
export function readContentHeader(buffer: Uint8Array, start: number, end: number, into: ContentHeader): void {
  if (end - start < CONTENT_HEADER_SIZE_BYTES) throw new WaybillError('FRAME_ERROR', 'a content header is cut off')
  into.classId = ((buffer[start] as number) << 8) | (buffer[start + 1] as number)
  into.weight = ((buffer[start + 2] as number) << 8) | (buffer[start + 3] as number)
  const high = readUint32(buffer, start + 4)
  const low = readUint32(buffer, start + 8)
  into.bodySizeBytes = high === 0 ? low : high * 2 ** 32 + low
  into.propertiesStart = start + CONTENT_HEADER_SIZE_BYTES
  into.propertiesEnd = end
}

function readUint32(buffer: Uint8Array, at: number): number {
  return (
    (((buffer[at] as number) << 24) |
      ((buffer[at + 1] as number) << 16) |
      ((buffer[at + 2] as number) << 8) |
      (buffer[at + 3] as number)) >>>
    0
  )
}
