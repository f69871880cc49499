/**
 * A leaf: the unordered list of the bindings that share one place of a routing structure.
 * Every entry knows its index in the list, so that it leaves in constant time however long the list is.
 */

/** What stands in a leaf. */
export interface LeafEntry {
  /** Owned by the leaf: the index of the entry in it. */
  leafIndex: number
}

/** Adds `entry` to the end of `leaf`. */
export function addToLeaf<E extends LeafEntry>(leaf: E[], entry: E): void {
  entry.leafIndex = leaf.length
  leaf.push(entry)
}

/** Takes `entry` out of `leaf`; the last entry takes its place. */
export function removeFromLeaf<E extends LeafEntry>(leaf: E[], entry: E): void {
  const last = leaf.pop() as E
  if (last === entry) return
  leaf[entry.leafIndex] = last
  last.leafIndex = entry.leafIndex
}
