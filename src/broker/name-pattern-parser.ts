/**
 * Reads the patterns of policies into a tree; name-pattern.ts matches it.
 *
 *   pattern     = "glob:" glob | [ "(?i)" ] choice
 *   glob        = *( "*" | "?" | character )              "*" is any characters, "?" is one; the whole name must match
 *   choice      = sequence *( "|" sequence )
 *   sequence    = *( piece [ quantifier ] )
 *   piece       = character | "." | class | escape | "^" | "$" | "(" choice ")" | "(?:" choice ")" | lookahead
 *   lookahead   = "(?!" choice ")" | "(?=" choice ")"     only directly behind "^", as in ^(?!amq\.)
 *   quantifier  = ( "*" | "+" | "?" | "{" n [ "," [ m ] ] "}" ) [ "?" ]
 *
 * It is the part of Perl's regular expressions that can be matched in bounded time: no back-references, no looking around in the
 * middle, no word boundaries, no possessive quantifiers. What is not in it is refused with its place, never taken as something else.
 */
import { WaybillError } from '../base/errors.ts'
import { LIMITS } from '../base/limits.ts'

/** A set of UTF-16 units: pairs of first and last. */
export interface CharacterSet {
  readonly ranges: readonly number[]
  readonly negated: boolean
}

/** A pattern as a tree. */
export type PatternNode =
  | { readonly kind: 'set'; readonly set: CharacterSet }
  | { readonly kind: 'start' }
  | { readonly kind: 'end' }
  | { readonly kind: 'lookahead'; readonly negative: boolean; readonly item: PatternNode }
  | { readonly kind: 'sequence'; readonly items: readonly PatternNode[] }
  | { readonly kind: 'choice'; readonly options: readonly PatternNode[] }
  /** `max` may be Infinity. */
  | { readonly kind: 'repeat'; readonly item: PatternNode; readonly min: number; readonly max: number }

/** What a pattern says. */
export interface ParsedPattern {
  readonly root: PatternNode
  readonly ignoresCase: boolean
}

const GLOB = 'glob:'
const IGNORE_CASE = '(?i)'
const REPETITIONS_MAX = 1000
const ANY: CharacterSet = { ranges: [], negated: true }
const DIGIT = [0x30, 0x39]
const WORD = [0x30, 0x39, 0x41, 0x5a, 0x5f, 0x5f, 0x61, 0x7a]
const SPACE = [0x09, 0x0d, 0x20, 0x20]
const CONTROL: Readonly<Record<string, number>> = { t: 0x09, n: 0x0a, r: 0x0d, f: 0x0c, e: 0x1b, a: 0x07 }

/** @throws PRECONDITION_FAILED when the pattern is not valid, too long, or has something that is not offered */
export function parsePattern(text: string): ParsedPattern {
  if (text.length > LIMITS.policyPatternSizeMax) {
    throw new WaybillError('PRECONDITION_FAILED', `a pattern has at most ${LIMITS.policyPatternSizeMax} characters`)
  }
  if (text.startsWith(GLOB)) return { root: globNode(text.slice(GLOB.length)), ignoresCase: false }
  const ignoresCase = text.startsWith(IGNORE_CASE)
  return { root: new PatternParser(text, ignoresCase ? IGNORE_CASE.length : 0).parse(), ignoresCase }
}

function globNode(glob: string): PatternNode {
  const items: PatternNode[] = [{ kind: 'start' }]
  for (let i = 0; i < glob.length; i++) {
    const character = glob[i]
    if (character === '*') items.push({ kind: 'repeat', item: { kind: 'set', set: ANY }, min: 0, max: Infinity })
    else if (character === '?') items.push({ kind: 'set', set: ANY })
    else items.push(literal(glob.charCodeAt(i)))
  }
  return { kind: 'sequence', items: [...items, { kind: 'end' }] }
}

function literal(unit: number): PatternNode {
  return { kind: 'set', set: { ranges: [unit, unit], negated: false } }
}

/** Recursive descent; the depth is bounded by the length of the pattern. */
class PatternParser {
  readonly #text: string
  #at: number

  constructor(text: string, at: number) {
    this.#text = text
    this.#at = at
  }

