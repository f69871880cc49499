import { ensureDebianPackages, startProgram } from '../../test/peers/debian-package.ts'
import { sparePort } from '../../test/peers/spare-port.ts'
import type { BrokerKind, RunningBroker } from './broker.ts'

const READY_TIMEOUT_MS = 20_000

/** NATS core from Debian: no queues and no acknowledgements, the measure of what transient messages may cost. */
export const nats = (): BrokerKind => ({
  name: 'nats-core',
  variants: [{ name: 'nats-core', queueArguments: {}, isMain: false }],
  start: async (): Promise<RunningBroker> => {
    await ensureDebianPackages('nats-server')
    const port = await sparePort()
    const program = startProgram('nats-server', ['--addr', '127.0.0.1', '--port', String(port)])
    try {
      const [, version = 'unknown'] = await program.waitFor(/Version: +(\S+)[^]*Server is ready/, READY_TIMEOUT_MS)
      return {
        version,
        target: { protocol: 'nats', host: '127.0.0.1', port, user: '', password: '', virtualHost: '' },
        pid: () => program.pid,
        stop: async () => await program.stop(),
      }
    } catch (error) {
      await program.stop({ signal: 'SIGKILL' })
      throw error
    }
  },
})
