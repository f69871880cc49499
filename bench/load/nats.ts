/**
 * The transient work in NATS's protocol, against NATS core: no acknowledgements, nothing stored. Just enough of the protocol:
 *
 *     PUB <subject> <size>\r\n<body>\r\n      SUB <subject> <id>\r\n      MSG <subject> <id> <size>\r\n<body>\r\n      PING\r\n  PONG\r\n
 */
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { ConfirmWindow } from './confirm-window.ts'
import type { Target } from './connection.ts'
import { bodyOf } from './frame-writer.ts'
import { measureInterval, waitUntil } from './interval.ts'
import type { Counters } from './interval.ts'
import type { Assignment, Figures, ThroughputJob } from './job.ts'
import { BatchPublisher } from './publisher.ts'

const READ_BUFFER_BYTES = 512 * 1024
const LINE_FEED = 0x0a
const LETTER_M = 0x4d
const PING = 'PING'
const PONG = Buffer.from('PONG\r\n')
const READY_TIMEOUT_MS = 5000
const SETTLE_TIMEOUT_MS = 60_000

/** One NATS connection that counts messages of one known size. */
class NatsConnection {
  deliveredCount = 0
  isReady = false
  onChunkEnd: () => void = () => undefined
  readonly #socket: Socket
  readonly #bytes = Buffer.alloc(READ_BUFFER_BYTES)
  readonly #bodyBytes: number
  #filled = 0

  constructor(target: Target, bodyBytes: number) {
    this.#bodyBytes = bodyBytes
    this.#socket = connect({
      host: target.host,
      port: target.port,
      noDelay: true,
      onread: {
        buffer: () => (this.#filled === 0 ? this.#bytes : this.#bytes.subarray(this.#filled)),
        callback: (count) => {
          const end = this.#filled + count
          const consumed = this.#scan(end)
          if (consumed > 0 && consumed < end) this.#bytes.copyWithin(0, consumed, end)
          this.#filled = end - consumed
          this.onChunkEnd()
          return true
        },
      },
    })
  }

  get receivedBytes(): number {
    return this.#socket.bytesRead
  }

  write(bytes: Uint8Array): void {
    this.#socket.write(bytes)
  }

  destroy(): void {
    this.#socket.destroy()
  }

  /** Hot: once per message. */
  #scan(end: number): number {
    let position = 0
    while (position < end) {
      const lineEnd = this.#bytes.indexOf(LINE_FEED, position)
      if (lineEnd < 0 || lineEnd >= end) break
      if (this.#bytes[position] === LETTER_M) {
        const next = lineEnd + 1 + this.#bodyBytes + 2
        if (next > end) break
        if (this.#bytes[next - 1] !== LINE_FEED) throw new Error('a message came with another size')
        this.deliveredCount += 1
        position = next
      } else {
        this.#line(this.#bytes.toString('latin1', position, lineEnd))
        position = lineEnd + 1
      }
    }
    return position
  }

  #line(line: string): void {
    if (line.startsWith(PING)) this.write(PONG)
    else if (line.startsWith('PONG')) this.isReady = true
    else if (line.startsWith('-ERR')) throw new Error(`the server said ${line}`)
  }
}

const openReady = async (target: Target, bodyBytes: number, greeting: string): Promise<NatsConnection> => {
  const connection = new NatsConnection(target, bodyBytes)
  connection.write(Buffer.from(`CONNECT {"verbose":false,"pedantic":false}\r\n${greeting}PING\r\n`))
  await waitUntil(
    () => connection.isReady,
    READY_TIMEOUT_MS,
    () => 'the server does not answer',
  )
  return connection
}

/** One publisher and one subscriber; at most the window is on its way, as in the same work over AMQP. */
export const runNats = async (assignment: Assignment, job: ThroughputJob): Promise<Figures> => {
  const { bodyBytes } = job.traffic
  const body = bodyOf(bodyBytes)
  const subscriber = await openReady(assignment.target, bodyBytes, 'SUB bench 1\r\n')
  const publishing = await openReady(assignment.target, bodyBytes, '')
  const publisher = new BatchPublisher(publishing, [Buffer.concat([Buffer.from(`PUB bench ${bodyBytes}\r\n`), body, Buffer.from('\r\n')])])
  const window = new ConfirmWindow(job.traffic.window)
  let isStopped = false
  const fill = (): void => {
    if (subscriber.deliveredCount > window.confirmed) window.settle(subscriber.deliveredCount, true)
    const count = window.free
    if (isStopped || count <= 0) return
    window.published += count
    publisher.publish(count)
  }
  subscriber.onChunkEnd = fill
  fill()
  const read = (): Counters => ({
    published: window.published,
    confirmed: window.confirmed,
    delivered: subscriber.deliveredCount,
    receivedBytes: subscriber.receivedBytes,
  })
  const figures = await measureInterval(job.warmUpMs, job.measureMs, assignment.brokerPid, read)
  isStopped = true
  await waitUntil(
    () => subscriber.deliveredCount === window.published,
    SETTLE_TIMEOUT_MS,
    () => `${window.published} published, ${subscriber.deliveredCount} delivered`,
  )
  publishing.destroy()
  subscriber.destroy()
  return { ...figures, messagesPerSecond: figures['deliveredPerSecond'] ?? Number.NaN }
}
