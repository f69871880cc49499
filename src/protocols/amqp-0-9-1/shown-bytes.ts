/**
 * Bytes as RabbitMQ shows them in its error texts.
 */
import { formatBytes } from '../../broker/field-description.ts'

/** A reply text has at most 255 bytes: more than this would not fit. */
const SHOWN_SIZE_BYTES_MAX = 64

/** The bytes `[start, end)` in Erlang's notation, cut where they would not fit a reply anyway: `<<"text">>`, `<<0,9>>`. */
export function shownBytes(buffer: Uint8Array, start: number, end: number): string {
  return formatBytes(buffer.subarray(start, Math.min(end, start + SHOWN_SIZE_BYTES_MAX)))
}
