/**
 * Direct reply-to: answers go straight from the publisher to the channel that asked, through no queue. A requester consumes from the pseudo-queue
 * `amq.rabbitmq.reply-to` and names it as `reply-to`; each message it sends carries an address of that channel instead, and a
 * message to this address through the default exchange is delivered at once, or never.
 */
import { encodeBase64Url } from './generated-name.ts'
import type { Random } from '../../base/random.ts'
import type { Publication } from '../../broker/publication.ts'

/** The pseudo-queue. */
export const REPLY_QUEUE = 'amq.rabbitmq.reply-to'
/** What every address begins with. */
export const REPLY_ADDRESS_PREFIX = `${REPLY_QUEUE}.`

/** Takes direct replies. */
export interface ReplyReceiver {
  /** The bytes are borrowed until return. */
  receiveReply(publication: Publication): void
}

/** The one consumer of direct replies that a channel may have. */
export interface ReplyConsumer {
  readonly tag: string
  readonly address: string
}

/** The addresses that are alive. */
export class ReplyAddresses {
  readonly #receivers = new Map<string, ReplyReceiver>()
  readonly #random: Random

  constructor(random: Random) {
    this.#random = random
  }

  /** @returns a new address of `receiver` */
  add(receiver: ReplyReceiver): string {
    const address = REPLY_ADDRESS_PREFIX + encodeBase64Url(this.#random.bytes(24))
    this.#receivers.set(address, receiver)
    return address
  }

  remove(address: string): void {
    this.#receivers.delete(address)
  }

  find(address: string): ReplyReceiver | undefined {
    return this.#receivers.get(address)
  }

  /** True for the pseudo-queue and for an address that is alive. */
  has(name: string): boolean {
    return name === REPLY_QUEUE || this.#receivers.has(name)
  }
}
