/**
 * The queues and exchanges of the crash test: one of each kind whose records differ.
 */
import { call } from '../amqp-0-9-1/login.ts'
import type { RawClient } from '../amqp-0-9-1/raw-client.ts'
import type { Table } from '../amqp-0-9-1/wire-value.ts'

/** How messages of one publisher leave a queue for the first time. */
export type QueueOrder = 'fifo' | 'priority' | 'none'

/** A queue, and what the ledger must know of it. */
export interface QueueRules {
  readonly name: string
  readonly order: QueueOrder
  /** Where rejected and expired messages go. */
  readonly deadLetters?: true
  /** Nobody consumes from it: its messages leave by expiring. */
  readonly expires?: true
  readonly arguments: Table
}

/** Where a message is sent, and the queues that get it. */
export interface Address {
  readonly exchange: string
  readonly routingKey: string
  readonly queues: readonly string[]
  /** The exchange takes a delay. */
  readonly delays?: true
}

/** Where dead letters go. */
export const DEAD = 'dead'
/** The longest delay. */
export const DELAY_MS_MAX = 1_500
/** A queue of which only one message is kept: publishing there proves what came before on the connection. */
export const PROOF = 'proof'

const toDead = { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': DEAD } as const

/** Every queue that the ledger watches. */
export const QUEUES: readonly QueueRules[] = [
  { name: 'plain', order: 'fifo', arguments: {} },
  { name: 'priority', order: 'priority', arguments: { 'x-max-priority': 5 } },
  { name: 'rejecting', order: 'fifo', deadLetters: true, arguments: toDead },
  { name: 'fleeting', order: 'none', deadLetters: true, expires: true, arguments: { ...toDead, 'x-message-ttl': 150 } },
  { name: 'later', order: 'none', arguments: {} },
  { name: 'fan-all', order: 'fifo', arguments: {} },
  { name: 'fan-even', order: 'fifo', arguments: {} },
  { name: 'fan-created', order: 'fifo', arguments: {} },
  { name: DEAD, order: 'none', arguments: {} },
]

/** Where publishers send to. */
export const ADDRESSES: readonly Address[] = [
  { exchange: '', routingKey: 'plain', queues: ['plain'] },
  { exchange: '', routingKey: 'priority', queues: ['priority'] },
  { exchange: '', routingKey: 'rejecting', queues: ['rejecting'] },
  { exchange: '', routingKey: 'fleeting', queues: ['fleeting'] },
  { exchange: 'delaying', routingKey: 'later', queues: ['later'], delays: true },
  { exchange: 'events', routingKey: 'event.created.even', queues: ['fan-all', 'fan-even', 'fan-created'] },
  { exchange: 'events', routingKey: 'event.created.odd', queues: ['fan-all', 'fan-created'] },
  { exchange: 'events', routingKey: 'event.deleted.even', queues: ['fan-all', 'fan-even'] },
]

/** Declares everything; it is there already after the first time, and must be the same then. */
export async function declareTopology(client: RawClient, channel: number): Promise<void> {
  for (const { name, arguments: args } of QUEUES)
    await call(client, channel, 'queue.declare', { queue: name, durable: true, arguments: args })
  await call(client, channel, 'queue.declare', { queue: PROOF, durable: true, arguments: { 'x-max-length': 1 } })
  await call(client, channel, 'exchange.declare', { exchange: 'events', type: 'topic', durable: true })
  await call(client, channel, 'exchange.declare', {
    exchange: 'delaying',
    type: 'x-delayed-message',
    durable: true,
    arguments: { 'x-delayed-type': 'direct' },
  })
  const bind = async (queue: string, exchange: string, key: string): Promise<void> => {
    await call(client, channel, 'queue.bind', { queue, exchange, 'routing-key': key })
  }
  await bind('fan-all', 'events', '#')
  await bind('fan-even', 'events', 'event.*.even')
  await bind('fan-created', 'events', 'event.created.#')
  await bind('later', 'delaying', 'later')
}

/** Messages that wait in a queue. */
export async function waitingCount(client: RawClient, channel: number, queue: string): Promise<number> {
  const answer = await call(client, channel, 'queue.declare', { queue, passive: true })
  return Number(answer.arguments['message-count'])
}
