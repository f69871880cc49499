import { randomUUID } from 'node:crypto'
import { LoadConnection } from './connection.ts'
import { bodyOf, encodePublish } from './frame-writer.ts'
import { measureInterval, waitUntil } from './interval.ts'
import type { Assignment, Figures, RoutingJob } from './job.ts'
import { Receiver } from './receiver.ts'
import { WindowedSender, failOn, openConsumer, receivedBytesOf } from './throughput.ts'

const QUEUE_COUNT = 10
const KEY_COUNT = 1000
const BINDINGS_PER_ANSWER = 1000
const SETTLE_TIMEOUT_MS = 120_000
const SITE_COUNT = 317

/** The key that binding number `index`, and no other, matches. */
const keyOf = (index: number): string => `site${index % SITE_COUNT}.order.${index}`

/** Of ten patterns seven are plain, two have a `*`, one a `#`. */
const patternOf = (index: number): string => {
  const kind = index % 10
  if (kind < 7) return keyOf(index)
  return kind < 9 ? `site${index % SITE_COUNT}.*.${index}` : `${keyOf(index)}.#`
}

/** Publishes through a topic exchange with many bindings to ten queues, each with its consumer; every message reaches exactly one. */
export const runRouting = async (assignment: Assignment, job: RoutingJob): Promise<Figures> => {
  const { traffic } = job
  const name = `bench-${randomUUID().slice(0, 8)}`
  const control = await LoadConnection.open(assignment.target)
  await control.openChannel(1)
  await control.declareExchange(1, name, 'topic')
  for (let index = 0; index < QUEUE_COUNT; index += 1) await control.declareQueue(1, `${name}-${index}`)
  const bindStartMs = performance.now()
  for (let index = 0; index < job.bindingCount; index += 1) {
    control.bindQueueNoWait(1, `${name}-${index % QUEUE_COUNT}`, name, patternOf(index))
    if (index % BINDINGS_PER_ANSWER === BINDINGS_PER_ANSWER - 1) await control.countReady(1, `${name}-0`)
  }
  await control.countReady(1, `${name}-0`)
  const bindSeconds = (performance.now() - bindStartMs) / 1000
  const producer = await LoadConnection.open(assignment.target)
  await producer.openChannel(1)
  await producer.selectConfirms(1)
  const body = bodyOf(traffic.bodyBytes)
  const step = Math.max(1, Math.floor(job.bindingCount / KEY_COUNT))
  const messages = Array.from({ length: Math.min(KEY_COUNT, job.bindingCount) }, (_, index) => {
    const routingKey = keyOf(index * step)
    return encodePublish({ channel: 1, exchange: name, routingKey, durable: traffic.durable, body }).bytes
  })
  const sender = new WindowedSender(producer, traffic, messages)
  const receivers: Receiver[] = []
  const connections = [control, producer]
  for (let index = 0; index < QUEUE_COUNT; index += 1) {
    const listen = (connection: LoadConnection): number => receivers.push(new Receiver(connection, traffic, body, () => undefined))
    connections.push(await openConsumer(assignment, traffic, `${name}-${index}`, listen))
  }
  const delivered = (): number => receivers.reduce((sum, receiver) => sum + receiver.deliveredCount, 0)
  const run = async (): Promise<Figures> => {
    sender.fill()
    const { window } = sender
    const figures = await measureInterval(job.warmUpMs, job.measureMs, assignment.brokerPid, () => ({
      published: window.published,
      confirmed: window.confirmed,
      delivered: delivered(),
      receivedBytes: receivedBytesOf(connections),
    }))
    sender.stopped = true
    await waitUntil(
      () => window.confirmed === window.published && delivered() === window.published,
      SETTLE_TIMEOUT_MS,
      () => `${window.published} published, ${window.confirmed} confirmed, ${delivered()} delivered`,
    )
    return { ...figures, messagesPerSecond: Math.min(figures['confirmedPerSecond'] ?? 0, figures['deliveredPerSecond'] ?? 0) }
  }
  const figures = await Promise.race([run(), failOn(connections)])
  // The broker and its data go away after this work: unbinding a hundred thousand patterns is not measured.
  await Promise.all(connections.map((connection) => connection.close()))
  return { ...figures, bindingsPerSecond: job.bindingCount / bindSeconds }
}
