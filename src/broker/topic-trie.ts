/**
 * Topic patterns in a trie over words, so that routing costs what the routing key's words cost and not what the bindings are.
 *
 *   key     = [ word *( "." word ) ]        the empty key has no word at all; "a..b" has an empty word in the middle
 *   pattern = the same, where "*" stands for exactly one word and "#" for any number of words, none included
 *
 * A run of wildcards with a "#" in it means: so many words at least as it has "*". It is kept as its stars followed by one
 * "#", so that `#.#`, `#.*` and `*.#.#` take no more room than `#` and `*.#`, and behind a "#" stands a literal word or nothing.
 *
 * Matching walks all alternatives at once, a word at a time: the nodes reached by exactly the words so far, and the nodes behind
 * a "#", which stay reached until the end ("floating"). A node has one parent and each parent is looked at once a word, so no node is
 * reached twice for one word: the work is bounded by words x nodes for any pattern whatever, and there is no back-tracking.
 *
 * Nodes are numbers, their fields stand in one typed array, words are interned: a pattern costs no object but its leaf. Matching allocates
 * nothing.
 */
import { assert } from '../base/assert.ts'
import { EdgeTable, NO_NODE } from './edge-table.ts'
import type { LeafEntry } from './leaf.ts'
import { addToLeaf, removeFromLeaf } from './leaf.ts'
import { HASH_START, hashUnit, UNKNOWN_WORD, WordTable } from './word-table.ts'

/** The fields of a node, in its row of the array. */
const STAR = 0
const HASH = 1
const LITERAL_CHILD_COUNT = 2
/** The route that this "#" floats in, if it is the present one. */
const FLOATS_IN = 3
const PARENT = 4
const WORD = 5
const HAS_LEAF = 6
const ROW = 8

const ROOT = 0
/** Routes are numbered in 32 bits; at the end the marks of all nodes are cleared and the numbers start again. */
const ROUTE_MAX = 0x7fffffff
const DOT = 0x2e
/** The word of the key is yet to be looked up. */
const NOT_ASKED = -2

/** True if the binding key has a word `*` or `#`. */
export function isTopicPattern(routingKey: string): boolean {
  for (let i = 0; i < routingKey.length; i++) {
    const unit = routingKey.charCodeAt(i)
    if (unit !== 0x2a && unit !== 0x23) continue
    const startsWord = i === 0 || routingKey.charCodeAt(i - 1) === 0x2e
    const endsWord = i === routingKey.length - 1 || routingKey.charCodeAt(i + 1) === 0x2e
    if (startsWord && endsWord) return true
  }
  return false
}

/** The words of a pattern, its runs of wildcards brought to their one form. */
function patternWords(pattern: string): string[] {
  if (pattern === '') return []
  const words: string[] = []
  let hashPending = false
  for (const word of pattern.split('.')) {
    if (word === '#') {
      hashPending = true
      continue
    }
    if (word !== '*' && hashPending) {
      words.push('#')
      hashPending = false
    }
    words.push(word)
  }
  if (hashPending) words.push('#')
  return words
}

/** The topic patterns of one exchange. */
export class TopicTrie<E extends LeafEntry> {
  /** The outcome of {@link match}: its first so many elements are leaves, borrowed until the next change of the trie. */
  readonly matches: (readonly E[])[] = []
  /** Nodes reached since the trie was made: the measure of work. */
  steps = 0

  readonly #edges = new EdgeTable()
  #rows = new Int32Array(4 * ROW)
  #nodeCount = 0
  readonly #freeNodes: number[] = []
  /** By node; undefined where no pattern ends. */
  readonly #leaves: (E[] | undefined)[] = []
  readonly #words = new WordTable()
  #route = 0
  // Scratch of match(), kept between calls.
  #reached: number[] = []
  #reachedCount = 0
  #next: number[] = []
  #nextCount = 0
  readonly #floating: number[] = []
  #floatingCount = 0
  #matchCount = 0

  constructor() {
    this.#newNode(NO_NODE, UNKNOWN_WORD)
  }