  parse(): PatternNode {
    const root = this.#choice()
    if (this.#at < this.#text.length) this.#fail('an unmatched )')
    return root
  }

  #choice(): PatternNode {
    const options = [this.#sequence()]
    while (this.#take('|')) options.push(this.#sequence())
    return options.length === 1 ? (options[0] as PatternNode) : { kind: 'choice', options }
  }

  #sequence(): PatternNode {
    const items: PatternNode[] = []
    while (this.#at < this.#text.length && this.#peek() !== '|' && this.#peek() !== ')') {
      const isLookahead = this.#text.startsWith('(?!', this.#at) || this.#text.startsWith('(?=', this.#at)
      if (isLookahead) items.push(this.#lookahead(items.at(-1)))
      else items.push(this.#quantified(this.#piece()))
    }
    return { kind: 'sequence', items }
  }

  #lookahead(before: PatternNode | undefined): PatternNode {
    if (before?.kind !== 'start' && before?.kind !== 'lookahead') this.#fail('looking ahead anywhere but directly behind ^')
    const negative = this.#text[this.#at + 2] === '!'
    this.#at += 3
    const item = this.#choice()
    if (!this.#take(')')) this.#fail('a missing )')
    return { kind: 'lookahead', negative, item }
  }

  #piece(): PatternNode {
    const character = this.#peek()
    if (character === '(') return this.#group()
    if (character === '[') return { kind: 'set', set: this.#characterClass() }
    if (character === '\\') return this.#escape()
    if (character === '*' || character === '+' || character === '?') return this.#fail('a quantifier with nothing to repeat')
    const unit = this.#text.charCodeAt(this.#at++)
    if (character === '.') return { kind: 'set', set: ANY }
    if (character === '^') return { kind: 'start' }
    if (character === '$') return { kind: 'end' }
    return literal(unit)
  }

  #group(): PatternNode {
    this.#at++
    if (this.#peek() === '?') {
      if (!this.#text.startsWith('?:', this.#at)) this.#fail('this kind of group')
      this.#at += 2
    }
    const item = this.#choice()
    if (!this.#take(')')) this.#fail('a missing )')
    return item
  }

  #quantified(item: PatternNode): PatternNode {
    let node = item
    for (let count = 0; ; count++) {
      const bounds = this.#quantifier()
      if (bounds === undefined) return node
      if (count > 0) this.#fail('a quantifier of a quantifier')
      if (!this.#take('?') && this.#peek() === '+') this.#fail('a possessive quantifier')
      node = { kind: 'repeat', item: node, min: bounds[0], max: bounds[1] }
    }
  }

  /** The bounds of a quantifier, if there is one here. A `{` that begins none is a character. */
  #quantifier(): [min: number, max: number] | undefined {
    if (this.#take('*')) return [0, Infinity]
    if (this.#take('+')) return [1, Infinity]
    if (this.#take('?')) return [0, 1]
    const counted = /^\{(\d+)(,(\d*))?\}/.exec(this.#text.slice(this.#at, this.#at + 16))
    if (counted === null) return undefined
    this.#at += counted[0].length
    const min = Number(counted[1])
    const max = counted[2] === undefined ? min : counted[3] === '' ? Infinity : Number(counted[3])
    if (min > REPETITIONS_MAX || (max !== Infinity && max > REPETITIONS_MAX)) this.#fail(`more than ${REPETITIONS_MAX} repetitions`)
    if (max < min) this.#fail('a range of repetitions that is upside down')
    return [min, max]
  }

  #escape(): PatternNode {
    const letter = this.#text[this.#at + 1]
    if (letter === 'A') return this.#skip(2, { kind: 'start' })
    if (letter === 'z' || letter === 'Z') return this.#skip(2, { kind: 'end' })
    return { kind: 'set', set: this.#escapedSet() }
  }

  /** `\d`, `\x41`, `\.` and the like: a set of characters. */
  #escapedSet(): CharacterSet {
    const letter = this.#text[this.#at + 1]
    if (letter === undefined) return this.#fail('a \\ at the end')
    this.#at += 2
    const ranges = letter === 'd' || letter === 'D' ? DIGIT : letter === 'w' || letter === 'W' ? WORD : SPACE
    if ('dws'.includes(letter)) return { ranges, negated: false }
    if ('DWS'.includes(letter)) return { ranges, negated: true }
    let unit = CONTROL[letter] ?? letter.charCodeAt(0)
    if (letter === 'x') {
      const digits = /^[0-9a-fA-F]{2}/.exec(this.#text.slice(this.#at, this.#at + 2))
      if (digits === null) return this.#fail('\\x without two hexadecimal digits')
      this.#at += 2
      unit = Number.parseInt(digits[0], 16)
    } else if (/[A-Za-z0-9]/.test(letter) && CONTROL[letter] === undefined) {
      this.#at -= 2
      return this.#fail(`\\${letter}`)
    }
    return { ranges: [unit, unit], negated: false }
  }

  #characterClass(): CharacterSet {
    this.#at++
    const negated = this.#take('^')
    const ranges: number[] = []
    for (let first = true; first || this.#peek() !== ']'; first = false) {
      if (this.#at >= this.#text.length) this.#fail('a missing ]')
      if (this.#text.startsWith('[:', this.#at)) this.#fail('a named class')
      const from = this.#classMember()
      const isRange = this.#peek() === '-' && this.#text[this.#at + 1] !== ']' && this.#at + 1 < this.#text.length
      if (!isRange) {
        ranges.push(...from)
        continue
      }
      this.#at++
      const to = this.#classMember()
      const [low, high] = [from[0] as number, to[0] as number]
      if (from.length > 2 || to.length > 2 || from[1] !== low || to[1] !== high || high < low) this.#fail('a range that is none')
      ranges.push(low, high)
    }
    this.#at++
    return { ranges, negated }
  }

  #classMember(): readonly number[] {
    if (this.#peek() !== '\\') {
      const unit = this.#text.charCodeAt(this.#at++)
      return [unit, unit]
    }
    const set = this.#escapedSet()
    return set.negated ? this.#fail('a negated set within a class') : set.ranges
  }

  #peek(): string | undefined {
    return this.#text[this.#at]
  }

  #take(character: string): boolean {
    if (this.#peek() !== character) return false
    this.#at++
    return true
  }

  #skip(count: number, node: PatternNode): PatternNode {
    this.#at += count
    return node
  }

  #fail(what: string): never {
    throw new WaybillError(
      'PRECONDITION_FAILED',
      `the pattern ${this.#text} has ${what} at character ${this.#at + 1}, which is not offered`,
    )
  }
}
