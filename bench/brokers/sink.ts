import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { sparePort } from '../../test/peers/spare-port.ts'
import type { BrokerKind, RunningBroker } from './broker.ts'

/** The counting sink, in place of a broker: shows the load generator's own ceiling. */
export const sink = (): BrokerKind => ({
  name: 'ceiling',
  variants: [{ name: 'ceiling', queueArguments: {}, isMain: false }],
  start: async (): Promise<RunningBroker> => {
    const port = await sparePort()
    const child = fork(fileURLToPath(new URL('../sink.ts', import.meta.url)), [String(port)])
    await once(child, 'message')
    return {
      version: 'no broker: the load generator alone',
      target: { host: '127.0.0.1', port, user: 'guest', password: 'guest', virtualHost: '/' },
      pid: () => child.pid,
      stop: async () => {
        const ended = once(child, 'exit')
        child.disconnect()
        await ended
      },
    }
  },
})
