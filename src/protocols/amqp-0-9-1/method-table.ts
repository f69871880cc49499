/**
 * Every method of AMQP 0-9-1 [AMQP-0-9-1 1.4 to 1.8] with RabbitMQ's extensions (marked +): ids and arguments in their order on the wire.
 * A kind in brackets is reserved: sent as zero or empty, skipped when read.
 */

/** How an argument is written. `longtext` and `replytext` are a longstr and a shortstr whose value is text; the latter is cut at 255 bytes. */
export type ArgumentKind =
  'bit' | 'octet' | 'short' | 'long' | 'longlong' | 'shortstr' | 'replytext' | 'longstr' | 'longtext' | 'table' | ReservedKind

/** Arguments without a meaning. */
export type ReservedKind = '(bit)' | '(short)' | '(shortstr)' | '(longstr)'

/** Ids and arguments of one method. */
export interface MethodRow {
  readonly classId: number
  readonly methodId: number
  readonly fields: Readonly<Record<string, ArgumentKind>>
}

const row = <const Fields extends Readonly<Record<string, ArgumentKind>>>(
  classId: number,
  methodId: number,
  fields: Fields,
): { readonly classId: number; readonly methodId: number; readonly fields: Fields } => ({ classId, methodId, fields })

const CLOSE = { replyCode: 'short', replyText: 'replytext', classId: 'short', methodId: 'short' } as const
const TUNE = { channelMax: 'short', frameMax: 'long', heartbeat: 'short' } as const
const EXCHANGE_BINDING = {
  ticket: '(short)',
  destination: 'shortstr',
  source: 'shortstr',
  routingKey: 'shortstr',
  noWait: 'bit',
  arguments: 'table',
} as const

