/** What takes the bytes; they stay as they are until the socket has taken them. */
export interface ByteSink {
  write(bytes: Uint8Array): void
}

const BATCH_BYTES_MAX = 256 * 1024

/** Sends messages that were encoded beforehand, any number of them with as few writes as there can be. */
export class BatchPublisher {
  readonly #connection: ByteSink
  readonly #batch: Buffer
  /** Where each message of the batch starts, and the end of the last. */
  readonly #offsets: Float64Array
  readonly #count: number
  #cursor = 0

  /** Sends the given messages one after the other, round and round. */
  constructor(connection: ByteSink, messages: readonly Uint8Array[]) {
    this.#connection = connection
    const roundBytes = messages.reduce((sum, message) => sum + message.length, 0)
    const rounds = Math.max(1, Math.floor(BATCH_BYTES_MAX / roundBytes))
    this.#count = rounds * messages.length
    this.#batch = Buffer.allocUnsafe(rounds * roundBytes)
    this.#offsets = new Float64Array(this.#count + 1)
    let offset = 0
    for (let index = 0; index < this.#count; index += 1) {
      const message = messages[index % messages.length]
      if (message === undefined) throw new Error('there is no message to publish')
      this.#offsets[index] = offset
      this.#batch.set(message, offset)
      offset += message.length
    }
    this.#offsets[this.#count] = offset
  }

  /** Sends the next `count` messages. */
  publish(count: number): void {
    let left = count
    while (left > 0) {
      if (this.#cursor === this.#count) this.#cursor = 0
      const taken = Math.min(left, this.#count - this.#cursor)
      const end = this.#cursor + taken
      this.#connection.write(this.#batch.subarray(this.#offsets[this.#cursor], this.#offsets[end]))
      this.#cursor = end
      left -= taken
    }
  }
}
