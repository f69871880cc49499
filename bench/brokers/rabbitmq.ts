import { startRabbitmq } from '../../test/peers/rabbitmq.ts'
import type { RabbitmqVersion } from '../../test/peers/rabbitmq.ts'
import { findListener } from '../process-meter.ts'
import type { BrokerKind, RunningBroker } from './broker.ts'

/** RabbitMQ as Debian ships it, with its defaults; its quorum queues are a column of their own. */
export const rabbitmq = (version: RabbitmqVersion): BrokerKind => ({
  name: `rabbitmq-${version}`,
  variants: [
    { name: `rabbitmq-${version}`, queueArguments: {}, isMain: true },
    { name: `rabbitmq-${version}-quorum`, queueArguments: { 'x-queue-type': 'quorum' }, isMain: false },
  ],
  start: async (): Promise<RunningBroker> => {
    const rabbit = await startRabbitmq({ version })
    return {
      version: rabbit.version,
      target: { host: rabbit.host, port: rabbit.port, user: 'guest', password: 'guest', virtualHost: '/' },
      pid: () => findListener(rabbit.port),
      halt: async (options) => await rabbit.halt(options),
      resume: async () => await rabbit.resume(),
      stop: async () => await rabbit.stop(),
    }
  },
})
