import { setTimeout as delay } from 'node:timers/promises'
import type { Figures, FillJob } from '../load/job.ts'
import { processStartedAtMs, readProcess } from '../process-meter.ts'
import { durableTraffic, figureOf, toMebibytes } from './work.ts'
import type { Work, WorkContext } from './work.ts'

const RESTART_TIMEOUT_MS = 600_000

/** The broker's resident memory after it had time to settle. */
const settledMebibytes = async ({ broker, scale }: WorkContext): Promise<number> => {
  await delay(scale.settleMs)
  const pid = broker.pid()
  const reading = pid === undefined ? undefined : readProcess(pid)
  return toMebibytes(reading?.residentBytes ?? Number.NaN)
}

/** Seconds from the start of the new process to the first delivery. */
const restartSeconds = async (context: WorkContext, queue: string, kill: boolean): Promise<number> => {
  const { broker } = context
  if (broker.halt === undefined || broker.resume === undefined) return Number.NaN
  await broker.halt({ kill })
  const knocking = context.start({ kind: 'first-delivery', queue, timeoutMs: RESTART_TIMEOUT_MS })
  await broker.resume()
  const figures = await knocking.figures
  const pid = broker.pid()
  return pid === undefined ? Number.NaN : (figureOf(figures, 'deliveredAtMs') - processStartedAtMs(pid)) / 1000
}

const BACKLOG_QUEUE = 'bench-backlog'

const backlogFigures = async (context: WorkContext): Promise<Figures> => {
  const { run, tell, scale, variant, broker } = context
  const traffic = durableTraffic(100, 10_000, scale.ackEvery)
  const { queueArguments } = variant
  const throughput = {
    kind: 'throughput',
    traffic,
    queueCount: 1,
    queueArguments,
    warmUpMs: scale.warmUpMs,
    measureMs: scale.measureMs,
  } as const
  const reference = figureOf(await run(throughput), 'messagesPerSecond')
  tell(`filling with ${scale.backlogCount} messages`)
  const fill: FillJob = { kind: 'fill', traffic, queue: BACKLOG_QUEUE, queueArguments, messageCount: scale.backlogCount }
  const filled = await run(fill)
  const memory = await settledMebibytes(context)
  const pid = broker.pid()
  const peak = pid === undefined ? Number.NaN : toMebibytes(readProcess(pid)?.residentPeakBytes ?? Number.NaN)
  const mixed = figureOf(await run({ ...throughput, existingQueue: BACKLOG_QUEUE }), 'messagesPerSecond')
  tell('restarting')
  const restart = await restartSeconds(context, BACKLOG_QUEUE, false)
  const restartAfterKill = await restartSeconds(context, BACKLOG_QUEUE, true)
  const memoryAfterRestart = await settledMebibytes(context)
  tell('draining')
  const drained = await run({ kind: 'drain', traffic, queue: BACKLOG_QUEUE, messageCount: 0, deleteQueue: true })
  const drain = figureOf(drained, 'messagesPerSecond')
  return {
    backlogMebibytes: memory,
    backlogPeakMebibytes: peak,
    backlogMebibytesAfterRestart: memoryAfterRestart,
    restartSeconds: restart,
    restartAfterKillSeconds: restartAfterKill,
    fillPerSecond: figureOf(filled, 'messagesPerSecond'),
    referencePerSecond: reference,
    mixedPerSecond: mixed,
    mixedShare: mixed / reference,
    drainPerSecond: drain,
    drainShare: drain / reference,
    drainReadyAfter: figureOf(drained, 'readyAfter'),
  }
}

const backlog: Work = {
  name: 'backlog',
  title: '10 million waiting messages of 100 B',
  columns: 'main variants',
  isLarge: true,
  metrics: [
    { key: 'backlogMebibytes', title: 'backlog: memory', unit: 'MiB', better: 'lower', goal: { kind: 'at most', must: 600, aim: 200 } },
    {
      key: 'restartSeconds',
      title: 'backlog: restart to first delivery',
      unit: 's',
      better: 'lower',
      goal: { kind: 'at most', must: 15, aim: 3 },
    },
    {
      key: 'restartAfterKillSeconds',
      title: 'backlog: start after a kill to first delivery',
      unit: 's',
      better: 'lower',
      goal: { kind: 'at most', must: 15, aim: 3 },
    },
    { key: 'drainPerSecond', title: 'backlog: drain', unit: 'per second', better: 'higher' },
    {
      key: 'drainShare',
      title: 'backlog: drain, of the rate without backlog',
      unit: 'share',
      better: 'higher',
      goal: { kind: 'at least', must: 0.8 },
    },
    { key: 'mixedShare', title: 'backlog: in and out meanwhile, of the rate without backlog', unit: 'share', better: 'higher' },
    { key: 'fillPerSecond', title: 'backlog: fill', unit: 'per second', better: 'higher' },
  ],
  run: backlogFigures,
}

