/**
 * basic.ack, basic.nack and basic.reject on the hot path: read into a reused instance, written at an offset; no allocation.
 *
 *     ack    = delivery-tag:longlong multiple:bit                  [AMQP-0-9-1 1.8.3.13]
 *     reject = delivery-tag:longlong requeue:bit                   [AMQP-0-9-1 1.8.3.14]
 *     nack   = delivery-tag:longlong multiple:bit requeue:bit      RabbitMQ's extension, in both directions
 */
import { assert } from '../../base/assert.ts'
import { FRAME, FRAME_END, METHOD } from './grammar.ts'
import { undecodable } from './methods.ts'

/** Arguments of a settlement. */
export class Settlement {
  /** Rounded beyond 2^53: such a tag was never given out, so it is unknown either way. */
  deliveryTag = 0
  multiple = false
  requeue = false
}

/** Ids, tag and bits. */
const PAYLOAD_SIZE_BYTES = 13

/** Size of the frame that {@link writeAck} and {@link writeNack} write. */
export const ACK_FRAME_SIZE_BYTES = 21

/**
 * Reads the ack, nack or reject in the method payload `buffer[start, end)` (from its class-id on, which the caller has looked at). Hot.
 * @throws FRAME_ERROR when it is cut off or has bytes left
 */
export function readSettlement(buffer: Uint8Array, start: number, end: number, into: Settlement): void {
  if (end - start !== PAYLOAD_SIZE_BYTES) throw undecodable('a settlement is cut off or has bytes left', buffer, start, end)
  const high = readUint32(buffer, start + 4)
  const low = readUint32(buffer, start + 8)
  into.deliveryTag = high === 0 ? low : high * 2 ** 32 + low
  const bits = buffer[start + 12] as number
  // The last octet of the method id tells them apart: 80 ack, 90 reject, 120 nack.
  if (buffer[start + 3] === 90) {
    into.multiple = false
    into.requeue = (bits & 1) !== 0
  } else {
    into.multiple = (bits & 1) !== 0
    into.requeue = (bits & 2) !== 0
  }
}

/** Writes a basic.ack frame (a confirm) of {@link ACK_FRAME_SIZE_BYTES} at `offset`. @returns the offset after it */
export function writeAck(target: Uint8Array, offset: number, channel: number, deliveryTag: number, multiple: boolean): number {
  return writeSettlement(target, offset, channel, METHOD.basicAck, deliveryTag, multiple ? 1 : 0)
}

/** Writes a basic.nack frame (a refused publication) of {@link ACK_FRAME_SIZE_BYTES} at `offset`. @returns the offset after it */
export function writeNack(target: Uint8Array, offset: number, channel: number, deliveryTag: number, multiple: boolean): number {
  return writeSettlement(target, offset, channel, METHOD.basicNack, deliveryTag, multiple ? 1 : 0)
}

function writeSettlement(target: Uint8Array, offset: number, channel: number, method: number, deliveryTag: number, bits: number): number {
  assert(offset + ACK_FRAME_SIZE_BYTES <= target.length, 'the frame fits the buffer')
  assert(deliveryTag >= 0 && deliveryTag <= Number.MAX_SAFE_INTEGER, 'a delivery tag is exact')
  target[offset] = FRAME.method
  target[offset + 1] = channel >> 8
  target[offset + 2] = channel
  target[offset + 3] = 0
  target[offset + 4] = 0
  target[offset + 5] = 0
  target[offset + 6] = PAYLOAD_SIZE_BYTES
  writeUint32(target, offset + 7, method)
  writeUint32(target, offset + 11, Math.floor(deliveryTag / 2 ** 32))
  writeUint32(target, offset + 15, deliveryTag >>> 0)
  target[offset + 19] = bits
  target[offset + 20] = FRAME_END
  return offset + ACK_FRAME_SIZE_BYTES
}

function writeUint32(target: Uint8Array, at: number, value: number): void {
  target[at] = value >>> 24
  target[at + 1] = value >>> 16
  target[at + 2] = value >>> 8
  target[at + 3] = value
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