  /** True if no pattern is there, nor anything left of one. */
  get isEmpty(): boolean {
    return this.#isBare(ROOT) && this.#words.count === 0 && this.#edges.count === 0 && this.#freeNodes.length === this.#nodeCount - 1
  }

  /** The entries whose pattern means the same as `pattern`; borrowed until the next change. */
  leaf(pattern: string): readonly E[] | undefined {
    const node = this.#find(patternWords(pattern))
    return node === NO_NODE ? undefined : this.#leaves[node]
  }

  add(pattern: string, entry: E): void {
    let node = ROOT
    for (const word of patternWords(pattern)) {
      const child = this.#child(node, word)
      node = child === NO_NODE ? this.#grow(node, word) : child
    }
    let leaf = this.#leaves[node]
    if (leaf === undefined) {
      leaf = []
      this.#leaves[node] = leaf
      this.#rows[node * ROW + HAS_LEAF] = 1
    }
    addToLeaf(leaf, entry)
  }

  remove(pattern: string, entry: E): void {
    const words = patternWords(pattern)
    let node = this.#find(words)
    const leaf = node === NO_NODE ? undefined : this.#leaves[node]
    assert(leaf !== undefined, 'a bound pattern has a leaf')
    removeFromLeaf(leaf, entry)
    if (leaf.length > 0) return
    this.#leaves[node] = undefined
    this.#rows[node * ROW + HAS_LEAF] = 0
    for (let depth = words.length - 1; depth >= 0 && this.#isBare(node); depth--) {
      const parent = this.#rows[node * ROW + PARENT] as number
      this.#cut(parent, node, words[depth] as string)
      node = parent
    }
  }