const idleQueues: Work = {
  name: 'idle-queues',
  title: 'idle memory; 10,000 queues more',
  columns: 'main variants',
  isLarge: true,
  metrics: [
    { key: 'idleMebibytes', title: 'idle: memory', unit: 'MiB', better: 'lower', goal: { kind: 'at most', must: 90 } },
    { key: 'queuesMebibytes', title: 'idle: the queues take', unit: 'MiB', better: 'lower', goal: { kind: 'at most', must: 60 } },
  ],
  run: async (context) => {
    const idle = await settledMebibytes(context)
    const { queueArguments } = context.variant
    const declared = await context.run({ kind: 'declare-queues', queueCount: context.scale.queueCount, queueArguments })
    return { ...declared, idleMebibytes: idle, queuesMebibytes: (await settledMebibytes(context)) - idle }
  },
}

const idleConnections: Work = {
  name: 'idle-connections',
  title: '1,000 connections',
  columns: 'main variants',
  isLarge: true,
  metrics: [
    {
      key: 'connectionsMebibytes',
      title: 'idle: the connections take',
      unit: 'MiB',
      better: 'lower',
      goal: { kind: 'at most', must: 60 },
    },
  ],
  run: async (context) => {
    const idle = await settledMebibytes(context)
    const held = context.start({ kind: 'hold-connections', connectionCount: context.scale.connectionCount })
    await held.holding
    const loaded = await settledMebibytes(context)
    held.release()
    return { ...(await held.figures), connectionsMebibytes: loaded - idle }
  },
}

const bindings: Work = {
  name: 'bindings',
  title: '100,000 bindings on a topic exchange',
  columns: 'main variants',
  isLarge: true,
  metrics: [
    {
      key: 'manyBindingsShare',
      title: 'routing with many topic bindings, of the rate with 10',
      unit: 'share',
      better: 'higher',
      goal: { kind: 'at least', must: 0.5 },
    },
    { key: 'messagesPerSecond', title: 'routing with many topic bindings', unit: 'per second', better: 'higher' },
  ],
  run: async ({ run, scale }) => {
    const { warmUpMs, measureMs } = scale
    const traffic = { ...durableTraffic(100, 10_000, scale.ackEvery), durable: false, automaticAck: true }
    const few = await run({ kind: 'routing', traffic, bindingCount: 10, warmUpMs, measureMs })
    const many = await run({ kind: 'routing', traffic, bindingCount: scale.bindingCount, warmUpMs, measureMs })
    const fewBindingsPerSecond = figureOf(few, 'messagesPerSecond')
    return { ...many, fewBindingsPerSecond, manyBindingsShare: figureOf(many, 'messagesPerSecond') / fewBindingsPerSecond }
  },
}

const delayed: Work = {
  name: 'delayed',
  title: '1,000,000 delayed messages',
  columns: 'main variants',
  isLarge: true,
  metrics: [
    {
      key: 'delayedMebibytes',
      title: 'delayed messages: memory',
      unit: 'MiB',
      better: 'lower',
      goal: { kind: 'at most', must: 150 },
    },
    {
      key: 'inTimeShare',
      title: 'delayed messages within 50 ms of due',
      unit: 'share',
      better: 'higher',
      goal: { kind: 'at least', must: 0.99 },
    },
    { key: 'lateP99Ms', title: 'delayed messages: late by, p99', unit: 'ms', better: 'lower' },
  ],
  run: async ({ run, scale }) => {
    const figures = await run({
      kind: 'delayed',
      traffic: durableTraffic(100, 1000, scale.ackEvery),
      messageCount: scale.delayedCount,
      leadMs: scale.delayedLeadMs,
      spanMs: scale.delayedSpanMs,
    })
    return { ...figures, delayedMebibytes: toMebibytes(figureOf(figures, 'residentBytes')) }
  },
}

/** What runs once, each on a broker that was just started without data. */
export const LARGE_WORKS: readonly Work[] = [backlog, idleQueues, idleConnections, bindings, delayed]
