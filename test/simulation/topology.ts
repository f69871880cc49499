/** The queues of a simulation: one of each kind that a setting makes, with what the model must know of them. */
import { field, FieldTable } from '../../src/message/field.ts'
import type { Broker } from '../../src/broker/broker.ts'
import type { Namespace } from '../../src/broker/namespace.ts'
import type { QueueRules } from './model.ts'

/** A queue, how it is declared, and its rules. */
export interface SimulatedQueue extends QueueRules {
  readonly arguments: Readonly<Record<string, string | number | boolean>>
  /** It refuses messages when it is full. */
  readonly refuses?: boolean
}

export const DEAD = 'dead'

const keeps = { mayLeave: false, deadLetterQueue: undefined, arguments: {} } as const
const toDead = { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': DEAD } as const

export const QUEUES: readonly SimulatedQueue[] = [
  { ...keeps, name: 'plain', order: 'fifo' },
  { ...keeps, name: 'fan-1', order: 'fifo' },
  { ...keeps, name: 'fan-2', order: 'fifo', deadLetterQueue: DEAD, arguments: toDead },
  { ...keeps, name: 'priority', order: 'priority', arguments: { 'x-max-priority': 5 } },
  { ...keeps, name: 'key', order: 'key', arguments: { 'x-ordering-key': 'k' } },
  { ...keeps, name: 'back-off', order: 'none', arguments: { 'x-redelivery-delay': 50, 'x-redelivery-delay-max': 400 } },
  { name: 'short-lived', order: 'none', mayLeave: true, deadLetterQueue: DEAD, arguments: { ...toDead, 'x-message-ttl': 300 } },
  { name: 'bounded', order: 'none', mayLeave: true, deadLetterQueue: DEAD, arguments: { ...toDead, 'x-max-length': 8 } },
  { name: 'limited', order: 'none', mayLeave: true, deadLetterQueue: DEAD, arguments: { ...toDead, 'x-delivery-limit': 2 } },
  {
    ...keeps,
    name: 'refusing',
    order: 'fifo',
    refuses: true,
    arguments: { 'x-max-length': 10, 'x-overflow': 'reject-publish' },
  },
  { ...keeps, name: 'once', order: 'fifo', arguments: { 'x-deduplication-window': 86_400_000 } },
  { ...keeps, name: DEAD, order: 'none' },
]

/** Where publications go: exchange, routing key, and the queues that get them. */
export interface Address {
  readonly exchange: string
  readonly routingKey: string
  readonly queues: readonly string[]
}

export const ADDRESSES: readonly Address[] = [
  ...['plain', 'priority', 'key', 'back-off', 'short-lived', 'bounded', 'limited', 'refusing', 'once'].map((name) => ({
    exchange: '',
    routingKey: name,
    queues: [name],
  })),
  { exchange: 'fan', routingKey: '', queues: ['fan-1', 'fan-2'] },
  { exchange: 'topics', routingKey: 'a.b', queues: ['plain', 'fan-1'] },
]

/** Declares what is not there yet: on the first life everything, later nothing (definitions are durable). */
export function declare(broker: Broker, namespace: Namespace): void {
  for (const { name, arguments: args } of QUEUES) {
    if (namespace.queues.has(name)) continue
    broker.createQueue(namespace, { name, durable: true, autoDelete: false, exclusiveOwner: undefined, arguments: tableOf(args) })
  }
  for (const [name, kind] of [
    ['fan', 'fanout'],
    ['topics', 'topic'],
  ] as const) {
    if (namespace.exchanges.has(name)) continue
    const flags = { durable: true, autoDelete: false, internal: false, arguments: new FieldTable(), alternate: undefined }
    namespace.createExchange({ name, kind, routing: kind, ...flags })
  }
  const bind = (source: string, queue: string, key: string): void => {
    namespace.bind(namespace.exchangeNamed(source), namespace.queueNamed(queue), key, new FieldTable())
  }
  bind('fan', 'fan-1', '')
  bind('fan', 'fan-2', '')
  bind('topics', 'plain', 'a.*')
  bind('topics', 'fan-1', '#')
}

function tableOf(values: Readonly<Record<string, string | number | boolean>>): FieldTable {
  return new FieldTable(
    Object.entries(values).map(([name, value]) => {
      if (typeof value === 'string') return { name, field: field('S', value) }
      return { name, field: typeof value === 'number' ? field('I', value) : field('t', value) }
    }),
  )
}
