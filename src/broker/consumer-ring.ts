/**
 * Whose turn it is: consumers of a queue by priority, served in turn within a priority. Only consumers with credit stand in line;
 * one that is found without leaves it, and comes back when it has credit again. So a queue with thousands of busy consumers
 * does not ask each of them at every message.
 */
import type { Consumer } from './consumer.ts'

/** Above this many in line, the order within the line is given up for a removal in constant time. */
const ORDERED_REMOVAL_MAX = 64

interface Line {
  readonly priority: number
  readonly members: Consumer[]
  at: number
}

/** The consumers of one queue. */
export class ConsumerRing {
  /** All consumers, in the order they came. */
  readonly all: Consumer[] = []
  /** Highest priority first. */
  readonly #lines: Line[] = []

  get size(): number {
    return this.all.length
  }

  /** How many priorities are told apart now, for tests. */
  get lineCount(): number {
    return this.#lines.length
  }

  /** Without a place in line (`inLine` false) the consumer is counted, and never named by `next`. */
  /** The oldest of those with the highest priority. */
  get highest(): Consumer | undefined {
    let highest: Consumer | undefined
    for (const consumer of this.all) if (highest === undefined || consumer.priority > highest.priority) highest = consumer
    return highest
  }

  add(consumer: Consumer, inLine = true): void {
    this.all.push(consumer)
    if (inLine) this.enlist(consumer)
  }

  remove(consumer: Consumer): void {
    const at = this.all.indexOf(consumer)
    if (at >= 0) this.all.splice(at, 1)
    consumer.inLine = false
    const lineAt = this.#lines.findIndex((line) => line.priority === consumer.priority)
    const line = this.#lines[lineAt]
    if (line === undefined) return
    const place = line.members.indexOf(consumer)
    if (place >= 0) line.members.splice(place, 1)
    if (place >= 0 && line.at > place) line.at--
    // A line is made again when somebody of its priority comes: what clients make up must not pile up.
    if (line.members.length === 0) this.#lines.splice(lineAt, 1)
  }

  /** The consumer has credit again: it stands in line. */
  enlist(consumer: Consumer): void {
    if (consumer.inLine) return
    consumer.inLine = true
    this.#lineOf(consumer.priority).members.push(consumer)
  }

  /** The consumer that gets the next message, or undefined when none has credit. */
  next(): Consumer | undefined {
    const lines = this.#lines
    for (let i = 0; i < lines.length; i++) {
      const line = lines[i] as Line
      const members = line.members
      while (members.length > 0) {
        if (line.at >= members.length) line.at = 0
        const consumer = members[line.at] as Consumer
        if (consumer.canReceive) {
          line.at++
          return consumer
        }
        consumer.inLine = false
        if (members.length <= ORDERED_REMOVAL_MAX) {
          members.splice(line.at, 1)
        } else {
          members[line.at] = members[members.length - 1] as Consumer
          members.pop()
        }
      }
    }
    return undefined
  }

  #lineOf(priority: number): Line {
    const lines = this.#lines
    let at = 0
    while (at < lines.length && (lines[at] as Line).priority > priority) at++
    let line = lines[at]
    if (line === undefined || line.priority !== priority) {
      line = { priority, members: [], at: 0 }
      lines.splice(at, 0, line)
    }
    return line
  }
}
