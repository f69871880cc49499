import { setTimeout as delay } from 'node:timers/promises'
import { LoadConnection } from './connection.ts'
import { bodyOf, encodePublish } from './frame-writer.ts'
import { waitUntil } from './interval.ts'
import type { Assignment, DrainJob, Figures, FillJob, FirstDeliveryJob } from './job.ts'
import { Receiver } from './receiver.ts'
import { WindowedSender, failOn, openConsumer } from './throughput.ts'

/** No broker here is slower than a thousand messages a second: what takes longer hangs. */
const timeoutOf = (messageCount: number): number => 60_000 + messageCount

/** Fills a queue that nobody reads. */
export const runBacklogFill = async (assignment: Assignment, job: FillJob): Promise<Figures> => {
  const { traffic } = job
  const producer = await LoadConnection.open(assignment.target)
  await producer.openChannel(1)
  await producer.declareQueue(1, job.queue, job.queueArguments)
  await producer.selectConfirms(1)
  const body = bodyOf(traffic.bodyBytes)
  const { bytes } = encodePublish({ channel: 1, exchange: '', routingKey: job.queue, durable: traffic.durable, body })
  const sender = new WindowedSender(producer, traffic, [bytes], job.messageCount)
  const startMs = performance.now()
  sender.fill()
  const { window } = sender
  const filled = waitUntil(
    () => window.confirmed === job.messageCount,
    timeoutOf(job.messageCount),
    () => `${window.published} published, ${window.confirmed} confirmed`,
  )
  await Promise.race([filled, failOn([producer])])
  const seconds = (performance.now() - startMs) / 1000
  const readyCount = await producer.countReady(1, job.queue)
  await producer.close()
  return { messagesPerSecond: job.messageCount / seconds, readyCount }
}

/** Empties a queue with manual acks. The rate is from the first delivery to the last. */
export const runDrain = async (assignment: Assignment, job: DrainJob): Promise<Figures> => {
  const control = await LoadConnection.open(assignment.target)
  await control.openChannel(1)
  const readyBefore = await control.countReady(1, job.queue)
  const messageCount = job.messageCount === 0 ? readyBefore : job.messageCount
  const receivers: Receiver[] = []
  let firstMs = 0
  let lastMs = 0
  const onChunk = (): void => {
    if (receivers[0] === undefined || receivers[0].deliveredCount === 0) return
    lastMs = performance.now()
    if (firstMs === 0) firstMs = lastMs
  }
  const startMs = performance.now()
  const listen = (connection: LoadConnection): number =>
    receivers.push(new Receiver(connection, job.traffic, bodyOf(job.traffic.bodyBytes), onChunk))
  const consumer = await openConsumer(assignment, job.traffic, job.queue, listen)
  const [receiver] = receivers
  if (receiver === undefined) throw new Error('there is no consumer')
  const drained = waitUntil(
    () => receiver.deliveredCount >= messageCount,
    timeoutOf(messageCount),
    () => `${receiver.deliveredCount} of ${messageCount} delivered`,
  )
  await Promise.race([drained, failOn([control, consumer])])
  receiver.finish()
  await consumer.close()
  const readyAfter = await control.countReady(1, job.queue)
  if (job.deleteQueue) await control.deleteQueue(1, job.queue)
  await control.close()
  return { messagesPerSecond: (messageCount * 1000) / (lastMs - firstMs), firstDeliveryMs: firstMs - startMs, readyBefore, readyAfter }
}

/** One attempt to get one message; undefined when the broker is not there yet. */
const tryDelivery = async (assignment: Assignment, queue: string, timeoutMs: number): Promise<number | undefined> => {
  let connection: LoadConnection | undefined
  try {
    connection = await LoadConnection.open(assignment.target)
    await connection.openChannel(1)
    await connection.setPrefetch(1, 1)
    const opened = connection
    const delivered = new Promise<number>((resolve) => {
      opened.listener = {
        onDelivery: () => resolve(performance.timeOrigin + performance.now()),
        onConfirm: () => undefined,
        onChunkEnd: () => undefined,
      }
    })
    await connection.consume(1, queue, false)
    const late = delay(timeoutMs).then(() => {
      throw new Error('no delivery')
    })
    return await Promise.race([delivered, late])
  } catch {
    return undefined
  } finally {
    connection?.destroy()
  }
}

/** Knocks every few milliseconds until a message of the queue is delivered, and tells when that was. */
export const runFirstDelivery = async (assignment: Assignment, job: FirstDeliveryJob): Promise<Figures> => {
  const deadlineMs = performance.now() + job.timeoutMs
  while (performance.now() < deadlineMs) {
    const deliveredAtMs = await tryDelivery(assignment, job.queue, job.timeoutMs)
    if (deliveredAtMs !== undefined) return { deliveredAtMs }
    await delay(10)
  }
  throw new Error(`no delivery within ${job.timeoutMs} ms of the restart`)
}
