/**
 * How error texts name a queue or an exchange: in the words of RabbitMQ, which people search the web for.
 */

/** For example `queue 'orders' in vhost '/'`. */
export function resourceName(kind: 'queue' | 'exchange', name: string, namespace: string): string {
  return `${kind} '${name}' in vhost '${namespace}'`
}
