/**
 * A pattern that names of queues and exchanges are matched with, in time bounded by its states times the name's characters whatever the pattern.
 *
 * The tree of name-pattern-parser.ts becomes a program of states, and all alternatives are walked at once, a character at a time, each
 * state at most once per character; there is no back-tracking. A pattern matches anywhere in the name unless it says `^` and `$`.
 */
import { WaybillError } from '../base/errors.ts'
import { LIMITS } from '../base/limits.ts'
import { parsePattern } from './name-pattern-parser.ts'
import type { CharacterSet, PatternNode } from './name-pattern-parser.ts'

/** A state of the program; `next` follows it, except where it names its own. */
type State =
  | { readonly op: 'set'; readonly set: CharacterSet }
  | { readonly op: 'start' }
  | { readonly op: 'end' }
  | { readonly op: 'lookahead'; readonly negative: boolean; readonly program: readonly State[] }
  /** Goes on at both places. */
  | { readonly op: 'fork'; a: number; b: number }
  | { readonly op: 'jump'; to: number }
  | { readonly op: 'match' }

/** A compiled pattern. */
export class NamePattern {
  readonly text: string
  /** States entered since the pattern was made: the measure of work. */
  steps = 0
  readonly #program: readonly State[]
  readonly #ignoresCase: boolean

  /** @throws PRECONDITION_FAILED when the pattern is not valid, too large, or has something that is not offered */
  constructor(text: string) {
    const { root, ignoresCase } = parsePattern(text)
    this.text = text
    this.#ignoresCase = ignoresCase
    this.#program = new Compiler().compile(root)
  }

  matches(name: string): boolean {
    return this.#run(this.#program, name, false)
  }

  /** `anchored`: only from the beginning of the name. */
  #run(program: readonly State[], name: string, anchored: boolean): boolean {
    const enteredAt = new Int32Array(program.length).fill(-1)
    let reached: number[] = []
    let next: number[] = []
    for (let at = 0; at <= name.length; at++) {
      if ((at === 0 || !anchored) && this.#enter(program, 0, name, at, enteredAt, reached)) return true
      if (at === name.length || (anchored && reached.length === 0)) return false
      const unit = name.charCodeAt(at)
      for (const state of reached) {
        const { set } = program[state] as State & { op: 'set' }
        if (this.#contains(set, unit) && this.#enter(program, state + 1, name, at + 1, enteredAt, next)) return true
      }
      reached.length = 0
      const spare = reached
      reached = next
      next = spare
    }
    return false
  }

  /** Adds to `reached` the sets that wait for the character at `at`, from `state` on; returns whether the pattern has matched. */
  #enter(program: readonly State[], from: number, name: string, at: number, enteredAt: Int32Array, reached: number[]): boolean {
    const stack = [from]
    while (stack.length > 0) {
      const index = stack.pop() as number
      if (enteredAt[index] === at) continue
      enteredAt[index] = at
      this.steps++
      const state = program[index] as State
      switch (state.op) {
        case 'match':
          return true
        case 'set':
          reached.push(index)
          break
        case 'jump':
          stack.push(state.to)
          break
        case 'fork':
          stack.push(state.b, state.a)
          break
        case 'start':
          if (at === 0) stack.push(index + 1)
          break
        case 'end':
          if (at === name.length) stack.push(index + 1)
          break
        case 'lookahead':
          // It stands behind "^", so this is the beginning of the name.
          if (this.#run(state.program, name, true) !== state.negative) stack.push(index + 1)
      }
    }
    return false
  }

  #contains(set: CharacterSet, unit: number): boolean {
    if (!this.#ignoresCase) return contains(set, unit)
    const character = String.fromCharCode(unit)
    const [lower, upper] = [character.toLowerCase().charCodeAt(0), character.toUpperCase().charCodeAt(0)]
    const isIn = inRanges(set, unit) || inRanges(set, lower) || inRanges(set, upper)
    return isIn !== set.negated
  }
}

function contains(set: CharacterSet, unit: number): boolean {
  return inRanges(set, unit) !== set.negated
}

function inRanges({ ranges }: CharacterSet, unit: number): boolean {
  for (let i = 0; i < ranges.length; i += 2) if (unit >= (ranges[i] as number) && unit <= (ranges[i + 1] as number)) return true
  return false
}

/** Turns a tree into a program. */
class Compiler {
  #program: State[] = []
  /** Counts tree nodes too, because a repetition of nothing makes no state. */
  #work = 0

  compile(root: PatternNode): readonly State[] {
    this.#add(root)
    this.#state({ op: 'match' })
    return this.#program
  }

  #add(node: PatternNode): void {
    this.#count()
    switch (node.kind) {
      case 'set':
        return void this.#state({ op: 'set', set: node.set })
      case 'start':
      case 'end':
        return void this.#state({ op: node.kind })
      case 'lookahead':
        return void this.#state({ op: 'lookahead', negative: node.negative, program: this.#apart(node.item) })
      case 'sequence':
        for (const item of node.items) this.#add(item)
        return
      case 'choice':
        return this.#addChoice(node.options)
      case 'repeat':
        return this.#addRepeat(node.item, node.min, node.max)
    }
  }

  /** The program of a lookahead, counted with the whole. */
  #apart(node: PatternNode): readonly State[] {
    const whole = this.#program
    this.#program = []
    const program = this.compile(node)
    this.#program = whole
    return program
  }

  #addChoice(options: readonly PatternNode[]): void {
    const jumps: { op: 'jump'; to: number }[] = []
    options.forEach((option, i) => {
      const isLast = i === options.length - 1
      const fork = { op: 'fork' as const, a: this.#program.length + 1, b: 0 }
      if (!isLast) this.#state(fork)
      this.#add(option)
      if (isLast) return
      const jump = { op: 'jump' as const, to: 0 }
      jumps.push(jump)
      this.#state(jump)
      fork.b = this.#program.length
    })
    for (const jump of jumps) jump.to = this.#program.length
  }

  #addRepeat(item: PatternNode, min: number, max: number): void {
    for (let i = 0; i < min; i++) this.#add(item)
    if (max === Infinity) {
      const fork = { op: 'fork' as const, a: this.#program.length + 1, b: 0 }
      const at = this.#state(fork)
      this.#add(item)
      this.#state({ op: 'jump', to: at })
      fork.b = this.#program.length
      return
    }
    const forks: { op: 'fork'; a: number; b: number }[] = []
    for (let i = min; i < max; i++) {
      const fork = { op: 'fork' as const, a: this.#program.length + 1, b: 0 }
      forks.push(fork)
      this.#state(fork)
      this.#add(item)
    }
    for (const fork of forks) fork.b = this.#program.length
  }

  #state(state: State): number {
    this.#count()
    return this.#program.push(state) - 1
  }

  #count(): void {
    if (++this.#work > LIMITS.policyPatternStatesMax) {
      throw new WaybillError(
        'PRECONDITION_FAILED',
        `the pattern has more than ${LIMITS.policyPatternStatesMax} states when its repetitions are written out`,
      )
    }
  }
}
