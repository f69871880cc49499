/**
 * The answers of one channel in their order. An answer to a change of the topology waits until the change is on the disk; those behind it
 * wait for it.
 */

interface WaitingReply {
  readonly frame: Uint8Array
  /** The journal position that must be durable first; 0: none. */
  readonly position: number
}

/** See the head of this file. */
export class ReplyLine {
  #waiting: WaitingReply[] = []
  readonly #send: (frame: Uint8Array) => void

  constructor(send: (frame: Uint8Array) => void) {
    this.#send = send
  }

  /** Answers are waiting: a new one must wait too. */
  get waiting(): boolean {
    return this.#waiting.length > 0
  }

  add(frame: Uint8Array, position: number): void {
    this.#waiting.push({ frame, position })
  }

  /** Sends the answers that need nothing beyond `watermark`. */
  advance(watermark: number): void {
    let sent = 0
    for (const { frame, position } of this.#waiting) {
      if (position > watermark) break
      this.#send(frame)
      sent++
    }
    this.#waiting = this.#waiting.slice(sent)
  }

  /** Nobody will read them. */
  clear(): void {
    this.#waiting = []
  }
}
