/**
 * What fuzz targets share: a seed that is printed, a bound on the work, and changes to valid bytes that keep most of their shape,
 * so that the code behind the first check is reached too.
 *
 *   WAYBILL_FUZZ_SEED=123        the seed of a failure, to run it again
 *   WAYBILL_FUZZ_ITERATIONS=1e6  a longer hunt
 */
import { randomInt } from 'node:crypto'
import { SeededRandom } from '../../src/base/random.ts'

/** A seed for this run, and how often to try. */
export interface FuzzPlan {
  readonly seed: number
  readonly iterations: number
}

/** The plan of this run: from the environment, else a fresh seed and `iterations`. */
export function fuzzPlan(iterations: number): FuzzPlan {
  const seed = process.env['WAYBILL_FUZZ_SEED']
  const wanted = process.env['WAYBILL_FUZZ_ITERATIONS']
  return { seed: seed === undefined ? randomInt(2 ** 31) : Number(seed), iterations: wanted === undefined ? iterations : Number(wanted) }
}

/**
 * Runs `attempt` once per iteration, each with its own generator, so that one iteration can be run again by itself.
 * @throws Error that names the seed to run the failing iteration again alone
 */
export function fuzz(plan: FuzzPlan, attempt: (random: SeededRandom) => void): void {
  for (let i = 0; i < plan.iterations; i++) {
    const seed = (plan.seed + i) % 2 ** 31
    try {
      attempt(new SeededRandom(seed))
    } catch (error) {
      throw new Error(`iteration ${i} of seed ${plan.seed} failed; run it alone with WAYBILL_FUZZ_SEED=${seed} WAYBILL_FUZZ_ITERATIONS=1`, {
        cause: error,
      })
    }
  }
}

/** Integers that break length arithmetic. */
const ODD_LENGTHS = [0, 1, 7, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff]

/** One of `choices`. */
export function pick<T>(random: SeededRandom, choices: readonly T[]): T {
  return choices[random.below(choices.length)] as T
}

/** Bytes of random length up to `sizeBytesMax`, half of the time from a small alphabet that parsers react to. */
export function randomBytes(random: SeededRandom, sizeBytesMax: number): Buffer {
  const bytes = Buffer.from(random.bytes(random.below(sizeBytesMax + 1)))
  if (random.below(2) === 0) return bytes
  const alphabet = Buffer.from('\x00\x00\x00\x01\x02\x03\x08\x0a\x14\x28\x32\x3c\x55\x5a\xceAMQPSFAItlTxVdD', 'latin1')
  for (let i = 0; i < bytes.length; i++) bytes[i] = alphabet[(bytes[i] as number) % alphabet.length] as number
  return bytes
}

/** A changed copy of `bytes`: flips, odd lengths, cuts, repeats, insertions; sometimes several of them. */
export function mutate(random: SeededRandom, bytes: Buffer): Buffer {
  let result: Buffer = Buffer.from(bytes)
  for (let changes = 1 + random.below(3); changes > 0; changes--) result = mutateOnce(random, result)
  return result
}

function mutateOnce(random: SeededRandom, bytes: Buffer): Buffer {
  if (bytes.length === 0) return randomBytes(random, 16)
  const at = random.below(bytes.length)
  const to = Math.min(bytes.length, at + 1 + random.below(16))
  switch (random.below(6)) {
    case 0:
      bytes[at] = random.below(256)
      return bytes
    case 1:
      bytes[at] = (bytes[at] as number) ^ (1 << random.below(8))
      return bytes
    case 2: {
      const length = pick(random, ODD_LENGTHS)
      if (at + 4 <= bytes.length) bytes.writeUInt32BE(length, at)
      else bytes[at] = length & 0xff
      return bytes
    }
    case 3:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(to)])
    case 4:
      return Buffer.concat([bytes.subarray(0, to), bytes.subarray(at, to), bytes.subarray(to)])
    default:
      return Buffer.concat([bytes.subarray(0, at), randomBytes(random, 12), bytes.subarray(at)])
  }
}
