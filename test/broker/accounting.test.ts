import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Arguments } from './broker-world.ts'
import { BrokerWorld } from './broker-world.ts'
import type { RecordingClient } from './recording-client.ts'

const QUEUES: Readonly<Record<string, Arguments>> = {
  plain: {},
  dead: {},
  expiring: { 'x-message-ttl': 400, 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'dead' },
  short: { 'x-max-length': 4, 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'dead' },
  small: { 'x-max-length-bytes': 60, 'x-overflow': 'reject-publish-dlx', 'x-dead-letter-exchange': '' },
  patient: { 'x-redelivery-delay': 100, 'x-delivery-limit': 3, 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'dead' },
  ranked: { 'x-max-priority': 3, 'x-max-length': 6 },
  keyed: { 'x-ordering-key': 'k', 'x-message-ttl': 700 },
  'keyed-short': {
    'x-ordering-key': 'k',
    'x-max-length': 3,
    'x-redelivery-delay': 50,
    'x-delivery-limit': 2,
    'x-dead-letter-exchange': '',
    'x-dead-letter-routing-key': 'dead',
  },
  'ranked-expiring': {
    'x-max-priority': 4,
    'x-message-ttl': 300,
    'x-dead-letter-exchange': '',
    'x-dead-letter-routing-key': 'keyed-short',
  },
  single: { 'x-single-active-consumer': true },
  once: { 'x-deduplication-window': 500 },
}
const NAMES = Object.keys(QUEUES)

type Step =
  | { readonly what: 'publish'; readonly queue: string; readonly number: number; readonly delayed: boolean }
  | { readonly what: 'consume' | 'purge' | 'fetch'; readonly queue: string }
  | { readonly what: 'accept' | 'release' | 'reject'; readonly count: number }
  | { readonly what: 'leave' | 'pause' | 'clean' | 'crash' | 'checkpoint' }
  | { readonly what: 'pass'; readonly ms: number }

const queue = fc.constantFrom(...NAMES)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 10, arbitrary: fc.record({ what: fc.constant('publish' as const), queue, number: fc.nat(20), delayed: fc.boolean() }) },
  { weight: 4, arbitrary: fc.record({ what: fc.constantFrom('consume' as const, 'purge' as const, 'fetch' as const), queue }) },
  {
    weight: 8,
    arbitrary: fc.record({
      what: fc.constantFrom('accept' as const, 'release' as const, 'reject' as const),
      count: fc.integer({ min: 1, max: 4 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      what: fc.constantFrom('leave' as const, 'pause' as const, 'clean' as const, 'crash' as const, 'checkpoint' as const),
    }),
  },
  { weight: 5, arbitrary: fc.record({ what: fc.constant('pass' as const), ms: fc.integer({ min: 0, max: 300 }) }) },
)

function publish(client: RecordingClient, { queue: name, number, delayed }: Step & { what: 'publish' }): void {
  client.publish(name, `body ${number}`, {
    persistent: number % 4 !== 0,
    priority: number % 5,
    messageId: `id ${number}`,
    headers: { k: `k${number % 3}` },
    ...(number % 6 === 0 ? { expirationMs: number * 20 } : {}),
    ...(delayed && number % 3 === 0 ? { delayMs: 1 + number * 10 } : {}),
  })
}

async function take(world: BrokerWorld, current: RecordingClient, each: Step): Promise<RecordingClient> {
  let client = current
  switch (each.what) {
    case 'publish':
      publish(client, each)
      break
    case 'consume':
      client.consume(world.queueNamed(each.queue), { prefetch: 3 })
      break
    case 'purge':
      world.queueNamed(each.queue).purge()
      break
    case 'fetch': {
      const fetched = await world.fetch(client, each.queue)
      if (fetched !== undefined) client.deliveries.push(fetched)
      break
    }
    case 'accept':
    case 'release':
    case 'reject':
      client[each.what](...client.deliveries.splice(0, each.count))
      break
    case 'pause':
      client.setWritable(!client.writable)
      break
    case 'leave':
      client.end()
      client = world.client()
      break
    case 'checkpoint':
      await world.clock.settle(world.broker.checkpoint())
      break
    case 'clean':
    case 'crash':
      await world.restart(each.what)
      client = world.client()
      break
    case 'pass':
      await world.pass(each.ms)
  }
  // The accounts are checked after every operation, and once more when its turn has ended.
  world.checkAccounts()
  await world.settle()
  return client
}

/** Consumers that take one message at a time accept everything there is. */
async function drain(world: BrokerWorld): Promise<void> {
  const client = world.client()
  for (const name of NAMES) client.consume(world.queueNamed(name), { prefetch: 1 })
  for (let idleTurns = 0; idleTurns < 5;) {
    await world.pass(20)
    const deliveries = client.take()
    idleTurns = deliveries.length === 0 ? idleTurns + 1 : 0
    client.accept(...deliveries)
  }
}

describe('the accounts of queues', () => {
  it('hold after every operation: each message is waiting, held, or with one consumer', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 120 }), async (steps) => {
        const world = await BrokerWorld.start()
        for (const [name, args] of Object.entries(QUEUES)) world.queue(name, args)
        let client = world.client()
        for (const each of steps) client = await take(world, client, each)
        client.end()
        await world.pass(5_000)
        for (const name of NAMES) {
          const { readyCount, heldCount, unsettledCount, messageCount } = world.queueNamed(name)
          assert.deepEqual([name, unsettledCount, heldCount], [name, 0, 0])
          assert.equal(messageCount, readyCount, `${name} has messages that are nowhere`)
        }
        await drain(world)
        for (const name of NAMES) assert.deepEqual([name, world.queueNamed(name).messageCount], [name, 0], 'every message can be had')
        // Nothing refers to the journal any more.
        await world.durable()
        assert.equal(world.namespace.delayed.size, 0)
        assert.equal(world.broker.services.storage.usage().liveSizeBytes, 0)
        assert.deepEqual(world.readErrors, [])
      }),
      { numRuns: 200 },
    )
  })
})
