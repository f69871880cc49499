/**
 * In which order the waiting messages of a queue leave. An order holds sequence numbers only; whether a number's message is waiting is the
 * index's word. A number that is not waiting any more (expired, dropped, held back) is skipped when it comes up, so that removal in
 * the middle costs nothing here, and a number that is held twice does no harm.
 *
 * - FirstInOrder: the order of arrival, with returned messages at their old place. No storage per message: a cursor, and a heap of the returned.
 * - PriorityOrder: highest priority first, within a priority the order of arrival.
 * - KeyOrder: per ordering key at most one message is out at a time, so that one key is handled in order while different keys go in parallel.
 */
import { NumberDeque } from '../base/number-deque.ts'
import { TimedHeap } from '../base/timed-heap.ts'
import { ENTRY, type MessageIndex } from './message-index.ts'

/** None waits. */
export const NONE = -1
/** Numbers of messages that are gone are sorted out when there are more of them than of messages, and more than this many. */
const GONE_MAX = 1_024

/** The order of the waiting messages of one queue. */
export interface ReadyOrder {
  /** A new message, with the highest number so far. */
  add(sequence: number): void
  /** A message that was out or held back is waiting again, at its place. */
  giveBack(sequence: number): void
  /** The message that leaves next, or NONE. It stays where it is. */
  peek(): number
  /** Takes the message that `peek` has just named. */
  take(sequence: number): void
  /** A message that was out, or waiting, is gone for good. */
  gone(sequence: number): void
  /** The message whose turn to be dropped it is when the queue is too long: the oldest of the lowest rank, or NONE. */
  peekDrop(): number
  /** How many numbers it holds, for tests: bounded by the messages that are there. */
  readonly heldCount: number
}

/** First in, first out. */
export class FirstInOrder implements ReadyOrder {
  readonly #index: MessageIndex
  /** Everything from here on that is in the index is waiting, unless its state says otherwise. */
  #cursor = 1
  readonly #returned = new TimedHeap()

  constructor(index: MessageIndex) {
    this.#index = index
  }

  add(_sequence: number): void {}

