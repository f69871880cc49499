import type { FieldTable } from './frame-writer.ts'
import type { Target } from './connection.ts'

/** Settings of what publishes and consumes, the same for every broker. */
export interface Traffic {
  readonly bodyBytes: number
  /** Messages on their way at most: unconfirmed, or, without confirms, not yet delivered. */
  readonly window: number
  readonly confirms: boolean
  readonly durable: boolean
  readonly automaticAck: boolean
  readonly prefetchCount: number
  /** One `basic.ack` with the multiple bit for so many messages. */
  readonly ackEvery: number
}

/** Sends and receives as fast as the window allows, for a time. */
export interface ThroughputJob {
  readonly kind: 'throughput'
  readonly traffic: Traffic
  /** Every message goes to all of them. */
  readonly queueCount: number
  readonly queueArguments: FieldTable
  /** A queue that exists and keeps what is in it; without it, new ones are made and deleted. */
  readonly existingQueue?: string
  readonly warmUpMs: number
  readonly measureMs: number
}

/** Sends at a fixed rate whatever the broker does, and measures from the time each message was due. */
export interface LatencyJob {
  readonly kind: 'latency'
  readonly traffic: Traffic
  readonly queueArguments: FieldTable
  readonly ratePerSecond: number
  readonly warmUpMs: number
  readonly measureMs: number
}

/** Puts messages into a queue nobody reads. */
export interface FillJob {
  readonly kind: 'fill'
  readonly traffic: Traffic
  readonly queue: string
  readonly queueArguments: FieldTable
  readonly messageCount: number
}

/** Takes messages out of a queue. */
export interface DrainJob {
  readonly kind: 'drain'
  readonly traffic: Traffic
  readonly queue: string
  readonly messageCount: number
  readonly deleteQueue: boolean
}

/** Knocks until one message of the queue is delivered; it goes back into the queue. */
export interface FirstDeliveryJob {
  readonly kind: 'first-delivery'
  readonly queue: string
  readonly timeoutMs: number
}

/** Declares queues and leaves them. */
export interface DeclareQueuesJob {
  readonly kind: 'declare-queues'
  readonly queueCount: number
  readonly queueArguments: FieldTable
}

/** Holds connections, each with one channel, until it is told to go. */
export interface HoldConnectionsJob {
  readonly kind: 'hold-connections'
  readonly connectionCount: number
}

/** Publishes to a topic exchange with many bindings; each key matches exactly one. */
export interface RoutingJob {
  readonly kind: 'routing'
  readonly traffic: Traffic
  readonly bindingCount: number
  readonly warmUpMs: number
  readonly measureMs: number
}

/** Publishes messages that become due over a span of time, and sees when they come. */
export interface DelayedJob {
  readonly kind: 'delayed'
  readonly traffic: Traffic
  readonly messageCount: number
  /** The first messages are due so long after the start. */
  readonly leadMs: number
  /** All are due within this time. */
  readonly spanMs: number
}

/** What the load process may be asked to do. */
export type Job =
  ThroughputJob | LatencyJob | FillJob | DrainJob | FirstDeliveryJob | DeclareQueuesJob | HoldConnectionsJob | RoutingJob | DelayedJob

/** One job for one broker, as the load process gets it. */
export interface Assignment {
  readonly target: Target
  /** The broker's process when it is on this machine: its processor time and writes are read around the measurement. */
  readonly brokerPid: number | undefined
  readonly job: Job
}

/** What came out: figures by name. */
export type Figures = Record<string, number>

/** What the load process says: held connections are there, or the job is done, or it failed. */
export type Answer = { readonly holding: true } | { readonly figures: Figures } | { readonly error: string }
