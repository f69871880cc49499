/**
 * Patterns of names in permissions: `*` stands for any characters, `?` for one; everything else for itself. Never a regular expression:
 * matching takes at most length of pattern times length of name steps, and an unescaped dot grants nothing.
 */

/** True when `name` matches `pattern` as a whole. */
export function matchesPattern(pattern: string, name: string): boolean {
  let at = 0
  let patternAt = 0
  let starAt = -1
  let resumeAt = 0
  while (at < name.length) {
    const character = pattern[patternAt]
    if (character === '*') {
      starAt = patternAt++
      resumeAt = at
    } else if (character === '?' || character === name[at]) {
      patternAt++
      at++
    } else if (starAt >= 0) {
      // The last star takes one character more.
      patternAt = starAt + 1
      at = ++resumeAt
    } else {
      return false
    }
  }
  while (pattern[patternAt] === '*') patternAt++
  return patternAt === pattern.length
}
