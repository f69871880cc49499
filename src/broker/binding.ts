/**
 * A binding leads from an exchange to a queue or to another exchange. It is identified by its two ends, its routing key and its
 * arguments: the same four bound twice are one binding.
 */
import type { FieldTable } from '../message/field.ts'
import type { BindingCondition } from './headers-matcher.ts'
import type { LeafEntry } from './leaf.ts'

/** A binding; `X` is the kind of its source, `Q` of a queue. Exactly one of `queue` and `exchange` is set. */
export interface Binding<Q, X> extends LeafEntry {
  readonly source: X
  readonly queue: Q | undefined
  readonly exchange: X | undefined
  readonly routingKey: string
  readonly arguments: FieldTable
  /** Equal arguments have equal digests; compared first. */
  readonly argumentsDigest: number
  /** What a message must satisfy besides its routing key; undefined: nothing. */
  readonly condition: BindingCondition | undefined
  /** Owned by the source: the index in the list of its bindings. */
  sourceIndex: number
  /** Owned by the binding index: the index in the list of the destination. */
  destinationIndex: number
}

/** The bindings of one namespace by their destination, so that a destination is taken away in time proportional to its own bindings. */
export class BindingIndex<Q extends object, X extends object> {
  readonly #byDestination = new Map<Q | X, Binding<Q, X>[]>()
  #count = 0

  /** How many bindings the namespace has. */
  get count(): number {
    return this.#count
  }

  /** The bindings that lead to `destination`; borrowed until the next change. */
  leadingTo(destination: Q | X): readonly Binding<Q, X>[] {
    return this.#byDestination.get(destination) ?? NO_BINDINGS
  }

  add(binding: Binding<Q, X>): void {
    const destination = (binding.queue ?? binding.exchange) as Q | X
    let list = this.#byDestination.get(destination)
    if (list === undefined) {
      list = []
      this.#byDestination.set(destination, list)
    }
    binding.destinationIndex = list.length
    list.push(binding)
    this.#count++
  }

  remove(binding: Binding<Q, X>): void {
    const destination = (binding.queue ?? binding.exchange) as Q | X
    const list = this.#byDestination.get(destination) as Binding<Q, X>[]
    const last = list.pop() as Binding<Q, X>
    if (last !== binding) {
      list[binding.destinationIndex] = last
      last.destinationIndex = binding.destinationIndex
    }
    if (list.length === 0) this.#byDestination.delete(destination)
    this.#count--
  }
}

const NO_BINDINGS: readonly never[] = []
