import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { BrokerWorld, ENDINGS } from './broker-world.ts'

describe('policies', () => {
  it('hold for the queues whose names match, those that are there and those that come', async () => {
    const world = await BrokerWorld.start()
    const before = world.queue('orders.a')
    world.namespace.policies.set('policy', { name: 'p', pattern: '^orders\\.', definition: { 'max-length': 5 } })
    const after = world.queue('orders.b')
    const other = world.queue('other')
    assert.deepEqual([before.settings.lengthMax, after.settings.lengthMax, other.settings.lengthMax], [5, 5, undefined])
  })

  it('give way to one of a higher priority as a whole, and come back when it is deleted', async () => {
    const world = await BrokerWorld.start()
    const queue = world.queue('q')
    const { policies } = world.namespace
    policies.set('policy', { name: 'low', pattern: '.*', definition: { 'max-length': 5, 'message-ttl': 1_000 } })
    policies.set('policy', { name: 'high', pattern: '^q', priority: 1, definition: { 'max-length': 9 } })
    assert.deepEqual([queue.settings.lengthMax, queue.settings.messageTtlMs], [9, undefined])
    policies.delete('policy', 'high')
    assert.deepEqual([queue.settings.lengthMax, queue.settings.messageTtlMs], [5, 1_000])
    policies.delete('policy', 'low')
    assert.deepEqual([queue.settings.lengthMax, queue.settings.messageTtlMs], [undefined, undefined])
    assert.throws(() => policies.delete('policy', 'low'), { code: 'NOT_FOUND' })
  })

  it('that are changed hold at once', async () => {
    const world = await BrokerWorld.start()
    const queue = world.queue('q')
    const { policies } = world.namespace
    const client = world.client()
    policies.set('policy', { name: 'p', pattern: '^q', definition: { 'max-length': 5 } })
    for (let i = 0; i < 8; i++) client.publish('q', `m${i}`)
    policies.set('policy', { name: 'p', pattern: '^q', definition: { 'max-length': 2 } })
    assert.equal(queue.readyCount, 2)
    policies.set('policy', { name: 'p', pattern: '^nothing$', definition: { 'max-length': 1 } })
    for (let i = 0; i < 8; i++) client.publish('q', `m${i}`)
    assert.equal(queue.readyCount, 10)
  })

  it('do not loosen what the arguments of a queue say', async () => {
    const world = await BrokerWorld.start()
    const queue = world.queue('q', { 'x-max-length': 5, 'x-dead-letter-exchange': 'mine' })
    const definition = { 'max-length': 9, 'dead-letter-exchange': 'theirs', 'message-ttl': 1_000 }
    world.namespace.policies.set('policy', { name: 'p', pattern: '^q', definition })
    const { lengthMax, deadLetterExchange, messageTtlMs } = queue.settings
    assert.deepEqual([lengthMax, deadLetterExchange, messageTtlMs], [5, 'mine', 1_000])
  })

  it('of operators bound what users ask for, by argument and by policy', async () => {
    const world = await BrokerWorld.start()
    const { policies } = world.namespace
    const [plain, strict] = [world.queue('q1'), world.queue('q2', { 'x-message-ttl': 100 })]
    policies.set('policy', { name: 'users', pattern: '.*', definition: { 'max-length': 1_000, 'message-ttl': 60_000 } })
    policies.set('operator', { name: 'bound', pattern: '.*', definition: { 'max-length': 10, 'message-ttl': 5_000 } })
    assert.deepEqual([plain.settings.lengthMax, plain.settings.messageTtlMs], [10, 5_000])
    assert.deepEqual([strict.settings.lengthMax, strict.settings.messageTtlMs], [10, 100])
    assert.throws(() => policies.set('operator', { name: 'x', pattern: '.*', definition: { 'dead-letter-exchange': 'x' } }), {
      code: 'PRECONDITION_FAILED',
    })
    policies.delete('operator', 'bound')
    assert.equal(plain.settings.lengthMax, 1_000)
  })

  it('leave message priority and ordering key as the queue was made', async () => {
    const world = await BrokerWorld.start()
    const queue = world.queue('q')
    world.namespace.policies.set('policy', { name: 'p', pattern: '^q', definition: { 'ordering-key': 'k' } })
    const later = world.queue('q2')
    assert.deepEqual([queue.settings.orderingKey, later.settings.orderingKey], [undefined, 'k'])
  })

  it('make a queue expire that is not used', async () => {
    const world = await BrokerWorld.start()
    world.queue('q')
    await world.pass(60_000)
    world.namespace.policies.set('policy', { name: 'p', pattern: '^q', definition: { expires: 1_000 } })
    await world.pass(999)
    assert.ok(world.hasQueue('q'))
    await world.pass(1)
    assert.ok(!world.hasQueue('q'))
  })

  it('give exchanges an alternate exchange', async () => {
    const world = await BrokerWorld.start()
    world.exchange('x', 'topic')
    world.exchange('rest', 'fanout')
    const queue = world.queue('q')
    world.bind('rest', 'q', '')
    const client = world.client()
    client.publish('k', 'lost', { exchange: 'x' })
    world.namespace.policies.set('policy', {
      name: 'p',
      pattern: '^x$',
      applyTo: 'exchanges',
      definition: { 'alternate-exchange': 'rest' },
    })
    client.publish('k', 'caught', { exchange: 'x' })
    assert.equal(queue.readyCount, 1)
    world.namespace.policies.delete('policy', 'p')
    client.publish('k', 'lost', { exchange: 'x' })
    assert.equal(queue.readyCount, 1)
  })

  for (const ending of ENDINGS) {
    it(`are the same after a restart (${ending})`, async () => {
      const world = await BrokerWorld.start()
      const set = world.namespace.policies
      set.set('policy', { name: 'gone', pattern: '.*', priority: 9, definition: { 'max-length': 1 } })
      set.set('policy', { name: 'kept', pattern: '^q', definition: { 'max-length': 50 } })
      world.queue('q')
      set.set('policy', { name: 'kept', pattern: '^q', definition: { 'max-length': 5, 'dead-letter-exchange': 'dlx' } })
      await world.clock.settle(world.broker.checkpoint())
      set.set('operator', { name: 'bound', pattern: '.*', definition: { 'max-length': 3 } })
      set.delete('policy', 'gone')
      for (let round = 0; round < 2; round++) {
        await world.restart(ending)
        const { policies } = world.namespace
        assert.deepEqual(
          policies.list('policy').map(({ name }) => name),
          ['kept'],
        )
        assert.deepEqual(
          policies.list('operator').map(({ name }) => name),
          ['bound'],
        )
        const { lengthMax, deadLetterExchange } = world.queueNamed('q').settings
        assert.deepEqual([lengthMax, deadLetterExchange], [3, 'dlx'])
      }
      for (let i = 0; i < 9; i++) world.client().publish('q', `m${i}`)
      await world.settle()
      assert.equal(world.queueNamed('q').readyCount, 3)
    })
  }
})
