/**
 * Randomness as a parameter: names of server-named queues, salts, jitter. The simulator seeds it.
 */
import { randomBytes } from 'node:crypto'

/** A source of random bytes and numbers. */
export interface Random {
  /** `count` random bytes, owned by the caller. */
  bytes(count: number): Uint8Array
  /** A number in [0, 1). */
  fraction(): number
}

/** Cryptographically strong randomness of the machine. */
export class SystemRandom implements Random {
  bytes(count: number): Uint8Array {
    return randomBytes(count)
  }

  fraction(): number {
    return Math.random()
  }
}

/** A repeatable sequence from a seed (xorshift128, seeded by splitmix32): for simulation and tests only. */
export class SeededRandom implements Random {
  #a: number
  #b: number
  #c: number
  #d: number

  constructor(seed: number) {
    let state = seed | 0
    const next = (): number => {
      state = (state + 0x9e3779b9) | 0
      let t = state ^ (state >>> 16)
      t = Math.imul(t, 0x21f0aaad)
      t ^= t >>> 15
      t = Math.imul(t, 0x735a2d97)
      return t ^ (t >>> 15)
    }
    this.#a = next()
    this.#b = next()
    this.#c = next()
    this.#d = next() | 1
  }

  /** A 32-bit unsigned integer. */
  uint32(): number {
    let t = this.#d
    const s = this.#a
    this.#d = this.#c
    this.#c = this.#b
    this.#b = s
    t ^= t << 11
    t ^= t >>> 8
    this.#a = t ^ s ^ (s >>> 19)
    return this.#a >>> 0
  }

  fraction(): number {
    return this.uint32() / 2 ** 32
  }

  /** An integer in [0, bound). */
  below(bound: number): number {
    return Math.floor(this.fraction() * bound)
  }

  bytes(count: number): Uint8Array {
    const out = new Uint8Array(count)
    for (let i = 0; i < count; i++) out[i] = this.uint32() & 0xff
    return out
  }
}
