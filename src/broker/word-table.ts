/**
 * Words of topic patterns as numbers. A word of a routing key is looked up where it stands in the key, by a hash that the caller makes while
 * it looks for the dots: nothing is cut out or allocated, and a word that is not in the processor's cache costs three accesses to
 * memory (slot, text, contents) where a Map costs twice as many.
 *
 *   slot = hash, id + 1      (open addressing; a slot with 0 in the second place is empty)
 */
import { assert } from '../base/assert.ts'

/** The hash of no characters; {@link hashUnit} adds one. */
export const HASH_START = 0x811c9dc5 | 0
/** No such word. */
export const UNKNOWN_WORD = -1

const SLOT = 2
const CAPACITY_MIN = 8

/** The hash of a word with one more character (FNV-1a over UTF-16 units). */
export function hashUnit(hash: number, unit: number): number {
  return Math.imul(hash ^ unit, 0x01000193)
}

function hashText(text: string): number {
  let hash = HASH_START
  for (let i = 0; i < text.length; i++) hash = hashUnit(hash, text.charCodeAt(i))
  return hash
}

/** Interned words with a count of their uses. Ids are small and used again. */
export class WordTable {
  #count = 0
  #mask = CAPACITY_MIN - 1
  #slots = new Int32Array(CAPACITY_MIN * SLOT)
  /** By id. */
  readonly #texts: string[] = []
  readonly #uses: number[] = []
  readonly #freeIds: number[] = []

  get count(): number {
    return this.#count
  }

  /** The id of the word at [from, end) of `text`, whose hash is `hash`. */
  find(text: string, from: number, end: number, hash: number): number {
    const slots = this.#slots
    for (let slot = this.#home(hash); ; slot = (slot + 1) & this.#mask) {
      const id = (slots[slot * SLOT + 1] as number) - 1
      if (id === UNKNOWN_WORD) return UNKNOWN_WORD
      if (slots[slot * SLOT] !== hash) continue
      const word = this.#texts[id] as string
      if (word.length === end - from && text.startsWith(word, from)) return id
    }
  }

  /** The id of `word`. */
  idOf(word: string): number {
    return this.find(word, 0, word.length, hashText(word))
  }

  /** The id of `word`, which gets it with its first use. */
  use(word: string): number {
    const hash = hashText(word)
    const known = this.find(word, 0, word.length, hash)
    if (known !== UNKNOWN_WORD) {
      this.#uses[known] = (this.#uses[known] as number) + 1
      return known
    }
    if ((this.#count + 1) * 2 > this.#mask + 1) this.#resize((this.#mask + 1) * 2)
    const id = this.#freeIds.pop() ?? this.#texts.length
    this.#texts[id] = word
    this.#uses[id] = 1
    this.#count++
    this.#place(hash, id + 1)
    return id
  }

  /** Takes back one use of `word`; the last one frees its id. */
  release(word: string): void {
    const hash = hashText(word)
    const id = this.find(word, 0, word.length, hash)
    assert(id !== UNKNOWN_WORD, 'a released word was in use')
    const uses = (this.#uses[id] as number) - 1
    this.#uses[id] = uses
    if (uses > 0) return
    this.#texts[id] = ''
    this.#freeIds.push(id)
    this.#count--
    this.#vacate(hash, id + 1)
    if (this.#mask + 1 > CAPACITY_MIN && this.#count * 8 < this.#mask + 1) this.#resize((this.#mask + 1) / 2)
  }

  #home(hash: number): number {
    return (hash ^ (hash >>> 15)) & this.#mask
  }

  #place(hash: number, tag: number): void {
    const slots = this.#slots
    let slot = this.#home(hash)
    while (slots[slot * SLOT + 1] !== 0) slot = (slot + 1) & this.#mask
    slots[slot * SLOT] = hash
    slots[slot * SLOT + 1] = tag
  }

  #vacate(hash: number, tag: number): void {
    const slots = this.#slots
    let hole = this.#home(hash)
    while (slots[hole * SLOT + 1] !== tag) hole = (hole + 1) & this.#mask
    // What stands behind moves up unless it would leave the run of slots that starts at its home.
    for (let slot = (hole + 1) & this.#mask; slots[slot * SLOT + 1] !== 0; slot = (slot + 1) & this.#mask) {
      const home = this.#home(slots[slot * SLOT] as number)
      if (((slot - home) & this.#mask) < ((slot - hole) & this.#mask)) continue
      slots.copyWithin(hole * SLOT, slot * SLOT, slot * SLOT + SLOT)
      hole = slot
    }
    slots.fill(0, hole * SLOT, hole * SLOT + SLOT)
  }

  #resize(capacity: number): void {
    const old = this.#slots
    this.#slots = new Int32Array(capacity * SLOT)
    this.#mask = capacity - 1
    for (let at = 0; at < old.length; at += SLOT) if (old[at + 1] !== 0) this.#place(old[at] as number, old[at + 1] as number)
  }
}