  giveBack(sequence: number): void {
    if (sequence < this.#cursor) this.#returned.push(sequence, sequence)
  }

  peek(): number {
    const index = this.#index
    const returned = this.#returned
    while (returned.size > 0) {
      const sequence = returned.firstNumber
      if (index.isWaiting(sequence)) return sequence
      returned.pop()
    }
    while (this.#cursor < index.nextSequence) {
      if (index.isWaiting(this.#cursor)) return this.#cursor
      this.#cursor = index.firstAtOrAfter(this.#cursor + 1)
    }
    return NONE
  }

  take(sequence: number): void {
    if (this.#returned.size > 0 && this.#returned.firstNumber === sequence) this.#returned.pop()
    else this.#cursor = sequence + 1
  }

  gone(_sequence: number): void {}

  peekDrop(): number {
    return this.peek()
  }

  get heldCount(): number {
    return this.#returned.size
  }
}

interface PriorityLevel {
  readonly arrived: NumberDeque
  readonly returned: TimedHeap
}

/** Highest priority first. */
export class PriorityOrder implements ReadyOrder {
  readonly #index: MessageIndex
  /** By priority; made when first used. */
  readonly #levels: (PriorityLevel | undefined)[] = []

  constructor(index: MessageIndex) {
    this.#index = index
  }

  add(sequence: number): void {
    const { arrived } = this.#level(this.#index.priorityOf(sequence))
    arrived.push(sequence)
    if (arrived.size > this.#index.size * 2 + GONE_MAX) arrived.retain((number) => this.#index.positionOf(number) !== 0)
  }

  giveBack(sequence: number): void {
    this.#level(this.#index.priorityOf(sequence)).returned.push(sequence, sequence)
  }

  peek(): number {
    for (let priority = this.#levels.length - 1; priority >= 0; priority--) {
      const sequence = this.#first(this.#levels[priority])
      if (sequence !== NONE) return sequence
    }
    return NONE
  }

  take(sequence: number): void {
    const level = this.#level(this.#index.priorityOf(sequence))
    if (level.returned.size > 0 && level.returned.firstNumber === sequence) level.returned.pop()
    else level.arrived.shift()
  }

  gone(_sequence: number): void {}

  peekDrop(): number {
    for (const level of this.#levels) {
      const sequence = this.#first(level)
      if (sequence !== NONE) return sequence
    }
    return NONE
  }

  get heldCount(): number {
    return this.#levels.reduce((sum, level) => sum + (level === undefined ? 0 : level.arrived.size + level.returned.size), 0)
  }

  #first(level: PriorityLevel | undefined): number {
    if (level === undefined) return NONE
    const index = this.#index
    while (level.returned.size > 0) {
      if (index.isWaiting(level.returned.firstNumber)) return level.returned.firstNumber
      level.returned.pop()
    }
    while (level.arrived.size > 0) {
      if (index.isWaiting(level.arrived.first)) return level.arrived.first
      level.arrived.shift()
    }
    return NONE
  }

  #level(priority: number): PriorityLevel {
    let level = this.#levels[priority]
    if (level === undefined) {
      while (this.#levels.length <= priority) this.#levels.push(undefined)
      level = { arrived: new NumberDeque(), returned: new TimedHeap() }
      this.#levels[priority] = level
    }
    return level
  }
}

/** The waiting messages of one ordering key. */
interface KeyState {
  readonly key: string
  /** Waiting and out messages of the key in order; the first is the one that may be out. */
  readonly waiting: TimedHeap
  /** The message that is out, or 0. While it is, or waits for its back-off, nothing else of the key leaves. */
  out: number
  /** The message that stands for the key in the line of those that may leave, or 0. */
  offered: number
}

/** One message per key at a time; keys in the order of their oldest waiting messages. */
export class KeyOrder implements ReadyOrder {
  readonly #index: MessageIndex
  readonly #keyOf: (sequence: number) => string
  readonly #states = new Map<string, KeyState>()
  readonly #stateOfSequence = new Map<number, KeyState>()
  /** First waiting number of each key that has none out. */
  readonly #available = new TimedHeap()
  /** No message before this number waits. */
  #dropCursor = 1

  /** `keyOf` gives the ordering key of a message that is being added. */
  constructor(index: MessageIndex, keyOf: (sequence: number) => string) {
    this.#index = index
    this.#keyOf = keyOf
  }

  add(sequence: number): void {
    const key = this.#keyOf(sequence)
    let state = this.#states.get(key)
    if (state === undefined) this.#states.set(key, (state = { key, waiting: new TimedHeap(), out: 0, offered: 0 }))
    this.#stateOfSequence.set(sequence, state)
    // After a restart a message may still be waiting for its back-off: it blocks its key as before.
    if ((this.#index.stateOf(sequence) & ENTRY.held) !== 0) state.out = sequence
    else state.waiting.push(sequence, sequence)
    if (state.waiting.size > this.#index.size * 2 + GONE_MAX) state.waiting.retain((number) => this.#index.positionOf(number) !== 0)
    if (state.out === 0) this.#offer(state)
  }

  giveBack(sequence: number): void {
    const state = this.#stateOfSequence.get(sequence)
    if (state === undefined) return
    state.waiting.push(sequence, sequence)
    if (sequence < this.#dropCursor) this.#dropCursor = sequence
    if (state.out === sequence) state.out = 0
    if (state.out === 0) this.#offer(state)
  }

  peek(): number {
    const available = this.#available
    while (available.size > 0) {
      const sequence = available.firstNumber
      const state = this.#stateOfSequence.get(sequence)
      // An entry is stale when its message is gone, is not the first of its key any more, or the key has one out.
      if (state !== undefined && state.out === 0 && this.#firstWaiting(state) === sequence) return sequence
      available.pop()
      if (state?.offered === sequence) state.offered = 0
    }
    return NONE
  }

  take(sequence: number): void {
    const state = this.#stateOfSequence.get(sequence) as KeyState
    state.waiting.pop()
    this.#available.pop()
    state.offered = 0
    state.out = sequence
  }

  gone(sequence: number): void {
    const state = this.#stateOfSequence.get(sequence)
    if (state === undefined) return
    this.#stateOfSequence.delete(sequence)
    if (state.out === sequence) state.out = 0
    if (state.out !== 0) return
    if (this.#firstWaiting(state) === NONE) this.#states.delete(state.key)
    else this.#offer(state)
  }

  /** The oldest of all, whether its key is free or not. */
  peekDrop(): number {
    const index = this.#index
    while (this.#dropCursor < index.nextSequence) {
      if (index.isWaiting(this.#dropCursor)) return this.#dropCursor
      this.#dropCursor = index.firstAtOrAfter(this.#dropCursor + 1)
    }
    return NONE
  }

  get heldCount(): number {
    let count = this.#available.size + this.#stateOfSequence.size
    for (const state of this.#states.values()) count += state.waiting.size
    return count
  }

  /** The ordering key of a message that is present, for checkpoints. */
  keyOf(sequence: number): string | undefined {
    return this.#stateOfSequence.get(sequence)?.key
  }

  #offer(state: KeyState): void {
    const sequence = this.#firstWaiting(state)
    if (sequence === NONE || sequence === state.offered) return
    state.offered = sequence
    this.#available.push(sequence, sequence)
    if (this.#available.size > this.#states.size * 2 + GONE_MAX) {
      this.#available.retain((number) => this.#stateOfSequence.get(number)?.offered === number)
    }
  }

  #firstWaiting(state: KeyState): number {
    while (state.waiting.size > 0) {
      const sequence = state.waiting.firstNumber
      if (this.#index.isWaiting(sequence)) return sequence
      state.waiting.pop()
    }
    return NONE
  }
}
