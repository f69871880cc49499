/**
 * Names that the server makes up for clients: unique, and not to be guessed.
 */
import type { Random } from '../../base/random.ts'

const NAME_SIZE_BYTES = 16

/** A name such as `amq.gen-JzTY20BRgKO-HjmUJj0wLg`. */
export function generatedName(prefix: 'amq.gen' | 'amq.ctag', random: Random): string {
  return `${prefix}-${encodeBase64Url(random.bytes(NAME_SIZE_BYTES))}`
}

/** Base64 that may stand in names and addresses. */
export function encodeBase64Url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64url')
}