/** The methods by name. */
export const METHODS = {
  'connection.start': row(10, 10, {
    versionMajor: 'octet',
    versionMinor: 'octet',
    serverProperties: 'table',
    mechanisms: 'longtext',
    locales: 'longtext',
  }),
  'connection.start-ok': row(10, 11, { clientProperties: 'table', mechanism: 'shortstr', response: 'longstr', locale: 'shortstr' }),
  'connection.secure': row(10, 20, { challenge: 'longstr' }),
  'connection.secure-ok': row(10, 21, { response: 'longstr' }),
  'connection.tune': row(10, 30, TUNE),
  'connection.tune-ok': row(10, 31, TUNE),
  'connection.open': row(10, 40, { virtualHost: 'shortstr', capabilities: '(shortstr)', insist: '(bit)' }),
  'connection.open-ok': row(10, 41, { knownHosts: '(shortstr)' }),
  'connection.close': row(10, 50, CLOSE),
  'connection.close-ok': row(10, 51, {}),
  // + Publishers of a connection that announced the capability are told when they are held back.
  'connection.blocked': row(10, 60, { reason: 'replytext' }),
  'connection.unblocked': row(10, 61, {}),
  // + A new password or token without a new connection.
  'connection.update-secret': row(10, 70, { newSecret: 'longstr', reason: 'shortstr' }),
  'connection.update-secret-ok': row(10, 71, {}),

  'channel.open': row(20, 10, { outOfBand: '(shortstr)' }),
  'channel.open-ok': row(20, 11, { channelId: '(longstr)' }),
  'channel.flow': row(20, 20, { active: 'bit' }),
  'channel.flow-ok': row(20, 21, { active: 'bit' }),
  'channel.close': row(20, 40, CLOSE),
  'channel.close-ok': row(20, 41, {}),

  // From AMQP 0-8; old clients still ask.
  'access.request': row(30, 10, {
    realm: 'shortstr',
    exclusive: 'bit',
    passive: 'bit',
    active: 'bit',
    write: 'bit',
    read: 'bit',
  }),
  'access.request-ok': row(30, 11, { ticket: 'short' }),

  'exchange.declare': row(40, 10, {
    ticket: '(short)',
    exchange: 'shortstr',
    type: 'shortstr',
    passive: 'bit',
    durable: 'bit',
    autoDelete: 'bit',
    internal: 'bit',
    noWait: 'bit',
    arguments: 'table',
  }),
  'exchange.declare-ok': row(40, 11, {}),
  'exchange.delete': row(40, 20, { ticket: '(short)', exchange: 'shortstr', ifUnused: 'bit', noWait: 'bit' }),
  'exchange.delete-ok': row(40, 21, {}),
  // + Bindings between exchanges.
  'exchange.bind': row(40, 30, EXCHANGE_BINDING),
  'exchange.bind-ok': row(40, 31, {}),
  'exchange.unbind': row(40, 40, EXCHANGE_BINDING),
  'exchange.unbind-ok': row(40, 51, {}),

  'queue.declare': row(50, 10, {
    ticket: '(short)',
    queue: 'shortstr',
    passive: 'bit',
    durable: 'bit',
    exclusive: 'bit',
    autoDelete: 'bit',
    noWait: 'bit',
    arguments: 'table',
  }),
  'queue.declare-ok': row(50, 11, { queue: 'shortstr', messageCount: 'long', consumerCount: 'long' }),
  'queue.bind': row(50, 20, {
    ticket: '(short)',
    queue: 'shortstr',
    exchange: 'shortstr',
    routingKey: 'shortstr',
    noWait: 'bit',
    arguments: 'table',
  }),
  'queue.bind-ok': row(50, 21, {}),
  'queue.purge': row(50, 30, { ticket: '(short)', queue: 'shortstr', noWait: 'bit' }),
  'queue.purge-ok': row(50, 31, { messageCount: 'long' }),
  'queue.delete': row(50, 40, { ticket: '(short)', queue: 'shortstr', ifUnused: 'bit', ifEmpty: 'bit', noWait: 'bit' }),
  'queue.delete-ok': row(50, 41, { messageCount: 'long' }),
  'queue.unbind': row(50, 50, {
    ticket: '(short)',
    queue: 'shortstr',
    exchange: 'shortstr',
    routingKey: 'shortstr',
    arguments: 'table',
  }),
  'queue.unbind-ok': row(50, 51, {}),

  'basic.qos': row(60, 10, { prefetchSize: 'long', prefetchCount: 'short', global: 'bit' }),
  'basic.qos-ok': row(60, 11, {}),
  'basic.consume': row(60, 20, {
    ticket: '(short)',
    queue: 'shortstr',
    consumerTag: 'shortstr',
    noLocal: 'bit',
    noAck: 'bit',
    exclusive: 'bit',
    noWait: 'bit',
    arguments: 'table',
  }),
  'basic.consume-ok': row(60, 21, { consumerTag: 'shortstr' }),
  // + Also from the server to the client, when the queue is gone.
  'basic.cancel': row(60, 30, { consumerTag: 'shortstr', noWait: 'bit' }),
  'basic.cancel-ok': row(60, 31, { consumerTag: 'shortstr' }),
  'basic.publish': row(60, 40, { ticket: '(short)', exchange: 'shortstr', routingKey: 'shortstr', mandatory: 'bit', immediate: 'bit' }),
  'basic.return': row(60, 50, { replyCode: 'short', replyText: 'replytext', exchange: 'shortstr', routingKey: 'shortstr' }),
  'basic.deliver': row(60, 60, {
    consumerTag: 'shortstr',
    deliveryTag: 'longlong',
    redelivered: 'bit',
    exchange: 'shortstr',
    routingKey: 'shortstr',
  }),
  'basic.get': row(60, 70, { ticket: '(short)', queue: 'shortstr', noAck: 'bit' }),
  'basic.get-ok': row(60, 71, {
    deliveryTag: 'longlong',
    redelivered: 'bit',
    exchange: 'shortstr',
    routingKey: 'shortstr',
    messageCount: 'long',
  }),
  'basic.get-empty': row(60, 72, { clusterId: '(shortstr)' }),
  'basic.ack': row(60, 80, { deliveryTag: 'longlong', multiple: 'bit' }),
  'basic.reject': row(60, 90, { deliveryTag: 'longlong', requeue: 'bit' }),
  'basic.recover-async': row(60, 100, { requeue: 'bit' }),
  'basic.recover': row(60, 110, { requeue: 'bit' }),
  'basic.recover-ok': row(60, 111, {}),
  // + In both directions.
  'basic.nack': row(60, 120, { deliveryTag: 'longlong', multiple: 'bit', requeue: 'bit' }),

  // + Publisher confirms.
  'confirm.select': row(85, 10, { noWait: 'bit' }),
  'confirm.select-ok': row(85, 11, {}),

  'tx.select': row(90, 10, {}),
  'tx.select-ok': row(90, 11, {}),
  'tx.commit': row(90, 20, {}),
  'tx.commit-ok': row(90, 21, {}),
  'tx.rollback': row(90, 30, {}),
  'tx.rollback-ok': row(90, 31, {}),
} as const satisfies Record<string, MethodRow>

/** The name of a method: class and method with a dot. */
export type MethodName = keyof typeof METHODS