  /** Finds the leaves of all patterns that match `routingKey` and returns how many there are; see {@link matches}. */
  match(routingKey: string): number {
    if (this.#route === ROUTE_MAX) this.#restartRoutes()
    this.#route++
    this.#matchCount = 0
    this.#floatingCount = 0
    this.#nextCount = 0
    this.#reach(ROOT)
    if (routingKey.length > 0) this.#walk(routingKey)
    for (let i = 0; i < this.#nextCount; i++) {
      const node = this.#next[i] as number
      if (this.#rows[node * ROW + HAS_LEAF] !== 0) this.matches[this.#matchCount++] = this.#leaves[node] as E[]
    }
    return this.#matchCount
  }

  /** Takes the words of the key one after the other, hashing them on the way. */
  #walk(routingKey: string): void {
    const { length } = routingKey
    let from = 0
    let hash = HASH_START
    for (let at = 0; at <= length; at++) {
      const unit = at < length ? routingKey.charCodeAt(at) : DOT
      if (unit !== DOT) {
        hash = hashUnit(hash, unit)
        continue
      }
      const spare = this.#reached
      this.#reached = this.#next
      this.#reachedCount = this.#nextCount
      this.#next = spare
      this.#nextCount = 0
      if (this.#reachedCount === 0 && this.#floatingCount === 0) return
      this.#advance(routingKey, from, at, hash)
      from = at + 1
      hash = HASH_START
    }
  }

  /** Takes the word of the key at [from, end): from every reached node to its children for the word. */
  #advance(routingKey: string, from: number, end: number, hash: number): void {
    const rows = this.#rows
    // Nodes that begin to float in this step are for the next word: they have consumed this one.
    const floatingCount = this.#floatingCount
    let word = floatingCount > 0 ? this.#words.find(routingKey, from, end, hash) : NOT_ASKED
    for (let i = 0; i < this.#reachedCount; i++) {
      const row = (this.#reached[i] as number) * ROW
      if (rows[row + LITERAL_CHILD_COUNT] !== 0) {
        if (word === NOT_ASKED) word = this.#words.find(routingKey, from, end, hash)
        const child = word === UNKNOWN_WORD ? NO_NODE : this.#edges.child(this.#reached[i] as number, word)
        if (child !== NO_NODE) this.#reach(child)
      }
      const star = rows[row + STAR] as number
      if (star !== NO_NODE) this.#reach(star)
    }
    if (word === UNKNOWN_WORD) return
    for (let i = 0; i < floatingCount; i++) {
      const child = this.#edges.child(this.#floating[i] as number, word)
      if (child !== NO_NODE) this.#reach(child)
    }
  }

  #reach(node: number): void {
    const rows = this.#rows
    this.steps++
    this.#next[this.#nextCount++] = node
    const hash = rows[node * ROW + HASH] as number
    if (hash === NO_NODE || rows[hash * ROW + FLOATS_IN] === this.#route) return
    // "#" takes whatever follows: what ends here matches already, what goes on waits for its word at every later position.
    rows[hash * ROW + FLOATS_IN] = this.#route
    this.steps++
    if (rows[hash * ROW + HAS_LEAF] !== 0) this.matches[this.#matchCount++] = this.#leaves[hash] as E[]
    if (rows[hash * ROW + LITERAL_CHILD_COUNT] !== 0) this.#floating[this.#floatingCount++] = hash
  }

  #restartRoutes(): void {
    this.#route = 0
    for (let node = 0; node < this.#nodeCount; node++) this.#rows[node * ROW + FLOATS_IN] = 0
  }

  #find(words: readonly string[]): number {
    let node = ROOT
    for (const word of words) {
      node = this.#child(node, word)
      if (node === NO_NODE) return NO_NODE
    }
    return node
  }

  /** The child of `node` for a word of a pattern. */
  #child(node: number, word: string): number {
    if (word === '*') return this.#rows[node * ROW + STAR] as number
    if (word === '#') return this.#rows[node * ROW + HASH] as number
    const id = this.#words.idOf(word)
    return id === UNKNOWN_WORD ? NO_NODE : this.#edges.child(node, id)
  }

  /** Adds a child of `parent` for a word of a pattern. */
  #grow(parent: number, word: string): number {
    if (word === '*' || word === '#') {
      const node = this.#newNode(parent, UNKNOWN_WORD)
      this.#rows[parent * ROW + (word === '*' ? STAR : HASH)] = node
      return node
    }
    const id = this.#words.use(word)
    const node = this.#newNode(parent, id)
    this.#edges.add(parent, id, node)
    const countAt = parent * ROW + LITERAL_CHILD_COUNT
    this.#rows[countAt] = (this.#rows[countAt] as number) + 1
    return node
  }

  /** Removes the bare `node` from its parent. */
  #cut(parent: number, node: number, word: string): void {
    const rows = this.#rows
    this.#freeNodes.push(node)
    if (word === '*') rows[parent * ROW + STAR] = NO_NODE
    else if (word === '#') rows[parent * ROW + HASH] = NO_NODE
    else {
      const id = rows[node * ROW + WORD] as number
      this.#edges.remove(parent, id)
      const countAt = parent * ROW + LITERAL_CHILD_COUNT
      rows[countAt] = (rows[countAt] as number) - 1
      this.#words.release(word)
    }
  }

  #newNode(parent: number, word: number): number {
    const node = this.#freeNodes.pop() ?? this.#nodeCount++
    if ((node + 1) * ROW > this.#rows.length) {
      const grown = new Int32Array(this.#rows.length * 2)
      grown.set(this.#rows)
      this.#rows = grown
    }
    const row = node * ROW
    this.#rows.fill(0, row, row + ROW)
    this.#rows[row + STAR] = NO_NODE
    this.#rows[row + HASH] = NO_NODE
    this.#rows[row + PARENT] = parent
    this.#rows[row + WORD] = word
    this.#leaves[node] = undefined
    return node
  }

  #isBare(node: number): boolean {
    const rows = this.#rows
    const row = node * ROW
    return (
      rows[row + HAS_LEAF] === 0 && rows[row + LITERAL_CHILD_COUNT] === 0 && rows[row + STAR] === NO_NODE && rows[row + HASH] === NO_NODE
    )
  }
}
