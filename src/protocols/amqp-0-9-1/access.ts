/**
 * Refusals of RabbitMQ's kind: permissions on exchanges and queues, names that clients may not use, exclusive queues.
 */
import { WaybillError } from '../../base/errors.ts'
import type { Queue } from '../../broker/queue.ts'
import { resourceName } from '../../broker/resource-name.ts'
import type { ChannelHost } from './channel-context.ts'

/** What permissions call the exchange without a name. */
const DEFAULT_EXCHANGE_ALIAS = 'amq.default'

const RESERVED_PREFIX = 'amq.'

type Operation = 'configure' | 'write' | 'read'

/** @throws ACCESS_REFUSED when the user may not create or delete the object */
export function checkConfigure(host: ChannelHost, kind: 'queue' | 'exchange', name: string): void {
  if (!host.permissions.full && !host.permissions.mayConfigure(name)) throw refusal(host, 'configure', kind, name)
}

/** @throws ACCESS_REFUSED when the user may not publish or bind to the object */
export function checkWrite(host: ChannelHost, kind: 'queue' | 'exchange', name: string): void {
  if (!host.permissions.full && !host.permissions.mayWrite(permissionName(name))) throw refusal(host, 'write', kind, permissionName(name))
}

/** @throws ACCESS_REFUSED when the user may not consume or bind from the object */
export function checkRead(host: ChannelHost, kind: 'queue' | 'exchange', name: string): void {
  if (!host.permissions.full && !host.permissions.mayRead(permissionName(name))) throw refusal(host, 'read', kind, permissionName(name))
}

/**
 * RabbitMQ lets anybody ask whether something exists, and how many messages wait in it; here that takes a permission, whichever.
 * @throws ACCESS_REFUSED when the user may do nothing at all with the object
 */
export function checkSeen(host: ChannelHost, kind: 'queue' | 'exchange', name: string): void {
  const { permissions } = host
  const seen = permissions.full || permissions.mayRead(name) || permissions.mayWrite(name) || permissions.mayConfigure(name)
  if (!seen) throw refusal(host, 'read', kind, name)
}

function permissionName(name: string): string {
  return name === '' ? DEFAULT_EXCHANGE_ALIAS : name
}

function refusal(host: ChannelHost, operation: Operation, kind: 'queue' | 'exchange', name: string): WaybillError {
  const resource = resourceName(kind, name, host.namespace.name)
  return new WaybillError('ACCESS_REFUSED', `${operation} access to ${resource} refused for user '${host.identity.user}'`)
}

/** A name as RabbitMQ takes it: without line feeds and carriage returns. */
export function cleanName(name: string): string {
  return name.replaceAll(/[\r\n]/g, '')
}

/** @throws ACCESS_REFUSED for a name that only the server may give */
export function checkNotReserved(kind: 'queue' | 'exchange', name: string): void {
  if (name.startsWith(RESERVED_PREFIX)) {
    throw new WaybillError('ACCESS_REFUSED', `${kind} name '${name}' contains reserved prefix 'amq.*'`)
  }
}

/** @throws ACCESS_REFUSED for the exchange without a name */
export function checkNotDefaultExchange(name: string): void {
  if (name === '') throw new WaybillError('ACCESS_REFUSED', 'operation not permitted on the default exchange')
}

/** @throws RESOURCE_LOCKED when the queue belongs to another connection */
export function checkOwner(host: ChannelHost, queue: Queue): void {
  if (queue.exclusiveOwner !== undefined && queue.exclusiveOwner !== host) throw lockedQueue(queue)
}

/** The error of RabbitMQ for a queue of another connection. */
export function lockedQueue(queue: Queue): WaybillError {
  const text =
    'It could be originally declared on another connection or the exclusive property value does not match that of the original declaration.'
  const resource = resourceName('queue', queue.name, queue.namespace)
  return new WaybillError('RESOURCE_LOCKED', `cannot obtain exclusive access to locked ${resource}. ${text}`)
}
