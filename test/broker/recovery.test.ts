import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { BrokerWorld, ENDINGS } from './broker-world.ts'

describe('a restart', () => {
  for (const ending of ENDINGS) {
    it(`keeps persistent messages of durable queues in their order, and nothing else (${ending})`, async () => {
      const world = await BrokerWorld.start()
      world.queue('durable')
      world.queue('transient', {}, { durable: false })
      const client = world.client()
      for (let i = 0; i < 50; i++) {
        client.publish('durable', `p${i}`)
        client.publish('durable', `t${i}`, { persistent: false })
        client.publish('transient', `p${i}`)
      }
      await world.restart(ending)
      assert.ok(!world.hasQueue('transient'))
      assert.deepEqual(
        await world.bodiesIn('durable'),
        Array.from({ length: 50 }, (_, i) => `p${i}`),
      )
    })

    it(`marks what was delivered, and does not bring back what was settled (${ending})`, async () => {
      const world = await BrokerWorld.start()
      const client = world.client()
      client.consume(world.queue('q'), { prefetch: 4 })
      for (const body of ['accepted', 'kept', 'accepted', 'kept', 'waiting']) client.publish('q', body)
      await world.settle()
      const [first, , third] = client.take()
      assert.ok(first !== undefined && third !== undefined)
      client.session.setFlow(false)
      client.accept(first, third)
      await world.restart(ending)
      const reader = world.client()
      reader.consume(world.queueNamed('q'))
      await world.pass(100)
      const deliveries = reader.take().map(({ body, redelivered }) => [body, redelivered])
      assert.deepEqual(deliveries, [
        ['kept', true],
        ['kept', true],
        // After a crash nobody knows whether it was delivered.
        ['waiting', ending === 'crash'],
      ])
    })

    it(`keeps the order of returned messages (${ending})`, async () => {
      const world = await BrokerWorld.start()
      const client = world.client()
      for (let i = 0; i < 6; i++) client.publish('q', String(i))
      const consumer = client.consume(world.queue('q'))
      for (let i = 0; i < 6; i++) client.publish('q', String(i))
      await world.settle()
      const deliveries = client.take()
      client.cancel(consumer)
      client.release(...deliveries.filter((_, i) => i % 2 === 0))
      await world.restart(ending)
      assert.deepEqual(await world.bodiesIn('q'), ['0', '1', '2', '3', '4', '5'])
    })

    it(`goes on numbering where it was: nothing of before settles what is new (${ending})`, async () => {
      const world = await BrokerWorld.start()
      world.queue('q')
      for (let life = 0; life < 6; life++) {
        const client = world.client()
        for (let i = 0; i < 10; i++) client.publish('q', `${life}.${i}`, { persistent: i % 3 !== 0 })
        await world.durable()
        for (let i = 0; i < 3; i++) {
          const fetched = await world.fetch(client, 'q')
          assert.ok(fetched !== undefined)
          client.accept(fetched)
        }
        await world.durable()
        if (life % 2 === 0) await world.clock.settle(world.broker.checkpoint())
        const before = (await world.bodiesIn('q')).filter((body) => Number(body.split('.')[1]) % 3 !== 0)
        await world.restart(ending)
        assert.deepEqual(await world.bodiesIn('q'), before)
      }
    })

    it(`keeps what a purge left, and not what it removed (${ending})`, async () => {
      const world = await BrokerWorld.start()
      const queue = world.queue('q')
      const client = world.client()
      for (let i = 0; i < 100; i++) client.publish('q', `old ${i}`)
      await world.durable()
      assert.equal(queue.purge(), 100)
      client.publish('q', 'new')
      await world.restart(ending)
      assert.deepEqual(await world.bodiesIn('q'), ['new'])
    })
  }

  it('loses nothing that was confirmed, whenever the power goes', async () => {
    for (let step = 0; step < 60; step++) {
      const world = await BrokerWorld.start({ seed: step + 1 })
      world.queue('q')
      const client = world.client()
      client.session.selectConfirms()
      await world.durable()
      let number = 0
      for (let i = 0; i < 10; i++) {
        for (let j = 0; j < 5; j++) client.publish('q', String(number++))
        await world.clock.runFor(step * 0.03)
      }
      const { confirmedCount } = client
      world.crash()
      await world.powerOn()
      const bodies = await world.bodiesIn('q')
      assert.ok(bodies.length >= confirmedCount, `${bodies.length} of ${confirmedCount} confirmed ones`)
      assert.deepEqual(
        bodies,
        bodies.map((_, i) => String(i)),
      )
    }
  })
})
