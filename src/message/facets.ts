/**
 * What the broker needs to know about a message before it stores and routes it, whatever protocol the properties are encoded in.
 * A codec's `scan` fills one reused instance per connection: nothing is allocated per message.
 */

/** A facet that the message does not have. */
export const ABSENT = -1
/** A facet that is there but makes no sense (an expiration that is not a number). */
export const INVALID = -2

/** Bits of {@link MessageFacets.headerFlags}: headers that change what the broker does. */
export const HEADER_FLAG = { cc: 1, bcc: 2, delay: 4 } as const

/**
 * The facets of one message. Offsets are absolute in the bytes that were scanned; a length of {@link ABSENT} means that the
 * property is not there, and its offset is then meaningless.
 */
export class MessageFacets {
  /** The message asks to survive a restart. */
  persistent = false
  /** 0 to 255, or ABSENT. */
  priority: number = ABSENT
  /** Time to live in milliseconds, ABSENT, or INVALID. */
  expirationMs: number = ABSENT
  expirationOffset = 0
  expirationLength: number = ABSENT
  /** Seconds since 1970 as the sender said, or ABSENT; rounded to a double beyond 2^53. */
  timestampSeconds: number = ABSENT
  messageIdOffset = 0
  messageIdLength: number = ABSENT
  correlationIdOffset = 0
  correlationIdLength: number = ABSENT
  replyToOffset = 0
  replyToLength: number = ABSENT
  userIdOffset = 0
  userIdLength: number = ABSENT
  /** The encoded headers: in AMQP 0-9-1 the entries of the table, without its size. */
  headersOffset = 0
  headersLength: number = ABSENT
  /** Which of the headers in {@link HEADER_FLAG} are there. */
  headerFlags = 0
  /** Where the value of the header CC starts (its type tag), or ABSENT. */
  ccOffset: number = ABSENT
  /** Where the value of the header BCC starts (its type tag), or ABSENT. */
  bccOffset: number = ABSENT
  /** Delay before routing in milliseconds (header x-delay), ABSENT (also for a negative one: the delay is over), or INVALID. */
  delayMs: number = ABSENT

  /** Sets everything to absent. */
  clear(): void {
    this.persistent = false
    this.priority = ABSENT
    this.expirationMs = ABSENT
    this.expirationLength = ABSENT
    this.timestampSeconds = ABSENT
    this.messageIdLength = ABSENT
    this.correlationIdLength = ABSENT
    this.replyToLength = ABSENT
    this.userIdLength = ABSENT
    this.headersLength = ABSENT
    this.headerFlags = 0
    this.ccOffset = ABSENT
    this.bccOffset = ABSENT
    this.delayMs = ABSENT
  }
}
