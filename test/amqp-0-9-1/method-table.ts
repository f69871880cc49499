/**
 * The methods of AMQP 0-9-1 with RabbitMQ's extensions, as the tests' own client knows them.
 * It is written down a second time on purpose: a mistake in the server's table cannot agree with itself here.
 */

/** How one argument is encoded. */
export type ArgumentKind = 'octet' | 'short' | 'long' | 'longlong' | 'shortstr' | 'longstr' | 'bit' | 'timestamp' | 'table'

/** One method: its ids and its arguments in wire order. */
export interface MethodRow {
  readonly name: string
  readonly classId: number
  readonly methodId: number
  readonly fields: readonly (readonly [name: string, kind: ArgumentKind])[]
}

const row = (name: string, classId: number, methodId: number, fields: string): MethodRow => ({
  name,
  classId,
  methodId,
  fields: fields === '' ? [] : fields.split(' ').map((field) => field.split(':') as [string, ArgumentKind]),
})

const ROWS: readonly MethodRow[] = [
  row('connection.start', 10, 10, 'version-major:octet version-minor:octet server-properties:table mechanisms:longstr locales:longstr'),
  row('connection.start-ok', 10, 11, 'client-properties:table mechanism:shortstr response:longstr locale:shortstr'),
  row('connection.secure', 10, 20, 'challenge:longstr'),
  row('connection.secure-ok', 10, 21, 'response:longstr'),
  row('connection.tune', 10, 30, 'channel-max:short frame-max:long heartbeat:short'),
  row('connection.tune-ok', 10, 31, 'channel-max:short frame-max:long heartbeat:short'),
  row('connection.open', 10, 40, 'virtual-host:shortstr reserved-1:shortstr reserved-2:bit'),
  row('connection.open-ok', 10, 41, 'reserved-1:shortstr'),
  row('connection.close', 10, 50, 'reply-code:short reply-text:shortstr class-id:short method-id:short'),
  row('connection.close-ok', 10, 51, ''),
  row('connection.blocked', 10, 60, 'reason:shortstr'),
  row('connection.unblocked', 10, 61, ''),
  row('connection.update-secret', 10, 70, 'new-secret:longstr reason:shortstr'),
  row('connection.update-secret-ok', 10, 71, ''),
  row('channel.open', 20, 10, 'reserved-1:shortstr'),
  row('channel.open-ok', 20, 11, 'reserved-1:longstr'),
  row('channel.flow', 20, 20, 'active:bit'),
  row('channel.flow-ok', 20, 21, 'active:bit'),
  row('channel.close', 20, 40, 'reply-code:short reply-text:shortstr class-id:short method-id:short'),
  row('channel.close-ok', 20, 41, ''),
  row('access.request', 30, 10, 'realm:shortstr exclusive:bit passive:bit active:bit write:bit read:bit'),
  row('access.request-ok', 30, 11, 'ticket:short'),
  row(
    'exchange.declare',
    40,
    10,
    'ticket:short exchange:shortstr type:shortstr passive:bit durable:bit auto-delete:bit internal:bit nowait:bit arguments:table',
  ),
  row('exchange.declare-ok', 40, 11, ''),
  row('exchange.delete', 40, 20, 'ticket:short exchange:shortstr if-unused:bit nowait:bit'),
  row('exchange.delete-ok', 40, 21, ''),
  row('exchange.bind', 40, 30, 'ticket:short destination:shortstr source:shortstr routing-key:shortstr nowait:bit arguments:table'),
  row('exchange.bind-ok', 40, 31, ''),
  row('exchange.unbind', 40, 40, 'ticket:short destination:shortstr source:shortstr routing-key:shortstr nowait:bit arguments:table'),
  row('exchange.unbind-ok', 40, 51, ''),
  row(
    'queue.declare',
    50,
    10,
    'ticket:short queue:shortstr passive:bit durable:bit exclusive:bit auto-delete:bit nowait:bit arguments:table',
  ),
  row('queue.declare-ok', 50, 11, 'queue:shortstr message-count:long consumer-count:long'),
  row('queue.bind', 50, 20, 'ticket:short queue:shortstr exchange:shortstr routing-key:shortstr nowait:bit arguments:table'),
  row('queue.bind-ok', 50, 21, ''),
  row('queue.purge', 50, 30, 'ticket:short queue:shortstr nowait:bit'),
  row('queue.purge-ok', 50, 31, 'message-count:long'),
  row('queue.delete', 50, 40, 'ticket:short queue:shortstr if-unused:bit if-empty:bit nowait:bit'),
  row('queue.delete-ok', 50, 41, 'message-count:long'),
  row('queue.unbind', 50, 50, 'ticket:short queue:shortstr exchange:shortstr routing-key:shortstr arguments:table'),
  row('queue.unbind-ok', 50, 51, ''),
  row('basic.qos', 60, 10, 'prefetch-size:long prefetch-count:short global:bit'),
  row('basic.qos-ok', 60, 11, ''),
  row(
    'basic.consume',
    60,
    20,
    'ticket:short queue:shortstr consumer-tag:shortstr no-local:bit no-ack:bit exclusive:bit nowait:bit arguments:table',
  ),
  row('basic.consume-ok', 60, 21, 'consumer-tag:shortstr'),
  row('basic.cancel', 60, 30, 'consumer-tag:shortstr nowait:bit'),
  row('basic.cancel-ok', 60, 31, 'consumer-tag:shortstr'),
  row('basic.publish', 60, 40, 'ticket:short exchange:shortstr routing-key:shortstr mandatory:bit immediate:bit'),
  row('basic.return', 60, 50, 'reply-code:short reply-text:shortstr exchange:shortstr routing-key:shortstr'),
  row('basic.deliver', 60, 60, 'consumer-tag:shortstr delivery-tag:longlong redelivered:bit exchange:shortstr routing-key:shortstr'),
  row('basic.get', 60, 70, 'ticket:short queue:shortstr no-ack:bit'),
  row('basic.get-ok', 60, 71, 'delivery-tag:longlong redelivered:bit exchange:shortstr routing-key:shortstr message-count:long'),
  row('basic.get-empty', 60, 72, 'cluster-id:shortstr'),
  row('basic.ack', 60, 80, 'delivery-tag:longlong multiple:bit'),
  row('basic.reject', 60, 90, 'delivery-tag:longlong requeue:bit'),
  row('basic.recover-async', 60, 100, 'requeue:bit'),
  row('basic.recover', 60, 110, 'requeue:bit'),
  row('basic.recover-ok', 60, 111, ''),
  row('basic.nack', 60, 120, 'delivery-tag:longlong multiple:bit requeue:bit'),
  row('confirm.select', 85, 10, 'nowait:bit'),
  row('confirm.select-ok', 85, 11, ''),
  row('tx.select', 90, 10, ''),
  row('tx.select-ok', 90, 11, ''),
  row('tx.commit', 90, 20, ''),
  row('tx.commit-ok', 90, 21, ''),
  row('tx.rollback', 90, 30, ''),
  row('tx.rollback-ok', 90, 31, ''),
]

