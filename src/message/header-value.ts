/**
 * The protocol-neutral value of a message header. Every protocol's header types map to these and back.
 */

/** A decimal number: `unscaled` divided by ten to the power of `scale`. */
export interface Decimal {
  readonly scale: number
  readonly unscaled: number
}

/**
 * Integers are numbers where exact and bigints beyond 2^53; a Date has whole seconds in AMQP 0-9-1; bytes are a Uint8Array.
 * A table is a Map, so that no key (`__proto__`) can do harm.
 */
export type HeaderValue =
  null | boolean | number | bigint | string | Uint8Array | Date | Decimal | readonly HeaderValue[] | ReadonlyMap<string, HeaderValue>
