import { randomUUID } from 'node:crypto'
import { ConfirmWindow } from './confirm-window.ts'
import { LoadConnection } from './connection.ts'
import type { TrafficListener } from './connection.ts'
import { bodyOf, encodePublish } from './frame-writer.ts'
import { measureInterval, waitUntil } from './interval.ts'
import type { Assignment, Figures, ThroughputJob, Traffic } from './job.ts'
import { BatchPublisher } from './publisher.ts'
import { Receiver } from './receiver.ts'

const SETTLE_TIMEOUT_MS = 120_000

/** The publishing side: keeps the window full until it is told to stop. */
export class WindowedSender implements TrafficListener {
  readonly window: ConfirmWindow
  stopped = false
  readonly #publisher: BatchPublisher
  readonly #messageCount: number

  /** Sends `messageCount` messages in all; without it, until it is stopped. */
  constructor(connection: LoadConnection, traffic: Traffic, messages: readonly Uint8Array[], messageCount = Number.POSITIVE_INFINITY) {
    this.#messageCount = messageCount
    this.window = new ConfirmWindow(traffic.window)
    this.#publisher = new BatchPublisher(connection, messages)
    connection.listener = this
  }

  onDelivery(): void {
    throw new Error('a delivery came on the publishing connection')
  }

  onConfirm(deliveryTag: number, multiple: boolean): void {
    this.window.settle(deliveryTag, multiple)
  }

  onChunkEnd(): void {
    this.fill()
  }

  /** Sends as many messages as the window has room for. */
  fill(): void {
    if (this.stopped) return
    const count = Math.min(this.window.free, this.#messageCount - this.window.published)
    if (count <= 0) return
    this.window.published += count
    this.#publisher.publish(count)
  }
}

/** Bytes that all connections have received so far. */
export const receivedBytesOf = (connections: readonly LoadConnection[]): number =>
  connections.reduce((sum, connection) => sum + connection.receivedBytes, 0)

/** Makes the first failure of a connection end the job. */
export const failOn = (connections: readonly LoadConnection[]): Promise<never> =>
  new Promise((_resolve, reject) => {
    for (const connection of connections) connection.onFailure(reject)
  })

interface Names {
  readonly exchange: string
  readonly routingKey: string
  readonly queues: readonly string[]
}

const namesOf = (job: ThroughputJob): Names => {
  if (job.existingQueue !== undefined) return { exchange: '', routingKey: job.existingQueue, queues: [job.existingQueue] }
  const name = `bench-${randomUUID().slice(0, 8)}`
  const queues = Array.from({ length: job.queueCount }, (_, index) => `${name}-${index}`)
  return job.queueCount === 1 ? { exchange: '', routingKey: `${name}-0`, queues } : { exchange: name, routingKey: '', queues }
}

const declare = async (control: LoadConnection, job: ThroughputJob, names: Names): Promise<void> => {
  await control.openChannel(1)
  if (job.existingQueue !== undefined) return
  if (names.exchange !== '') await control.declareExchange(1, names.exchange, 'fanout')
  for (const queue of names.queues) {
    await control.declareQueue(1, queue, job.queueArguments)
    if (names.exchange !== '') control.bindQueueNoWait(1, queue, names.exchange, '')
  }
}

const remove = async (control: LoadConnection, job: ThroughputJob, names: Names): Promise<void> => {
  if (job.existingQueue !== undefined) return
  for (const queue of names.queues) await control.deleteQueue(1, queue)
  if (names.exchange !== '') await control.deleteExchange(1, names.exchange)
}

/** Opens a connection that consumes one queue; `listen` is called before the first delivery can come. */
export const openConsumer = async (
  assignment: Assignment,
  traffic: Traffic,
  queue: string,
  listen: (connection: LoadConnection) => void,
): Promise<LoadConnection> => {
  const connection = await LoadConnection.open(assignment.target)
  await connection.openChannel(1)
  if (!traffic.automaticAck) await connection.setPrefetch(1, traffic.prefetchCount)
  listen(connection)
  await connection.consume(1, queue, traffic.automaticAck)
  return connection
}

/** One producer, one consumer per queue, the window always full. @throws when a message is lost, doubled or changed. */
export const runThroughput = async (assignment: Assignment, job: ThroughputJob): Promise<Figures> => {
  const { traffic } = job
  const names = namesOf(job)
  const control = await LoadConnection.open(assignment.target)
  await declare(control, job, names)
  const producer = await LoadConnection.open(assignment.target)
  await producer.openChannel(1)
  if (traffic.confirms) await producer.selectConfirms(1)
  const body = bodyOf(traffic.bodyBytes)
  const { bytes } = encodePublish({ channel: 1, exchange: names.exchange, routingKey: names.routingKey, durable: traffic.durable, body })
  const sender = new WindowedSender(producer, traffic, [bytes])
  // Without confirms the window is closed by what is delivered, so that no broker is asked to hoard.
  const onChunk = (): void => {
    if (traffic.confirms) return
    const { window } = sender
    if (receivers[0] !== undefined && receivers[0].deliveredCount > window.confirmed) window.settle(receivers[0].deliveredCount, true)
    sender.fill()
  }
  const receivers: Receiver[] = []
  const connections = [producer, control]
  for (const queue of names.queues) {
    const listen = (connection: LoadConnection): number => receivers.push(new Receiver(connection, traffic, body, onChunk))
    connections.push(await openConsumer(assignment, traffic, queue, listen))
  }
  const delivered = (): number => receivers.reduce((sum, receiver) => sum + receiver.deliveredCount, 0)
  const run = async (): Promise<Figures> => {
    sender.fill()
    const figures = await measureInterval(job.warmUpMs, job.measureMs, assignment.brokerPid, () => ({
      published: sender.window.published,
      confirmed: sender.window.confirmed,
      delivered: delivered(),
      receivedBytes: receivedBytesOf(connections),
    }))
    sender.stopped = true
    const { window } = sender
    await waitUntil(
      () =>
        window.confirmed === window.published && (job.existingQueue !== undefined || delivered() >= window.published * names.queues.length),
      SETTLE_TIMEOUT_MS,
      () => `${window.published} published, ${window.confirmed} confirmed, ${delivered()} delivered`,
    )
    for (const receiver of receivers) receiver.finish()
    if (job.existingQueue === undefined && delivered() !== window.published * names.queues.length) throw new Error('messages came twice')
    figures['messagesPerSecond'] = Math.min(figures['confirmedPerSecond'] ?? 0, (figures['deliveredPerSecond'] ?? 0) / names.queues.length)
    return figures
  }
  const figures = await Promise.race([run(), failOn(connections)])
  await remove(control, job, names)
  await Promise.all(connections.map((connection) => connection.close()))
  return figures
}
