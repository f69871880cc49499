/**
 * Durations and sizes as people write them: "30s", "1h30m", "64MiB", "60%".
 */

const DURATION_UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

const SIZE_UNITS_BYTES: Readonly<Record<string, number>> = {
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
}

/** Milliseconds of "30s", "1h30m", "250ms"; undefined when the text is no duration. */
export function parseDuration(text: string): number | undefined {
  if (text === '0') return 0
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(text)) return undefined
  let sum = 0
  for (const [, count, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g))
    sum += Number(count) * (DURATION_UNITS_MS[unit as string] as number)
  return Math.round(sum)
}

/** Bytes of "64MiB", "10 MB", "512"; undefined when the text is no size. */
export function parseSize(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?) ?([KMGT]i?B|B)?$/.exec(text)
  if (match === null) return undefined
  return Math.round(Number(match[1]) * (SIZE_UNITS_BYTES[match[2] ?? 'B'] as number))
}

/** "16 MiB": the largest unit in which the number is short. */
export function formatSize(sizeBytes: number): string {
  for (const unit of ['TiB', 'GiB', 'MiB', 'KiB']) {
    const count = sizeBytes / (SIZE_UNITS_BYTES[unit] as number)
    if (count >= 1) return `${Number(count.toFixed(1))} ${unit}`
  }
  return `${sizeBytes} B`
}

/** "90s" or "1h": for texts of expectations. */
export function formatDuration(durationMs: number): string {
  for (const unit of ['d', 'h', 'm', 's']) {
    const count = durationMs / (DURATION_UNITS_MS[unit] as number)
    if (Number.isInteger(count) && count >= 1) return `${count}${unit}`
  }
  return `${durationMs}ms`
}
