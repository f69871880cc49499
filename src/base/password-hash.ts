/**
 * Password hashes: scrypt, in the PHC string form
 *
 *     $scrypt$ln=14,r=8,p=1$<salt>$<hash>          (base64 without padding)
 *
 * The costs are part of the text, so that they can rise without invalidating what is stored.
 */
import { scrypt, timingSafeEqual } from 'node:crypto'
import type { Random } from './random.ts'

/** A parsed hash. */
export interface PasswordHash {
  /** Binary logarithm of the cost. */
  readonly logCost: number
  readonly blockSize: number
  readonly parallelization: number
  readonly salt: Buffer
  readonly hash: Buffer
}

/** About 40 ms and 16 MiB per check. */
const LOG_COST_DEFAULT = 14
const BLOCK_SIZE_DEFAULT = 8
const SALT_SIZE_BYTES = 16
const HASH_SIZE_BYTES = 32
/** A hash that would need more memory than this to check is not accepted. */
const MEMORY_SIZE_BYTES_MAX = 256 * 1024 * 1024

/** Reads the text form; undefined when it is not one that this server can check. */
export function parsePasswordHash(text: string): PasswordHash | undefined {
  const match = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/.exec(text)
  if (match === null) return undefined
  const [logCost, blockSize, parallelization] = [Number(match[1]), Number(match[2]), Number(match[3])]
  const salt = Buffer.from(match[4] as string, 'base64')
  const hash = Buffer.from(match[5] as string, 'base64')
  if (logCost < 10 || blockSize < 1 || parallelization < 1 || salt.length < 8 || hash.length < 16) return undefined
  if (128 * 2 ** logCost * blockSize > MEMORY_SIZE_BYTES_MAX) return undefined
  return { logCost, blockSize, parallelization, salt, hash }
}

/** Makes the text form of a new hash of `password`. */
export async function hashPassword(password: string, random: Random): Promise<string> {
  const salt = Buffer.from(random.bytes(SALT_SIZE_BYTES))
  const costs = { logCost: LOG_COST_DEFAULT, blockSize: BLOCK_SIZE_DEFAULT, parallelization: 1 }
  const hash = await derive(password, { ...costs, salt, hash: Buffer.alloc(HASH_SIZE_BYTES) })
  const text = (bytes: Buffer): string => bytes.toString('base64').replace(/=+$/, '')
  return `$scrypt$ln=${costs.logCost},r=${costs.blockSize},p=${costs.parallelization}$${text(salt)}$${text(hash)}`
}

/** Does `password` have this hash? Takes the time that the costs say, on another thread, and the same for yes and no. */
export async function checkPassword(password: string, expected: PasswordHash): Promise<boolean> {
  return timingSafeEqual(await derive(password, expected), expected.hash)
}

function derive(password: string, parameters: PasswordHash): Promise<Buffer> {
  const { logCost, blockSize, parallelization, salt, hash } = parameters
  const options = { N: 2 ** logCost, r: blockSize, p: parallelization, maxmem: MEMORY_SIZE_BYTES_MAX * 2 }
  return new Promise((resolve, reject) => {
    scrypt(password, salt, hash.length, options, (error, key) => (error === null ? resolve(key) : reject(error)))
  })
}
