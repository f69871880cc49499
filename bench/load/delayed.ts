import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { readProcess } from '../process-meter.ts'
import { ConfirmWindow } from './confirm-window.ts'
import { LoadConnection } from './connection.ts'
import type { TrafficListener } from './connection.ts'
import { bodyOf, encodePublish } from './frame-writer.ts'
import type { EncodedMessage } from './frame-writer.ts'
import { waitUntil } from './interval.ts'
import type { Assignment, DelayedJob, Figures, Traffic } from './job.ts'
import { percentileOf } from './percentile.ts'
import { Receiver } from './receiver.ts'
import { failOn, openConsumer } from './throughput.ts'

const BATCH_COUNT_MAX = 500
const IN_TIME_MS = 50

const nowMs = (): number => performance.timeOrigin + performance.now()

/** Publishes messages that are due at evenly spread times in a shuffled order; each body starts with the time it is due. */
class DelayedSender implements TrafficListener {
  readonly window: ConfirmWindow
  readonly #connection: LoadConnection
  readonly #template: EncodedMessage
  readonly #job: DelayedJob
  readonly #startMs = nowMs()

  constructor(connection: LoadConnection, template: EncodedMessage, job: DelayedJob) {
    this.#connection = connection
    this.#template = template
    this.#job = job
    this.window = new ConfirmWindow(job.traffic.window)
    connection.listener = this
  }

  /** A multiplicative step that shares no factor with the count visits every slot once, far from in order. */
  #dueMs(index: number): number {
    const slot = (index * 611_953) % this.#job.messageCount
    return this.#startMs + this.#job.leadMs + (slot / this.#job.messageCount) * (this.#job.spanMs - this.#job.leadMs)
  }

  fill(): void {
    let count = Math.min(this.window.free, this.#job.messageCount - this.window.published)
    while (count > 0) {
      const batchCount = Math.min(count, BATCH_COUNT_MAX)
      this.#connection.write(this.#batch(batchCount))
      count -= batchCount
    }
  }

  #batch(count: number): Buffer {
    const { bytes, bodyOffset, headersEndOffset } = this.#template
    const batch = Buffer.allocUnsafe(bytes.length * count)
    const now = nowMs()
    for (let index = 0; index < count; index += 1) {
      const offset = index * bytes.length
      const delayMs = Math.max(1, Math.round(this.#dueMs(this.window.published) - now))
      batch.set(bytes, offset)
      batch.writeInt32BE(delayMs, offset + headersEndOffset - 4)
      batch.writeDoubleBE(now + delayMs, offset + bodyOffset)
      this.window.published += 1
    }
    return batch
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
}

/** Notes how late each message came. */
class DueReceiver extends Receiver {
  readonly lateMs: Float64Array

  constructor(connection: LoadConnection, traffic: Traffic, count: number) {
    super(connection, traffic, undefined, () => undefined)
    this.lateMs = new Float64Array(count)
  }

  override onDelivery(channel: number, deliveryTag: number, view: DataView, bodyOffset: number, bodyBytes: number): void {
    this.lateMs[this.deliveredCount] = nowMs() - view.getFloat64(bodyOffset)
    super.onDelivery(channel, deliveryTag, view, bodyOffset, bodyBytes)
  }
}

/** Publishes the delayed messages, reads the broker's memory while all wait, and measures how far from due each came. */
export const runDelayed = async (assignment: Assignment, job: DelayedJob): Promise<Figures> => {
  const name = `bench-${randomUUID().slice(0, 8)}`
  const idleBytes = assignment.brokerPid === undefined ? Number.NaN : (readProcess(assignment.brokerPid)?.residentBytes ?? Number.NaN)
  const producer = await LoadConnection.open(assignment.target)
  await producer.openChannel(1)
  await producer.declareExchange(1, name, 'x-delayed-message', { 'x-delayed-type': 'direct' })
  await producer.declareQueue(1, name)
  producer.bindQueueNoWait(1, name, name, name)
  await producer.selectConfirms(1)
  const receivers: DueReceiver[] = []
  const listen = (connection: LoadConnection): number => receivers.push(new DueReceiver(connection, job.traffic, job.messageCount))
  const consumer = await openConsumer(assignment, job.traffic, name, listen)
  const [receiver] = receivers
  if (receiver === undefined) throw new Error('there is no consumer')
  const body = bodyOf(job.traffic.bodyBytes)
  const template = encodePublish({ channel: 1, exchange: name, routingKey: name, durable: true, headers: { 'x-delay': 0 }, body })
  const startMs = nowMs()
  const sender = new DelayedSender(producer, template, job)
  const describe = (): string => `${sender.window.confirmed} confirmed, ${receiver.deliveredCount} of ${job.messageCount} delivered`
  const run = async (): Promise<Figures> => {
    sender.fill()
    await waitUntil(() => sender.window.confirmed === job.messageCount, 600_000, describe)
    const publishedMs = nowMs() - startMs
    await delay(Math.min(2000, Math.max(0, job.leadMs - publishedMs - 500)))
    const waiting = assignment.brokerPid === undefined ? undefined : readProcess(assignment.brokerPid)
    const waitingCount = job.messageCount - receiver.deliveredCount
    await waitUntil(() => receiver.deliveredCount === job.messageCount, job.spanMs + 120_000, describe)
    return {
      publishedPerSecond: (job.messageCount * 1000) / publishedMs,
      waitingCount,
      residentBytes: waiting?.residentBytes ?? Number.NaN,
    }
  }
  const figures = await Promise.race([run(), failOn([producer, consumer])])
  receiver.finish()
  await producer.deleteQueue(1, name)
  await Promise.all([producer.close(), consumer.close()])
  const sorted = receiver.lateMs.slice().sort()
  const inTime = receiver.lateMs.reduce((count, lateMs) => count + (Math.abs(lateMs) <= IN_TIME_MS ? 1 : 0), 0)
  return {
    ...figures,
    idleBytes,
    inTimeShare: inTime / job.messageCount,
    earliestMs: percentileOf(sorted, 0),
    lateP50Ms: percentileOf(sorted, 0.5),
    lateP99Ms: percentileOf(sorted, 0.99),
    latestMs: percentileOf(sorted, 1),
  }
}
