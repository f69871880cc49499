import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { PUBLISHED } from '../../src/broker/publication.ts'
import { BrokerWorld, ENDINGS } from './broker-world.ts'

/** orders (topic) -> eu (direct) -> q-eu; orders -> all (fanout) -> q-all; what nothing matches goes to rest (fanout) -> q-rest. */
async function worldWithExchanges(): Promise<BrokerWorld> {
  const world = await BrokerWorld.start()
  world.exchange('orders', 'topic', { 'alternate-exchange': 'rest' })
  world.exchange('eu', 'direct')
  world.exchange('all', 'fanout')
  world.exchange('rest', 'fanout')
  world.exchange('by-header', 'headers')
  for (const name of ['q-eu', 'q-all', 'q-rest', 'q-header']) world.queue(name)
  world.bind('orders', 'eu', 'eu.#')
  world.bind('orders', 'all', '*.new')
  world.bind('orders', 'by-header', '#.checked')
  world.bind('eu', 'q-eu', 'eu.new')
  world.bind('all', 'q-all', '')
  world.bind('all', 'q-eu', '')
  world.bind('rest', 'q-rest', '')
  world.bind('by-header', 'q-header', '', { 'x-match': 'all', colour: 'red' })
  return world
}

function publishAll(world: BrokerWorld): void {
  const client = world.client()
  // To both, and once to each queue although two ways lead to q-eu.
  client.publish('eu.new', 'eu.new', { exchange: 'orders' })
  client.publish('us.new', 'us.new', { exchange: 'orders' })
  // Matches a binding that leads nowhere: that is a match all the same.
  client.publish('eu.old', 'eu.old', { exchange: 'orders' })
  client.publish('us.old', 'us.old', { exchange: 'orders' })
  client.publish('x.checked', 'red', { exchange: 'orders', headers: { colour: 'red' } })
  client.publish('x.checked', 'blue', { exchange: 'orders', headers: { colour: 'blue' } })
}

async function checkAll(world: BrokerWorld): Promise<void> {
  assert.deepEqual(await world.bodiesIn('q-eu'), ['eu.new', 'us.new'])
  assert.deepEqual(await world.bodiesIn('q-all'), ['eu.new', 'us.new'])
  assert.deepEqual(await world.bodiesIn('q-rest'), ['us.old'])
  assert.deepEqual(await world.bodiesIn('q-header'), ['red'])
}

describe('bindings between exchanges and alternate exchanges', () => {
  it('route to every queue once, and to the alternate what matches nothing', async () => {
    const world = await worldWithExchanges()
    publishAll(world)
    await checkAll(world)
  })

  for (const ending of ENDINGS) {
    it(`are the same after a restart (${ending})`, async () => {
      for (const checkpoint of [true, false]) {
        const world = await worldWithExchanges()
        if (checkpoint) await world.clock.settle(world.broker.checkpoint())
        await world.restart(ending)
        publishAll(world)
        await world.restart(ending)
        await checkAll(world)
      }
    })
  }

  it('end when they go round', async () => {
    const world = await BrokerWorld.start()
    world.exchange('a', 'fanout', { 'alternate-exchange': 'b' })
    world.exchange('b', 'fanout', { 'alternate-exchange': 'a' })
    assert.equal(world.client().publish('', 'm', { exchange: 'a' }), PUBLISHED.unroutable)
    world.bind('a', 'b', '')
    world.bind('b', 'a', '')
    const queue = world.queue('q')
    world.bind('b', 'q', '')
    world.client().publish('', 'm', { exchange: 'a' })
    assert.equal(queue.readyCount, 1)
  })

  it('are gone when one end is gone, also after a restart', async () => {
    const world = await worldWithExchanges()
    const { namespace } = world
    namespace.deleteExchange(namespace.exchangeNamed('all'))
    namespace.deleteExchange(namespace.exchangeNamed('rest'))
    for (let round = 0; round < 2; round++) {
      const client = world.client()
      assert.equal(client.publish('us.new', 'm', { exchange: 'orders' }), PUBLISHED.unroutable)
      assert.equal(client.publish('us.old', 'm', { exchange: 'orders' }), PUBLISHED.unroutable)
      await world.restart('crash')
    }
  })

  it('let an auto-delete exchange go with its last binding, also after a restart', async () => {
    const world = await BrokerWorld.start()
    world.exchange('short-lived', 'fanout', {}, true)
    world.exchange('chained', 'fanout', {}, true)
    world.queue('q')
    world.bind('chained', 'short-lived', '')
    world.bind('short-lived', 'q', '')
    await world.restart('crash')
    assert.ok(world.namespace.exchanges.has('short-lived'))
    world.broker.deleteQueue(world.queueNamed('q'))
    assert.deepEqual(
      ['short-lived', 'chained'].map((name) => world.namespace.exchanges.has(name)),
      [false, false],
    )
    await world.restart('crash')
    assert.deepEqual(
      ['short-lived', 'chained'].map((name) => world.namespace.exchanges.has(name)),
      [false, false],
    )
  })

  it('that change are seen by the next message', async () => {
    const world = await worldWithExchanges()
    const client = world.client()
    const counts = (): number => world.queueNamed('q-all').readyCount
    client.publish('us.new', 'm', { exchange: 'orders' })
    const { namespace } = world
    const table = namespace.exchangeNamed('all').bindings[0]?.arguments
    assert.ok(table !== undefined)
    namespace.unbind(namespace.exchangeNamed('orders'), namespace.exchangeNamed('all'), '*.new', table)
    client.publish('us.new', 'm', { exchange: 'orders' })
    assert.equal(counts(), 1)
    world.bind('orders', 'all', 'us.*')
    client.publish('us.new', 'm', { exchange: 'orders' })
    assert.equal(counts(), 2)
  })
})
