/**
 * `waybill publish`: JSON lines, one whole input, or files become messages; each counts once the server has confirmed it. Order is kept, and
 * a bounded number waits for confirmation.
 */
import { randomUUID } from 'node:crypto'
import { fstatSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import type { ConfirmChannel, Message, Options } from 'amqplib'
import { WaybillError } from '../base/errors.ts'
import { LIMITS } from '../base/limits.ts'
import { chooseUrl, connectTo, serverError } from './amqp-client.ts'
import { parseDuration } from './configuration/quantity.ts'
import { EXIT, type ExitCode } from './exit-codes.ts'
import { readLines } from './line-reader.ts'
import { Progress } from './progress.ts'

/** The flags of the command. */
export interface PublishFlags {
  readonly url?: string
  readonly exchange: string
  readonly key: string
  readonly type?: string
  readonly header?: readonly string[]
  readonly persistent: boolean
  readonly mandatory?: boolean
  readonly contentType?: string
  readonly priority?: string
  readonly expires?: string
  readonly correlationId?: string
  readonly replyTo?: string
  readonly raw?: boolean
  readonly file?: readonly string[]
  readonly fromLine: string
  readonly onError: string
  readonly window: string
}

/** Bodies that wait for confirmation hold at most this much memory. */
const WAITING_SIZE_BYTES_MAX = 32 * 1024 * 1024

/** One message to be. */
interface Input {
  /** "line 7", "orders.json", "the input". */
  readonly label: string
  readonly number: number
  /** Undefined: the input is bad, for this reason. */
  readonly body: Buffer | undefined
  readonly problem?: string
  readonly inputSizeBytes: number
}

/** Runs the command. @throws WaybillError */
export async function publish(flags: PublishFlags): Promise<ExitCode> {
  const options = messageOptions(flags)
  const window = wholeNumber(flags.window, '--window', 1)
  const skips = flags.onError === 'skip'
  if (!skips && flags.onError !== 'stop')
    throw new WaybillError('INPUT_INVALID', `--on-error: expected "stop" or "skip", found "${flags.onError}"`)
  const connection = await connectTo(chooseUrl(flags.url, process.env), 'waybill publish')
  const publishing = new Publishing(await connection.createConfirmChannel(), flags, options, window)
  connection.on('error', (error) => publishing.fail(serverError(error)))
  connection.on('close', () => publishing.fail(new WaybillError('SERVER_UNREACHABLE', 'the server closed the connection')))
  connection.on('blocked', (reason) => complain(`the server asks publishers to pause: ${reason}`))
  connection.on('unblocked', () => complain('the server goes on'))
  const interrupt = (): void => publishing.interrupt()
  process.once('SIGINT', interrupt)
  process.once('SIGTERM', interrupt)
  const progress = new Progress(process.stderr, await totalSizeBytes(flags))
  let badCount = 0
  try {
    for await (const input of inputs(flags)) {
      if (publishing.ended) break
      if (input.body === undefined) {
        badCount++
        complain(`${input.label}: ${String(input.problem)}`)
        if (!skips) break
      } else {
        await publishing.send(input.label, input.number, input.body, input.inputSizeBytes)
      }
      progress.update(publishing.confirmedCount, publishing.confirmedSizeBytes)
    }
    await publishing.finish(() => progress.update(publishing.confirmedCount, publishing.confirmedSizeBytes))
  } finally {
    progress.stop()
    publishing.summarize(badCount)
  }
  publishing.end()
  await connection.close().catch(() => {})
  if (publishing.interrupted) return EXIT.interrupted
  if (badCount > 0 && !skips) return EXIT.badInput
  return badCount + publishing.failedCount > 0 ? EXIT.incomplete : EXIT.ok
}

function complain(text: string): void {
  process.stderr.write(`waybill: ${text}\n`)
}

function wholeNumber(text: string, flag: string, min: number): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < min || value > 1_000_000_000) {
    throw new WaybillError('INPUT_INVALID', `${flag}: expected a whole number of at least ${min}, found "${text}"`)
  }
  return value
}

