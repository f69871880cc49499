/**
 * `waybill consume`: writes messages of a queue to standard output or into a folder. A message is acknowledged once it is written; what is not
 * acknowledged when the command ends goes back to the queue.
 */
import type { Channel, ConsumeMessage } from 'amqplib'
import { WaybillError } from '../base/errors.ts'
import { chooseUrl, connectTo, serverError } from './amqp-client.ts'
import { parseDuration } from './configuration/quantity.ts'
import { EXIT, type ExitCode } from './exit-codes.ts'
import { MessageFolder } from './message-folder.ts'
import { formatMessage, MESSAGE_FORMATS, type MessageFormat } from './message-format.ts'

/** The flags of the command. */
export interface ConsumeFlags {
  readonly url?: string
  readonly queue: string
  readonly count?: string
  readonly ack: boolean
  readonly format: string
  readonly output?: string
  readonly declare?: boolean
  readonly idle?: string
  readonly prefetch: string
}

/** The largest prefetch count that AMQP 0-9-1 can say. */
const PREFETCH_MAX = 65_535

/** Runs the command. @throws WaybillError */
export async function consume(flags: ConsumeFlags): Promise<ExitCode> {
  const format = MESSAGE_FORMATS.find((one) => one === flags.format)
  if (format === undefined)
    throw new WaybillError('INPUT_INVALID', `--format: expected one of ${MESSAGE_FORMATS.join(', ')}, found "${flags.format}"`)
  const countMax = flags.count === undefined ? Infinity : wholeNumber(flags.count, '--count')
  const prefetch = Math.min(wholeNumber(flags.prefetch, '--prefetch'), countMax, PREFETCH_MAX)
  const idleMs = flags.idle === undefined ? undefined : parseDuration(flags.idle)
  if (flags.idle !== undefined && idleMs === undefined)
    throw new WaybillError('INPUT_INVALID', `--idle: expected a duration such as "5s", found "${flags.idle}"`)
  const folder = flags.output === undefined ? undefined : await MessageFolder.open(flags.output)
  const write =
    folder === undefined ? (message: ConsumeMessage) => print(message, format) : (message: ConsumeMessage) => folder.add(message)

  const connection = await connectTo(chooseUrl(flags.url, process.env), 'waybill consume')
  const channel = await connection.createChannel()
  const consuming = new Consuming({ channel, countMax, acknowledges: flags.ack, idleMs, write })
  connection.on('error', (error) => consuming.fail(serverError(error)))
  connection.on('close', () => consuming.fail(new WaybillError('SERVER_UNREACHABLE', 'the server closed the connection')))
  channel.on('error', (error) => consuming.fail(serverError(error)))
  process.stdout.on('error', () => consuming.stop())
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      process.once(signal, () => process.exit(EXIT.interrupted))
      consuming.stop()
    })
  }
  try {
    if (flags.declare === true) await channel.assertQueue(flags.queue, { durable: true })
    // Nothing that is only looked at makes room for more: then this is how much is seen at most.
    await channel.prefetch(flags.ack ? prefetch : Math.min(countMax, PREFETCH_MAX))
    await consuming.run(flags.queue)
  } catch (error) {
    throw error instanceof WaybillError ? error : (consuming.failure ?? serverError(error as Error))
  } finally {
    consuming.summarize()
  }
  // Closing gives what is not acknowledged back to the queue.
  await channel.close().catch(() => {})
  await connection.close().catch(() => {})
  return EXIT.ok
}

function wholeNumber(text: string, flag: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1)
    throw new WaybillError('INPUT_INVALID', `${flag}: expected a whole number of at least 1, found "${text}"`)
  return value
}

/** Resolves when the operating system has taken the text. */
function print(message: ConsumeMessage, format: MessageFormat): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(formatMessage(message, format), (error) => {
      if (error === null || error === undefined) resolve()
      else reject(new WaybillError('OUTPUT_FAILED', `standard output cannot be written: ${error.message}`, { cause: error }))
    })
  })
}

interface ConsumingOptions {
  readonly channel: Channel
  readonly countMax: number
  readonly acknowledges: boolean
  readonly idleMs: number | undefined
  readonly write: (message: ConsumeMessage) => Promise<void>
}

/** Receives, writes one after the other, acknowledges. */
class Consuming {
  readonly #options: ConsumingOptions
  readonly #startMs = performance.now()
  readonly #arrived: ConsumeMessage[] = []
  #writing = false
  #stopped = false
  #idleTimer: NodeJS.Timeout | undefined
  #done: () => void = () => {}
  failure: WaybillError | undefined
  count = 0

  constructor(options: ConsumingOptions) {
    this.#options = options
  }

  /** Resolves when enough was written, or `stop` was called and what was being written is done. @throws WaybillError */
  async run(queue: string): Promise<void> {
    const { channel } = this.#options
    const done = new Promise<void>((resolve) => (this.#done = resolve))
    await channel.consume(queue, (message) => this.#receive(message), { noAck: false, consumerTag: `waybill-consume-${process.pid}` })
    this.#restartIdle()
    if (!this.#stopped) await done
    clearTimeout(this.#idleTimer)
    if (this.failure !== undefined) throw this.failure
  }

  stop(): void {
    this.#stopped = true
    if (!this.#writing) this.#done()
  }

  fail(error: WaybillError): void {
    if (this.#stopped) return
    this.failure ??= error
    this.stop()
  }

  summarize(): void {
    const seconds = (performance.now() - this.#startMs) / 1000
    const verb = this.#options.acknowledges ? 'taken' : 'looked at, and left in the queue'
    process.stderr.write(`waybill: ${this.count} ${this.count === 1 ? 'message' : 'messages'} ${verb} in ${seconds.toFixed(1)} s\n`)
  }

  #receive(message: ConsumeMessage | null): void {
    if (message === null) {
      this.fail(new WaybillError('NOT_FOUND', 'the queue was deleted'))
      return
    }
    this.#restartIdle()
    this.#arrived.push(message)
    if (!this.#writing) void this.#writeArrived()
  }

  async #writeArrived(): Promise<void> {
    this.#writing = true
    try {
      for (let message = this.#arrived.shift(); message !== undefined && !this.#stopped; message = this.#arrived.shift()) {
        await this.#options.write(message)
        if (this.#options.acknowledges && this.failure === undefined) this.#options.channel.ack(message)
        this.count++
        if (this.count >= this.#options.countMax) this.#stopped = true
      }
    } catch (error) {
      // Whoever read our output has seen enough (`| head`): that is an end, not a failure. What was not written stays in the queue.
      const { code } = ((error as WaybillError).cause ?? {}) as { code?: string }
      if (code !== 'EPIPE') this.failure ??= error as WaybillError
      this.#stopped = true
    }
    this.#writing = false
    if (this.#stopped) this.#done()
  }

  #restartIdle(): void {
    const { idleMs } = this.#options
    if (idleMs === undefined) return
    clearTimeout(this.#idleTimer)
    this.#idleTimer = setTimeout(() => this.stop(), idleMs)
  }
}
