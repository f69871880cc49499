/**
 * Topic patterns in a trie over words, so that routing costs what the routing key's words cost and not what the bindings are.
 *
 *   key     = [ word *( "." word ) ]        the empty key has no word at all; "a..b" has an empty word in the middle
 *   pattern = the same, where "*" stands for exactly one word and "#" for any number of words, none included
 *
 * A run of wildcards with a "#" in it means: so many words at least as it has "*". It is kept as its stars followed by one
 * "#", so that `#.#`, `#.*` and `*.#.#` take no more room than `#` and `*.#`, and behind a "#" stands a literal word or nothing.
 *
 * Matching walks all alternatives at once, a word at a time: the set of nodes reached so far, each at most once per word of the
 * key. A node behind a "#" stays reached until the end. The work is therefore bounded by words x nodes for any pattern whatever;
 * there is no back-tracking. Nothing is allocated but the words cut from the key.
 */
import { assert } from '../base/assert.ts'
import type { LeafEntry } from './leaf.ts'
import { addToLeaf, removeFromLeaf } from './leaf.ts'

const STAR = -1
const HASH = -2
/** A word that stands in no pattern. */
const UNKNOWN = -3

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

/** A word that stands in some pattern, and how often. */
interface Word {
  readonly id: number
  uses: number
}

/** A place in the trie. Most nodes have one child, so the map of children comes only with the second one. */
class Node<E> {
  readonly parent: Node<E> | undefined
  /** The id of the word that leads here, or STAR or HASH. */
  readonly word: number
  onlyChild: Node<E> | undefined = undefined
  children: Map<number, Node<E>> | undefined = undefined
  star: Node<E> | undefined = undefined
  hash: Node<E> | undefined = undefined
  entries: E[] | undefined = undefined
  /** The step of matching in which the node was reached last. */
  reachedAt = 0

  constructor(parent: Node<E> | undefined, word: number) {
    this.parent = parent
    this.word = word
  }

  child(word: number): Node<E> | undefined {
    if (word === STAR) return this.star
    if (word === HASH) return this.hash
    if (this.children !== undefined) return this.children.get(word)
    const only = this.onlyChild
    return only !== undefined && only.word === word ? only : undefined
  }

  addChild(word: number): Node<E> {
    const node = new Node<E>(this, word)
    if (word === STAR) this.star = node
    else if (word === HASH) this.hash = node
    else if (this.children !== undefined) this.children.set(word, node)
    else if (this.onlyChild === undefined) this.onlyChild = node
    else {
      this.children = new Map([
        [this.onlyChild.word, this.onlyChild],
        [word, node],
      ])
      this.onlyChild = undefined
    }
    return node
  }

  removeChild(node: Node<E>): void {
    if (node.word === STAR) this.star = undefined
    else if (node.word === HASH) this.hash = undefined
    else if (this.children === undefined) this.onlyChild = undefined
    else {
      this.children.delete(node.word)
      if (this.children.size === 0) this.children = undefined
    }
  }

  get isBare(): boolean {
    return (
      this.entries === undefined &&
      this.onlyChild === undefined &&
      this.children === undefined &&
      this.star === undefined &&
      this.hash === undefined
    )
  }

  get hasLiteralChild(): boolean {
    return this.onlyChild !== undefined || this.children !== undefined
  }
}

/** The topic patterns of one exchange. */
export class TopicTrie<E extends LeafEntry> {
  /** The outcome of {@link match}: its first so many elements are leaves, borrowed until the next change of the trie. */
  readonly matches: (readonly E[])[] = []
  /** Nodes reached since the trie was made: the measure of work. */
  steps = 0

  readonly #root = new Node<E>(undefined, UNKNOWN)
  readonly #words = new Map<string, Word>()
  #nextWordId = 0
  /** Counts the words of all keys ever matched: a node with an older mark has not been reached in this step. */
  #step = 0
  // Scratch of match(), kept between calls.
  readonly #keyWords: number[] = []
  #reached: Node<E>[] = []
  #reachedCount = 0
  #next: Node<E>[] = []
  #nextCount = 0
  readonly #floating: Node<E>[] = []
  #floatingCount = 0
  #matchCount = 0

  /** True if no pattern is there, nor anything left of one. */
  get isEmpty(): boolean {
    return this.#root.isBare && this.#words.size === 0
  }

  /** The entries whose pattern means the same as `pattern`; borrowed until the next change. */
  leaf(pattern: string): readonly E[] | undefined {
    return this.#find(patternWords(pattern))?.entries
  }

  add(pattern: string, entry: E): void {
    let node = this.#root
    for (const word of patternWords(pattern)) {
      const id = this.#wordId(word)
      node = node.child(id) ?? this.#grow(node, id, word)
    }
    node.entries ??= []
    addToLeaf(node.entries, entry)
  }

