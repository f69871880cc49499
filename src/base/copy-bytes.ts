/**
 * The one way bytes are copied on the hot path. Native copies cost a call; below about fifty bytes a loop is faster
 * (bench/micro measures it), and neither makes an object.
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