function messageOptions(flags: PublishFlags): Options.Publish {
  const headers: Record<string, string> = {}
  for (const pair of flags.header ?? []) {
    const at = pair.indexOf('=')
    if (at < 1) throw new WaybillError('INPUT_INVALID', `--header: expected name=value, found "${pair}"`)
    headers[pair.slice(0, at)] = pair.slice(at + 1)
  }
  const expiresMs = flags.expires === undefined ? undefined : parseDuration(flags.expires)
  if (flags.expires !== undefined && expiresMs === undefined)
    throw new WaybillError('INPUT_INVALID', `--expires: expected a duration such as "30s", found "${flags.expires}"`)
  return {
    headers,
    persistent: flags.persistent,
    // Always asked for: a message that goes nowhere is told of, and with --mandatory it is an error.
    mandatory: true,
    ...(flags.type === undefined ? {} : { type: flags.type }),
    ...(flags.priority === undefined ? {} : { priority: wholeNumber(flags.priority, '--priority', 0) }),
    ...(expiresMs === undefined ? {} : { expiration: String(expiresMs) }),
    ...(flags.correlationId === undefined ? {} : { correlationId: flags.correlationId }),
    ...(flags.replyTo === undefined ? {} : { replyTo: flags.replyTo }),
    ...contentTypeOf(flags),
  }
}

/** JSON lines are JSON; of other bytes nothing is known unless it is said. */
function contentTypeOf(flags: PublishFlags): { contentType?: string } {
  if (flags.contentType !== undefined) return { contentType: flags.contentType }
  return flags.raw === true || flags.file !== undefined ? {} : { contentType: 'application/json' }
}

/** How much there is to read, when that is known beforehand. */
async function totalSizeBytes(flags: PublishFlags): Promise<number | undefined> {
  try {
    if (flags.file === undefined) return fstatSync(0).isFile() ? fstatSync(0).size : undefined
    const sizes = await Promise.all(flags.file.map(async (file) => (await stat(file)).size))
    return sizes.reduce((sum, size) => sum + size, 0)
  } catch {
    return undefined
  }
}

async function* inputs(flags: PublishFlags): AsyncGenerator<Input> {
  if (flags.file !== undefined) {
    let number = 1
    for (const file of flags.file) yield await fileInput(file, number++)
  } else if (flags.raw === true) {
    const chunks: Buffer[] = []
    for await (const chunk of standardInput()) chunks.push(chunk)
    const body = Buffer.concat(chunks)
    yield { label: 'the input', number: 1, body, inputSizeBytes: body.length }
  } else {
    yield* lineInputs(wholeNumber(flags.fromLine, '--from-line', 1))
  }
}

/** Not read from the descriptor itself: a pipe that is not ready would be an error then. */
async function* standardInput(): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of process.stdin) yield chunk as Buffer
  } catch (error) {
    throw new WaybillError('INPUT_INVALID', `standard input cannot be read: ${(error as Error).message}`, { cause: error })
  }
}

async function fileInput(file: string, number: number): Promise<Input> {
  try {
    const body = await readFile(file)
    return { label: file, number, body, inputSizeBytes: body.length }
  } catch (error) {
    return { label: file, number, body: undefined, problem: `cannot be read: ${(error as Error).message}`, inputSizeBytes: 0 }
  }
}

/** Lines are sent as the bytes they are; they are parsed only to see that they are JSON. Empty lines are passed over. */
async function* lineInputs(fromLine: number): AsyncGenerator<Input> {
  for await (const { number, bytes, tooLong } of readLines(standardInput(), LIMITS.messageSizeBytesMax)) {
    const label = `line ${number}`
    const inputSizeBytes = bytes.length + 1
    if (number < fromLine || (bytes.length === 0 && !tooLong)) continue
    const problem = tooLong ? `longer than ${LIMITS.messageSizeBytesMax} bytes` : jsonProblem(bytes)
    yield problem === undefined
      ? { label, number, body: bytes, inputSizeBytes }
      : { label, number, body: undefined, problem, inputSizeBytes }
  }
}

function jsonProblem(bytes: Buffer): string | undefined {
  try {
    JSON.parse(bytes.toString())
    return undefined
  } catch (error) {
    return `expected one JSON value: ${(error as Error).message}`
  }
}

interface Waiting {
  readonly label: string
  readonly number: number
  readonly inputSizeBytes: number
  readonly bodySizeBytes: number
  returned: boolean
}

/** Sends in order and keeps account of what is confirmed. */
class Publishing {
  readonly #channel: ConfirmChannel
  readonly #flags: PublishFlags
  readonly #options: Options.Publish
  readonly #window: number
  readonly #startMs = performance.now()
  /** By message id, in the order sent. */
  readonly #waiting = new Map<string, Waiting>()
  #waitingSizeBytes = 0
  #wake: (() => void) | undefined
  #failure: WaybillError | undefined
  #ending = false
  interrupted = false
  confirmedCount = 0
  confirmedSizeBytes = 0
  /** Messages that the server refused or returned. */
  failedCount = 0
  /** Confirmed, though no queue is bound for them. */
  #unroutedCount = 0

