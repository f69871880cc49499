/**
 * The labelled edges of a tree whose nodes and labels are numbers: (node, label) -> child.
 * Open addressing in one typed array, a quarter of a cache line per slot, so that following an edge costs one access to memory
 * whether the tree has ten edges or a million; no object per edge.
 *
 *   slot = node + 1, label, child, unused      (a slot with 0 in the first place is empty)
 */

const SLOT = 4
const CAPACITY_MIN = 8

/** No such edge. */
export const NO_NODE = -1

export class EdgeTable {
  #count = 0
  #mask = CAPACITY_MIN - 1
  #slots = new Int32Array(CAPACITY_MIN * SLOT)

  get count(): number {
    return this.#count
  }

  /** The child of `node` along `label`, or {@link NO_NODE}. */
  child(node: number, label: number): number {
    const slots = this.#slots
    for (let slot = this.#home(node, label); ; slot = (slot + 1) & this.#mask) {
      const at = slot * SLOT
      const owner = slots[at] as number
      if (owner === 0) return NO_NODE
      if (owner === node + 1 && slots[at + 1] === label) return slots[at + 2] as number
    }
  }

  /** Adds an edge; there must be none with the same node and label. */
  add(node: number, label: number, child: number): void {
    if ((this.#count + 1) * 2 > this.#mask + 1) this.#resize((this.#mask + 1) * 2)
    this.#count++
    this.#place(node + 1, label, child)
  }

  /** Removes an edge; it must be there. */
  remove(node: number, label: number): void {
    const slots = this.#slots
    let hole = this.#home(node, label)
    while (slots[hole * SLOT] !== node + 1 || slots[hole * SLOT + 1] !== label) hole = (hole + 1) & this.#mask
    // What stands behind moves up unless it would leave the run of slots that starts at its home.
    for (let slot = (hole + 1) & this.#mask; slots[slot * SLOT] !== 0; slot = (slot + 1) & this.#mask) {
      const home = this.#home((slots[slot * SLOT] as number) - 1, slots[slot * SLOT + 1] as number)
      if (((slot - home) & this.#mask) < ((slot - hole) & this.#mask)) continue
      slots.copyWithin(hole * SLOT, slot * SLOT, slot * SLOT + SLOT)
      hole = slot
    }
    slots.fill(0, hole * SLOT, hole * SLOT + SLOT)
    this.#count--
    if (this.#mask + 1 > CAPACITY_MIN && this.#count * 8 < this.#mask + 1) this.#resize((this.#mask + 1) / 2)
  }

  #home(node: number, label: number): number {
    let mixed = Math.imul(node, 0x9e3779b1) ^ Math.imul(label, 0x85ebca6b)
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x2c1b3c6d)
    return (mixed ^ (mixed >>> 13)) & this.#mask
  }

  #place(owner: number, label: number, child: number): void {
    const slots = this.#slots
    let slot = this.#home(owner - 1, label)
    while (slots[slot * SLOT] !== 0) slot = (slot + 1) & this.#mask
    slots[slot * SLOT] = owner
    slots[slot * SLOT + 1] = label
    slots[slot * SLOT + 2] = child
  }

  #resize(capacity: number): void {
    const old = this.#slots
    this.#slots = new Int32Array(capacity * SLOT)
    this.#mask = capacity - 1
    for (let at = 0; at < old.length; at += SLOT) {
      if (old[at] !== 0) this.#place(old[at] as number, old[at + 1] as number, old[at + 2] as number)
    }
  }
}
