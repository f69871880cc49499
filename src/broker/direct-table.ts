/**
 * Bindings by their exact routing key: the whole of a direct exchange, and the keys without wildcards of a topic exchange.
 */
import { assert } from '../base/assert.ts'
import type { LeafEntry } from './leaf.ts'
import { addToLeaf, removeFromLeaf } from './leaf.ts'

/** A hash table from routing key to leaf. */
export class DirectTable<E extends LeafEntry> {
  readonly #leaves = new Map<string, E[]>()

  /** The entries with exactly this key; borrowed until the next change. */
  leaf(routingKey: string): readonly E[] | undefined {
    return this.#leaves.get(routingKey)
  }

  add(routingKey: string, entry: E): void {
    let leaf = this.#leaves.get(routingKey)
    if (leaf === undefined) {
      leaf = []
      this.#leaves.set(routingKey, leaf)
    }
    addToLeaf(leaf, entry)
  }

  remove(routingKey: string, entry: E): void {
    const leaf = this.#leaves.get(routingKey)
    assert(leaf !== undefined, 'a bound key has a leaf')
    removeFromLeaf(leaf, entry)
    if (leaf.length === 0) this.#leaves.delete(routingKey)
  }
}
