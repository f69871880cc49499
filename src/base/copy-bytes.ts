/**
 * Copies between buffers of which the caller has no views; where both views are at hand, view-copy.ts is faster. Native copies cost a call;
 * below about fifty bytes a loop is faster (measured in view-copy.ts), and neither makes an object.
 */

const NATIVE_FROM_BYTES = 48

/** Copies `source[start, end)` to `target` at `at`. @returns the offset after the copy */
export function copyBytes(source: Buffer, start: number, end: number, target: Buffer, at: number): number {
  const size = end - start
  if (size < NATIVE_FROM_BYTES) {
    for (let i = 0; i < size; i++) target[at + i] = source[start + i] as number
  } else {
    source.copy(target, at, start, end)
  }
  return at + size
}
