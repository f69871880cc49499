import { randomUUID } from 'node:crypto'
import { Worker } from 'node:worker_threads'
import { ConfirmWindow } from './confirm-window.ts'
import { LoadConnection } from './connection.ts'
import type { TrafficListener } from './connection.ts'
import { bodyOf, encodePublish } from './frame-writer.ts'
import type { EncodedMessage } from './frame-writer.ts'
import { measureInterval, waitUntil } from './interval.ts'
import type { Assignment, Figures, LatencyJob, Traffic } from './job.ts'
import type { MetronomeSettings } from './metronome.ts'
import { percentileOf } from './percentile.ts'
import { Receiver } from './receiver.ts'
import { failOn, openConsumer, receivedBytesOf } from './throughput.ts'

const LEAD_MS = 200
const SETTLE_TIMEOUT_MS = 60_000

const nowMs = (): number => performance.timeOrigin + performance.now()

/** Sends each message when it is due, late or not, and never waits for the broker; each body starts with the time it was due. */
class ScheduledSender implements TrafficListener {
  readonly window: ConfirmWindow
  /** For each message: how long after it was due it was confirmed, and how long after it was due it was written. */
  readonly confirmLatencyMs: Float64Array
  readonly sendLagMs: Float64Array
  readonly #connection: LoadConnection
  readonly #message: EncodedMessage
  readonly #schedule: MetronomeSettings

  constructor(connection: LoadConnection, message: EncodedMessage, schedule: MetronomeSettings) {
    this.#connection = connection
    this.#message = message
    this.#schedule = schedule
    // As large as the run: nothing ever waits for room.
    this.window = new ConfirmWindow(schedule.beatCount + 1)
    this.confirmLatencyMs = new Float64Array(schedule.beatCount)
    this.sendLagMs = new Float64Array(schedule.beatCount)
    connection.listener = this
  }

  dueMs(index: number): number {
    return this.#schedule.startMs + index * this.#schedule.intervalMs
  }

  /** Sends everything that is due by now. */
  send(): void {
    const { window } = this
    const now = nowMs()
    while (window.published < this.#schedule.beatCount && this.dueMs(window.published) <= now + 0.01) {
      const dueMs = this.dueMs(window.published)
      const bytes = Buffer.from(this.#message.bytes)
      bytes.writeDoubleBE(dueMs, this.#message.bodyOffset)
      this.sendLagMs[window.published] = now - dueMs
      window.published += 1
      this.#connection.write(bytes)
    }
  }

  onDelivery(): void {
    throw new Error('a delivery came on the publishing connection')
  }

  onConfirm(deliveryTag: number, multiple: boolean): void {
    const now = nowMs()
    const first = multiple ? this.window.lowestOpen : deliveryTag
    for (let tag = first; tag <= deliveryTag; tag += 1) {
      // A multiple confirm may cover some that were confirmed alone before: those keep their time.
      if (this.confirmLatencyMs[tag - 1] === 0) this.confirmLatencyMs[tag - 1] = now - this.dueMs(tag - 1)
    }
    this.window.settle(deliveryTag, multiple)
  }

  onChunkEnd(): void {
    // Sending follows the schedule alone.
  }
}

/** Takes the time between due and delivered from each body. */
class TimedReceiver extends Receiver {
  readonly latencyMs: Float64Array

  constructor(connection: LoadConnection, traffic: Traffic, count: number) {
    super(connection, traffic, undefined, () => undefined)
    this.latencyMs = new Float64Array(count)
  }

  override onDelivery(channel: number, deliveryTag: number, view: DataView, bodyOffset: number, bodyBytes: number): void {
    if (this.deliveredCount < this.latencyMs.length) this.latencyMs[this.deliveredCount] = nowMs() - view.getFloat64(bodyOffset)
    super.onDelivery(channel, deliveryTag, view, bodyOffset, bodyBytes)
  }
}

const summarize = (name: string, samples: Float64Array, skipCount: number): Figures => {
  const sorted = samples.slice(skipCount).sort()
  return {
    [`${name}P50Ms`]: percentileOf(sorted, 0.5),
    [`${name}P99Ms`]: percentileOf(sorted, 0.99),
    [`${name}P999Ms`]: percentileOf(sorted, 0.999),
    [`${name}MaxMs`]: percentileOf(sorted, 1),
  }
}

/** Publishes at a fixed rate, one message at each beat, and measures delivery and confirm from the time each was due. */
export const runLatency = async (assignment: Assignment, job: LatencyJob): Promise<Figures> => {
  const { traffic } = job
  const queue = `bench-${randomUUID().slice(0, 8)}`
  const producer = await LoadConnection.open(assignment.target)
  await producer.openChannel(1)
  await producer.declareQueue(1, queue, job.queueArguments)
  await producer.selectConfirms(1)
  const beatCount = Math.round(((job.warmUpMs + job.measureMs) * job.ratePerSecond) / 1000)
  const receivers: TimedReceiver[] = []
  const listen = (connection: LoadConnection): number => receivers.push(new TimedReceiver(connection, traffic, beatCount))
  const consumer = await openConsumer(assignment, traffic, queue, listen)
  const [receiver] = receivers
  if (receiver === undefined) throw new Error('there is no consumer')
  const message = encodePublish({ channel: 1, exchange: '', routingKey: queue, durable: traffic.durable, body: bodyOf(traffic.bodyBytes) })
  const schedule: MetronomeSettings = { startMs: nowMs() + LEAD_MS, intervalMs: 1000 / job.ratePerSecond, beatCount }
  const sender = new ScheduledSender(producer, message, schedule)
  const metronome = new Worker(new URL('./metronome.ts', import.meta.url), { workerData: schedule })
  metronome.on('message', () => sender.send())
  const run = async (): Promise<Figures> => {
    const usage = await measureInterval(LEAD_MS + job.warmUpMs, job.measureMs - LEAD_MS, assignment.brokerPid, () => ({
      published: sender.window.published,
      confirmed: sender.window.confirmed,
      delivered: receiver.deliveredCount,
      receivedBytes: receivedBytesOf([producer, consumer]),
    }))
    await waitUntil(
      () => sender.window.confirmed === beatCount && receiver.deliveredCount >= beatCount,
      SETTLE_TIMEOUT_MS,
      () => `${beatCount} due, ${sender.window.confirmed} confirmed, ${receiver.deliveredCount} delivered`,
    )
    return usage
  }
  const usage = await Promise.race([run(), failOn([producer, consumer])])
  receiver.finish()
  await metronome.terminate()
  await producer.deleteQueue(1, queue)
  await Promise.all([producer.close(), consumer.close()])
  const warmUpCount = Math.round((job.warmUpMs * job.ratePerSecond) / 1000)
  return {
    ...usage,
    ...summarize('delivery', receiver.latencyMs, warmUpCount),
    ...summarize('confirm', sender.confirmLatencyMs, warmUpCount),
    ...summarize('sendLag', sender.sendLagMs, warmUpCount),
  }
}
