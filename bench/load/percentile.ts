/** The value below which the given share (0 to 1) of the sorted samples lies; NaN when there is none. */
export const percentileOf = (sorted: Float64Array, share: number): number => {
  const index = Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)
  return sorted[Math.max(0, index)] ?? Number.NaN
}
