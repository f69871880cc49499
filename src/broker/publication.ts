/**
 * A message on its way in. A protocol session owns one instance and fills it again for each message: nothing is allocated per message.
 * All bytes are borrowed until `publish` returns; the broker copies them once, into the log.
 */
import type { Route } from './route.ts'

/** What became of a publication. Positive results are journal positions that `watermark` must reach before the confirm. */
export const PUBLISHED = {
  /** Taken; nothing to wait for. */
  done: 0,
  /** No queue took it, and no alternate exchange. */
  unroutable: -1,
  /** A queue refused it: over its limit, or the message breaks a rule. */
  refused: -2,
} as const

const EMPTY = Buffer.alloc(0)

/** The message being published. */
export class Publication {
  /** Where it goes; found by `Namespace.routeTo`, and kept by the session while the same address repeats. */
  route: Route | undefined = undefined
  exchange = ''
  routingKey = ''
  /** More routing keys (CC and BCC), or undefined. */
  moreKeys: string[] | undefined = undefined

  /** Encoding tag of the properties (src/message/properties.ts). */
  form = 0
  /** Exchange name and routing key, each as one length byte and UTF-8 bytes, one after the other. */
  address: Buffer = EMPTY
  addressStart = 0
  addressEnd = 0
  properties: Buffer = EMPTY
  propertiesStart = 0
  propertiesEnd = 0
  body: Buffer = EMPTY
  bodyStart = 0
  bodyEnd = 0

  persistent = false
  priority = 0
  /** Time to live in milliseconds, or -1. */
  expirationMs = -1
  /** Milliseconds to wait before it is routed, or 0. */
  delayMs = 0
  /** The publisher wants it back when no queue takes it. */
  mandatory = false

  get bodySizeBytes(): number {
    return this.bodyEnd - this.bodyStart
  }
}