  remove(pattern: string, entry: E): void {
    const words = patternWords(pattern)
    let node = this.#find(words)
    assert(node?.entries !== undefined, 'a bound pattern has a leaf')
    removeFromLeaf(node.entries, entry)
    if (node.entries.length === 0) node.entries = undefined
    for (let depth = words.length - 1; depth >= 0 && node.isBare; depth--) {
      const parent: Node<E> | undefined = node.parent
      assert(parent !== undefined, 'only the root has no parent')
      parent.removeChild(node)
      this.#releaseWord(words[depth] as string)
      node = parent
    }
  }

  /** Finds the leaves of all patterns that match `routingKey` and returns how many there are; see {@link matches}. */
  match(routingKey: string): number {
    const wordCount = this.#split(routingKey)
    const keyWords = this.#keyWords
    this.#matchCount = 0
    this.#floatingCount = 0
    this.#nextCount = 0
    const routeStart = ++this.#step
    this.#reach(this.#root, routeStart)
    for (let i = 0; i < wordCount; i++) {
      this.#swap()
      if (this.#reachedCount === 0 && this.#floatingCount === 0) break
      this.#step++
      this.#advance(keyWords[i] as number, routeStart)
    }
    for (let i = 0; i < this.#nextCount; i++) {
      const entries = (this.#next[i] as Node<E>).entries
      if (entries !== undefined) this.matches[this.#matchCount++] = entries
    }
    return this.#matchCount
  }

  /** Takes one word of the key: from every reached node to its children for the word. */
  #advance(word: number, routeStart: number): void {
    const reached = this.#reached
    for (let i = 0; i < this.#reachedCount; i++) {
      const node = reached[i] as Node<E>
      if (word !== UNKNOWN) {
        const child = node.child(word)
        if (child !== undefined) this.#reach(child, routeStart)
      }
      if (node.star !== undefined) this.#reach(node.star, routeStart)
    }
    if (word === UNKNOWN) return
    // Nodes that begin to float in this step are for the next word: they have consumed this one.
    const floatingCount = this.#floatingBefore
    for (let i = 0; i < floatingCount; i++) {
      const child = (this.#floating[i] as Node<E>).child(word)
      if (child !== undefined) this.#reach(child, routeStart)
    }
  }

  #floatingBefore = 0

  #swap(): void {
    const spare = this.#reached
    this.#reached = this.#next
    this.#reachedCount = this.#nextCount
    this.#next = spare
    this.#nextCount = 0
    this.#floatingBefore = this.#floatingCount
  }

  #reach(node: Node<E>, routeStart: number): void {
    this.steps++
    if (node.reachedAt === this.#step) return
    node.reachedAt = this.#step
    this.#next[this.#nextCount++] = node
    const hash = node.hash
    if (hash === undefined || hash.reachedAt >= routeStart) return
    // "#" takes whatever follows: what ends here matches already, what goes on waits for its word at every later position.
    hash.reachedAt = this.#step
    this.steps++
    if (hash.entries !== undefined) this.matches[this.#matchCount++] = hash.entries
    if (hash.hasLiteralChild) this.#floating[this.#floatingCount++] = hash
  }

  /** Cuts the key into the ids of its words; returns how many there are. */
  #split(routingKey: string): number {
    if (routingKey.length === 0) return 0
    let count = 0
    let from = 0
    for (;;) {
      const dot = routingKey.indexOf('.', from)
      const word = dot < 0 ? routingKey.slice(from) : routingKey.slice(from, dot)
      this.#keyWords[count++] = this.#words.get(word)?.id ?? UNKNOWN
      if (dot < 0) return count
      from = dot + 1
    }
  }

  #find(words: readonly string[]): Node<E> | undefined {
    let node: Node<E> | undefined = this.#root
    for (const word of words) {
      node = node.child(this.#wordId(word))
      if (node === undefined) return undefined
    }
    return node
  }

  #wordId(word: string): number {
    if (word === '*') return STAR
    if (word === '#') return HASH
    return this.#words.get(word)?.id ?? UNKNOWN
  }

  /** Adds a node under `parent`; the word is interned with it and counts one use for every node it leads to. */
  #grow(parent: Node<E>, id: number, word: string): Node<E> {
    if (id === STAR || id === HASH) return parent.addChild(id)
    let interned = this.#words.get(word)
    if (interned === undefined) {
      interned = { id: this.#nextWordId++, uses: 0 }
      this.#words.set(word, interned)
    }
    interned.uses++
    return parent.addChild(interned.id)
  }

  #releaseWord(word: string): void {
    if (word === '*' || word === '#') return
    const interned = this.#words.get(word)
    assert(interned !== undefined, 'a word of a pattern is interned')
    if (--interned.uses === 0) this.#words.delete(word)
  }
}
