import type { Figures } from '../load/job.ts'
import { durableTraffic, figureOf } from './work.ts'
import type { Goal, Metric, Work, WorkContext } from './work.ts'

const QUEUES = 10
const OURS = 'waybill'

const rate = (title: string, goal?: Goal): Metric => ({
  key: 'messagesPerSecond',
  title,
  unit: 'per second',
  better: 'higher',
  ...(goal === undefined ? {} : { goal }),
})

interface DurableSettings {
  readonly name: string
  readonly title: string
  readonly bodyBytes: number
  readonly window: number
  readonly goal?: Goal
  /** Another group of acks than the scale's. */
  readonly ackEvery?: number
}

const durable = (settings: DurableSettings): Work => ({
  name: settings.name,
  title: settings.title,
  columns: 'every variant',
  isLarge: false,
  metrics: [rate(settings.title, settings.goal)],
  run: async ({ run, variant, scale }) =>
    await run({
      kind: 'throughput',
      traffic: durableTraffic(settings.bodyBytes, settings.window, settings.ackEvery ?? scale.ackEvery),
      queueCount: 1,
      queueArguments: variant.queueArguments,
      warmUpMs: scale.warmUpMs,
      measureMs: scale.measureMs,
    }),
})

const transient: Work = {
  name: 'transient',
  title: 'transient, automatic ack, 100 B',
  columns: 'main variants',
  isLarge: false,
  metrics: [rate('transient, automatic ack, 100 B', { kind: 'times peer', must: 10 })],
  run: async ({ run, variant, scale }) =>
    await run({
      kind: 'throughput',
      traffic: { ...durableTraffic(100, 20_000, 1), confirms: false, durable: false, automaticAck: true },
      queueCount: 1,
      queueArguments: variant.queueArguments,
      warmUpMs: scale.warmUpMs,
      measureMs: scale.measureMs,
    }),
}

const fanOutTo = async ({ run, variant, scale }: WorkContext, queueCount: number): Promise<Figures> =>
  await run({
    kind: 'throughput',
    traffic: durableTraffic(1024, 1000, scale.ackEvery),
    queueCount,
    queueArguments: variant.queueArguments,
    warmUpMs: scale.warmUpMs,
    measureMs: scale.measureMs,
  })

const fanOut: Work = {
  name: 'fan-out',
  title: 'fan-out 1 to 10 durable queues, 1 KB, window 1,000',
  columns: 'every variant',
  isLarge: false,
  metrics: [
    rate('fan-out 1 to 10 durable queues, 1 KB: published', { kind: 'times peer', must: 8 }),
    {
      key: 'storedTimesOneQueue',
      title: 'fan-out: journal bytes per message, against one queue',
      unit: 'times',
      better: 'lower',
      goal: { kind: 'at most', must: 1.3 },
    },
  ],
  run: async (context) => {
    // A first run lets the broker make the files it will use again; it counts for nothing.
    await fanOutTo(context, 1)
    const ten = await fanOutTo(context, QUEUES)
    // What RabbitMQ writes to its sockets is not in the kernel's count, so that only ours can be told from what it stores.
    if (context.variant.name !== OURS) return ten
    const one = await fanOutTo(context, 1)
    const oneQueueStoredBytes = figureOf(one, 'storedBytesPerMessage')
    return { ...ten, oneQueueStoredBytes, storedTimesOneQueue: figureOf(ten, 'storedBytesPerMessage') / oneQueueStoredBytes }
  },
}

const latency: Work = {
  name: 'latency',
  title: 'latency at 5,000 messages a second, 1 KB',
  columns: 'every variant',
  isLarge: false,
  metrics: [
    {
      key: 'deliveryP50Ms',
      title: 'latency at 5,000/s, 1 KB: p50',
      unit: 'ms',
      better: 'lower',
      goal: { kind: 'share of peer', must: 0.25 },
    },
    {
      key: 'deliveryP99Ms',
      title: 'latency at 5,000/s, 1 KB: p99',
      unit: 'ms',
      better: 'lower',
      goal: { kind: 'share of peer', must: 1, aim: 0.25 },
    },
    { key: 'confirmP50Ms', title: 'time to the confirm at 5,000/s: p50', unit: 'ms', better: 'lower' },
    { key: 'confirmP99Ms', title: 'time to the confirm at 5,000/s: p99', unit: 'ms', better: 'lower' },
  ],
  run: async ({ run, variant, scale, tell }) => {
    const figures = await run({
      kind: 'latency',
      // At this rate a consumer acknowledges each message when it has it.
      traffic: durableTraffic(1024, 10_000, 1),
      queueArguments: variant.queueArguments,
      ratePerSecond: 5000,
      warmUpMs: scale.warmUpMs,
      measureMs: scale.latencyMs,
    })
    tell(
      `the generator itself was late by ${figureOf(figures, 'sendLagP50Ms').toFixed(2)} ms (p50), ${figureOf(figures, 'sendLagP99Ms').toFixed(2)} ms (p99)`,
    )
    return figures
  },
}

/** What runs in every round. */
export const THROUGHPUT_WORKS: readonly Work[] = [
  durable({
    name: 'durable-100b-1k',
    title: '100 B durable, window 1,000',
    bodyBytes: 100,
    window: 1000,
    goal: { kind: 'times peer', must: 14, aim: 25 },
  }),
  durable({
    name: 'durable-100b-1k-ack1',
    title: '100 B durable, window 1,000, each acknowledged alone',
    bodyBytes: 100,
    window: 1000,
    ackEvery: 1,
  }),
  durable({
    name: 'durable-100b-10k',
    title: '100 B durable, window 10,000',
    bodyBytes: 100,
    window: 10_000,
    goal: { kind: 'times peer', must: 18, aim: 30 },
  }),
  durable({
    name: 'durable-1kb-1k',
    title: '1 KB durable, window 1,000',
    bodyBytes: 1024,
    window: 1000,
    goal: { kind: 'times peer', must: 7.5, aim: 13 },
  }),
  durable({
    name: 'durable-1kb-10k',
    title: '1 KB durable, window 10,000',
    bodyBytes: 1024,
    window: 10_000,
    goal: { kind: 'times peer', must: 7.5, aim: 13 },
  }),
  durable({
    name: 'durable-16kb-1k',
    title: '16 KB durable, window 1,000',
    bodyBytes: 16_384,
    window: 1000,
    goal: { kind: 'times peer', must: 1.5 },
  }),
  latency,
  transient,
  fanOut,
]
