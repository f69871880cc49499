/**
 * What a published message may not be, and what its headers ask for: away from the fast path, for messages that have an expiration, a user id, CC,
 * BCC, x-delay or a direct reply address. The texts are RabbitMQ's.
 */
import { WaybillError } from '../../base/errors.ts'
import type { Identity } from '../../base/identity.ts'
import { LIMITS } from '../../base/limits.ts'
import { decodeText } from '../../base/text.ts'
import { typeName } from '../../broker/field-description.ts'
import type { MessageFacets } from '../../message/facets.ts'
import { decodeField } from '../../message/field-table.ts'

/** May use any user id. */
const IMPERSONATOR = 'impersonator'

/** @throws PRECONDITION_FAILED when the message claims to come from somebody else */
export function checkUserId(bytes: Buffer, facets: MessageFacets, identity: Identity): void {
  const claimed = decodeText(bytes, facets.userIdOffset, facets.userIdOffset + facets.userIdLength)
  if (claimed === identity.user || identity.tags.includes(IMPERSONATOR)) return
  throw new WaybillError('PRECONDITION_FAILED', `user_id property set to '${claimed}' but authenticated user was '${identity.user}'`)
}

/**
 * The time to live that an expiration says, in milliseconds.
 * @throws PRECONDITION_FAILED when it is not a number of milliseconds, at most ten years
 */
export function parseExpiration(bytes: Buffer, facets: MessageFacets): number {
  const text = decodeText(bytes, facets.expirationOffset, facets.expirationOffset + facets.expirationLength)
  const match = /^([+-]?[0-9]+)([^]*)$/.exec(text)
  const value = Number(match?.[1])
  const rest = match?.[2] ?? ''
  const problem =
    match === null
      ? 'no_integer'
      : rest !== ''
        ? `{leftover_string,"${rest}"}`
        : value < 0
          ? `{value_negative,${String(match[1])}}`
          : value > LIMITS.timeToLiveMsMax
            ? `{value_too_large,${String(match[1])}}`
            : undefined
  if (problem !== undefined) throw new WaybillError('PRECONDITION_FAILED', `invalid expiration '${text}': ${problem}`)
  return value
}

/**
 * The routing keys in the header CC or BCC whose value is at `offset`.
 * @throws PRECONDITION_FAILED when it is not an array of texts
 */
export function parseCopyKeys(bytes: Buffer, facets: MessageFacets, name: 'CC' | 'BCC', offset: number): string[] {
  const value = decodeField(bytes, offset, facets.headersOffset + facets.headersLength)
  if (value.tag !== 'A')
    throw new WaybillError('PRECONDITION_FAILED', `invalid message: {unacceptable_type_in_header,"${name}",${typeName(value)}}`)
  const keys: string[] = []
  for (const item of value.value) if (item.tag === 'S') keys.push(item.value)
  return keys
}

/** @throws PRECONDITION_FAILED when the delay is longer than ten years */
export function checkDelay(delayMs: number): void {
  if (delayMs > LIMITS.delayMsMax) throw new WaybillError('PRECONDITION_FAILED', `invalid x-delay: {value_too_large,${delayMs}}`)
}
