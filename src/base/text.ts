/**
 * Text that loses nothing: any bytes become a string, and that string becomes the same bytes again.
 *
 * Valid UTF-8 is decoded as such. A byte that is not part of valid UTF-8 becomes the lone surrogate U+DC00 + byte (as Python's
 * "surrogateescape" does), which valid UTF-8 never produces. So names that are not UTF-8 can be keys of a Map, stay different from
 * each other, and leave as they came. `string.isWellFormed()` tells whether anything was escaped.
 */
import { isUtf8 } from 'node:buffer'

const ESCAPE_FIRST = 0xdc80
const ESCAPE_LAST = 0xdcff
const ESCAPE_BASE = 0xdc00

/** Names are short and mostly ASCII: up to this size a loop is faster than a call into the runtime. */
const LOOP_SIZE_MAX = 12

/** The text of `bytes[start, end)`. Never fails. */
export function decodeText(bytes: Uint8Array, start: number, end: number): string {
  if (end - start <= LOOP_SIZE_MAX) {
    let text = ''
    let i = start
    for (; i < end; i++) {
      const byte = bytes[i] as number
      if (byte >= 0x80) break
      text += String.fromCharCode(byte)
    }
    if (i === end) return text
  }
  const part = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start)
  return isUtf8(part) ? part.toString('utf8') : decodeEscaped(part)
}

/** The bytes of the text; the caller owns them. */
export function encodeText(text: string): Buffer {
  return text.isWellFormed() ? Buffer.from(text, 'utf8') : encodeEscaped(text)
}

/** Length of the valid UTF-8 sequence that starts at `i`, or 0 when there is none. */
function sequenceLength(part: Buffer, i: number): number {
  const first = part[i] as number
  const length =
    first < 0x80 ? 1 : first >= 0xc2 && first <= 0xdf ? 2 : first >= 0xe0 && first <= 0xef ? 3 : first >= 0xf0 && first <= 0xf4 ? 4 : 0
  if (length <= 1) return length
  return i + length <= part.length && isUtf8(part.subarray(i, i + length)) ? length : 0
}

function decodeEscaped(part: Buffer): string {
  let text = ''
  let i = 0
  while (i < part.length) {
    let end = i
    for (
      let length = sequenceLength(part, end);
      end < part.length && length > 0;
      length = end < part.length ? sequenceLength(part, end) : 0
    )
      end += length
    if (end > i) text += part.toString('utf8', i, end)
    if (end < part.length) text += String.fromCharCode(ESCAPE_BASE + (part[end++] as number))
    i = end
  }
  return text
}

function encodeEscaped(text: string): Buffer {
  const parts: Buffer[] = []
  let start = 0
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit >= 0xd800 && unit <= 0xdbff && isLowSurrogate(text.charCodeAt(i + 1))) {
      i++
      continue
    }
    if (unit < ESCAPE_FIRST || unit > ESCAPE_LAST) continue
    if (i > start) parts.push(Buffer.from(text.slice(start, i), 'utf8'))
    parts.push(Buffer.of(unit - ESCAPE_BASE))
    start = i + 1
  }
  if (start < text.length) parts.push(Buffer.from(text.slice(start), 'utf8'))
  return Buffer.concat(parts)
}

function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff
}
