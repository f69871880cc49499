import { findListener } from '../process-meter.ts'
import type { BrokerKind, RunningBroker } from './broker.ts'

/** Any AMQP 0-9-1 broker that runs already, given as `NAME=amqp://user:password@host:port/virtual-host`. */
export const external = (text: string): BrokerKind => {
  const separator = text.indexOf('=')
  const name = text.slice(0, separator)
  const url = URL.canParse(text.slice(separator + 1)) ? new URL(text.slice(separator + 1)) : undefined
  if (separator < 1 || url?.protocol !== 'amqp:') throw new Error(`--url wants NAME=amqp://host:port, not ${JSON.stringify(text)}`)
  const path = url.pathname.slice(1)
  const target = {
    host: url.hostname,
    port: url.port === '' ? 5672 : Number(url.port),
    user: url.username === '' ? 'guest' : decodeURIComponent(url.username),
    password: url.password === '' ? 'guest' : decodeURIComponent(url.password),
    virtualHost: path === '' ? '/' : decodeURIComponent(path),
  }
  return {
    name,
    variants: [{ name, queueArguments: {}, isMain: true }],
    start: async (): Promise<RunningBroker> =>
      await Promise.resolve({
        version: 'not started by the bench',
        target,
        pid: () => findListener(target.port),
        stop: () => Promise.resolve(),
      }),
  }
}
