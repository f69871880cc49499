/**
 * Lines of a byte stream, with their numbers: the bytes of a line are kept as they are.
 */

/** One line without its end. */
export interface Line {
  /** From 1. */
  readonly number: number
  /** Owned by the receiver. Empty when the line was longer than the limit. */
  readonly bytes: Buffer
  /** The line was longer than the limit; its bytes were dropped. */
  readonly tooLong: boolean
}

const NEWLINE = 0x0a
const CARRIAGE_RETURN = 0x0d

/** Reads lines that end with LF or CRLF; the last one may lack its end. At most `sizeBytesMax` of a line are held. */
export async function* readLines(chunks: AsyncIterable<Buffer>, sizeBytesMax: number): AsyncGenerator<Line> {
  let number = 1
  let parts: Buffer[] = []
  let sizeBytes = 0
  const take = (): Line => {
    const tooLong = sizeBytes > sizeBytesMax
    let bytes = tooLong ? Buffer.alloc(0) : Buffer.concat(parts)
    if (bytes.at(-1) === CARRIAGE_RETURN) bytes = bytes.subarray(0, -1)
    parts = []
    sizeBytes = 0
    return { number: number++, bytes, tooLong }
  }
  const add = (part: Buffer): void => {
    sizeBytes += part.length
    if (sizeBytes <= sizeBytesMax) parts.push(part)
    else parts = []
  }
  for await (const chunk of chunks) {
    let start = 0
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      add(chunk.subarray(start, end))
      start = end + 1
      yield take()
    }
    if (start < chunk.length) add(chunk.subarray(start))
  }
  if (sizeBytes > 0) yield take()
}