const BY_NAME = new Map(ROWS.map((method) => [method.name, method]))
const BY_ID = new Map(ROWS.map((method) => [method.classId * 65_536 + method.methodId, method]))

/** The row of a method that the tests name; a wrong name is a mistake in the test. */
export function methodNamed(name: string): MethodRow {
  const method = BY_NAME.get(name)
  if (method === undefined) throw new Error(`no method is called ${name}`)
  return method
}

/** The row of a method that came over the wire. */
export function methodWithId(classId: number, methodId: number): MethodRow | undefined {
  return BY_ID.get(classId * 65_536 + methodId)
}

/** Methods that are followed by a content header and bodies. */
export const METHODS_WITH_CONTENT: ReadonlySet<string> = new Set(['basic.publish', 'basic.return', 'basic.deliver', 'basic.get-ok'])

/** The properties of class basic, from flag bit 15 down. */
export const BASIC_PROPERTIES: readonly (readonly [name: string, kind: ArgumentKind])[] = [
  ['content-type', 'shortstr'],
  ['content-encoding', 'shortstr'],
  ['headers', 'table'],
  ['delivery-mode', 'octet'],
  ['priority', 'octet'],
  ['correlation-id', 'shortstr'],
  ['reply-to', 'shortstr'],
  ['expiration', 'shortstr'],
  ['message-id', 'shortstr'],
  ['timestamp', 'timestamp'],
  ['type', 'shortstr'],
  ['user-id', 'shortstr'],
  ['app-id', 'shortstr'],
  ['cluster-id', 'shortstr'],
]