  constructor(channel: ConfirmChannel, flags: PublishFlags, options: Options.Publish, window: number) {
    this.#channel = channel
    this.#flags = flags
    this.#options = options
    this.#window = window
    channel.on('error', (error) => this.fail(serverError(error)))
    channel.on('return', (message) => this.#returned(message))
    channel.on('drain', () => this.#wake?.())
  }

  /** Nothing more is to be sent. */
  get ended(): boolean {
    return this.interrupted || this.#failure !== undefined
  }

  /** Sends one message; resolves when there is room for the next. */
  async send(label: string, number: number, body: Buffer, inputSizeBytes: number): Promise<void> {
    const messageId = randomUUID()
    this.#waiting.set(messageId, { label, number, inputSizeBytes, bodySizeBytes: body.length, returned: false })
    this.#waitingSizeBytes += body.length
    const options = { ...this.#options, messageId, timestamp: Math.floor(Date.now() / 1000) }
    const mayGoOn = this.#channel.publish(this.#flags.exchange, this.#flags.key, body, options, (error: unknown) =>
      this.#answered(messageId, error),
    )
    if (!mayGoOn) await this.#until(() => true)
    await this.#until(() => this.#waiting.size < this.#window && this.#waitingSizeBytes < WAITING_SIZE_BYTES_MAX, false)
  }

  /** Waits until everything sent is answered. @throws WaybillError when the connection or the channel failed */
  async finish(look: () => void): Promise<void> {
    await this.#until(() => {
      look()
      return this.#waiting.size === 0
    }, false)
    if (this.#failure !== undefined) throw this.#failure
  }

  interrupt(): void {
    this.interrupted = true
    complain('interrupted: waiting for what was sent to be confirmed')
    process.once('SIGINT', () => process.exit(EXIT.interrupted))
    this.#wake?.()
  }

  fail(error: WaybillError): void {
    if (this.#ending) return
    this.#failure ??= error
    this.#wake?.()
  }

  /** From now on the end of the connection is expected. */
  end(): void {
    this.#ending = true
  }

  summarize(badCount: number): void {
    const seconds = (performance.now() - this.#startMs) / 1000
    const counts = [`${this.confirmedCount} confirmed`]
    if (this.#unroutedCount > 0) counts.push(`${this.#unroutedCount} of them taken by no queue (--mandatory makes that an error)`)
    if (this.failedCount > 0) counts.push(`${this.failedCount} not taken by the server`)
    if (badCount > 0) counts.push(`${badCount} bad`)
    if (this.#waiting.size > 0) counts.push(`${this.#waiting.size} sent but not confirmed`)
    complain(`${counts.join(', ')} in ${seconds.toFixed(1)} s (${Math.round(this.confirmedCount / seconds)}/s)`)
    const [first] = this.#waiting.values()
    if (first === undefined) return
    const again = first.label.startsWith('line') ? `; --from-line ${first.number} goes on there` : ''
    complain(`whether the server has ${first.label} and what was sent after it is not known${again}`)
  }

  #answered(messageId: string, error: unknown): void {
    if (error === null || error === undefined) this.#settle(messageId, true)
    // Either a refusal, or the channel is closing and nothing is known of the message: the failure is told right after.
    else setImmediate(() => this.#failure ?? this.#settle(messageId, false))
  }

  #settle(messageId: string, taken: boolean): void {
    const waiting = this.#waiting.get(messageId)
    if (waiting === undefined) return
    this.#waiting.delete(messageId)
    this.#waitingSizeBytes -= waiting.bodySizeBytes
    if (!taken) complain(`${waiting.label}: refused by the server (a queue is full, or could not take it)`)
    if (taken && !waiting.returned) {
      this.confirmedCount++
      this.confirmedSizeBytes += waiting.inputSizeBytes
    } else {
      this.failedCount++
    }
    this.#wake?.()
  }

  #returned(message: Message): void {
    const { replyText } = message.fields as { replyText?: string }
    const waiting = this.#waiting.get(String(message.properties.messageId))
    if (this.#flags.mandatory !== true) {
      this.#unroutedCount++
      return
    }
    if (waiting !== undefined) waiting.returned = true
    complain(
      `${waiting?.label ?? 'a message'}: returned by the server: ${String(replyText)} (no queue is bound for key "${this.#flags.key}")`,
    )
  }

  /** Waits until something holds, or the end. With `first`, at least one event is waited for. */
  async #until(holds: () => boolean, first = true): Promise<void> {
    let waitOnce = first
    while ((waitOnce || !holds()) && this.#failure === undefined) {
      waitOnce = false
      await new Promise<void>((resolve) => (this.#wake = resolve))
      this.#wake = undefined
    }
  }
}
