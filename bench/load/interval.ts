import { setTimeout as delay } from 'node:timers/promises'
import { readProcess } from '../process-meter.ts'
import type { Figures } from './job.ts'

/** What is counted over the measured time. */
export interface Counters {
  readonly published: number
  readonly confirmed: number
  readonly delivered: number
  /** Bytes that all connections have received. */
  readonly receivedBytes: number
}

/**
 * Lets the traffic warm up, measures for a time, and gives the rates in between, with the share of a processor core that
 * this process and the broker used, and what the broker wrote.
 */
export const measureInterval = async (
  warmUpMs: number,
  measureMs: number,
  brokerPid: number | undefined,
  read: () => Counters,
): Promise<Figures> => {
  await delay(warmUpMs)
  const before = read()
  const brokerBefore = brokerPid === undefined ? undefined : readProcess(brokerPid)
  const clientBefore = process.cpuUsage()
  const startMs = performance.now()
  await delay(measureMs)
  const elapsedMs = performance.now() - startMs
  const after = read()
  const client = process.cpuUsage(clientBefore)
  const brokerAfter = brokerPid === undefined ? undefined : readProcess(brokerPid)
  const perSecond = (count: number): number => (count * 1000) / elapsedMs
  const published = after.published - before.published
  const figures: Figures = {
    publishedPerSecond: perSecond(published),
    confirmedPerSecond: perSecond(after.confirmed - before.confirmed),
    deliveredPerSecond: perSecond(after.delivered - before.delivered),
    clientCores: (client.user + client.system) / 1000 / elapsedMs,
  }
  if (brokerBefore !== undefined && brokerAfter !== undefined) {
    figures['brokerCores'] = (brokerAfter.processorMs - brokerBefore.processorMs) / elapsedMs
    figures['brokerMicrosecondsPerMessage'] = ((brokerAfter.processorMs - brokerBefore.processorMs) * 1000) / Math.max(1, published)
    const sentBytes = after.receivedBytes - before.receivedBytes
    figures['storedBytesPerMessage'] = (brokerAfter.writtenBytes - brokerBefore.writtenBytes - sentBytes) / Math.max(1, published)
    figures['brokerResidentBytes'] = brokerAfter.residentBytes
  }
  return figures
}

/** Waits until the condition holds. @throws when it does not within the time, with what `describe` says then. */
export const waitUntil = async (holds: () => boolean, timeoutMs: number, describe: () => string): Promise<void> => {
  const deadlineMs = performance.now() + timeoutMs
  while (!holds()) {
    if (performance.now() > deadlineMs) throw new Error(`timed out after ${timeoutMs} ms: ${describe()}`)
    await delay(5)
  }
}
