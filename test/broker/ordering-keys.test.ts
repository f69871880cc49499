import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Arguments } from './broker-world.ts'
import { BrokerWorld, ENDINGS } from './broker-world.ts'
import type { Delivered, RecordingClient } from './recording-client.ts'

const KEYED: Arguments = { 'x-ordering-key': 'customer' }

function publish(client: RecordingClient, customer: string | undefined, body: string): void {
  client.publish('q', body, customer === undefined ? {} : { headers: { customer } })
}

describe('ordering keys', () => {
  it('let different keys go in parallel and one key go in order', async () => {
    const world = await BrokerWorld.start()
    const queue = world.queue('q', KEYED)
    const clients = [world.client(), world.client(), world.client()] as const
    for (const client of clients) client.consume(queue)
    for (const body of ['a1', 'a2', 'b1', 'a3', 'b2', 'c1']) publish(clients[0], body.slice(0, 1), body)
    await world.settle()
    const first = clients.flatMap((client) => client.deliveries.map(({ body }) => body))
    assert.deepEqual(first.toSorted(undefined), ['a1', 'b1', 'c1'])
    for (const client of clients) client.accept(...client.take())
    await world.settle()
    const second = clients.flatMap((client) => client.deliveries.map(({ body }) => body))
    assert.deepEqual(second.toSorted(undefined), ['a2', 'b2'])
  })

  it('may be the correlation id or the routing key', async () => {
    const world = await BrokerWorld.start()
    const byId = world.queue('by-id', { 'x-ordering-key': 'correlation-id' })
    const byKey = world.queue('by-key', { 'x-ordering-key': 'routing-key' })
    world.exchange('in', 'topic')
    world.bind('in', 'by-key', '#')
    const client = world.client()
    client.consume(byId)
    client.consume(byKey)
    for (const correlationId of ['x', 'x', 'y']) client.publish('by-id', `id ${correlationId}`, { correlationId })
    for (const key of ['x', 'x', 'y']) client.publish(key, `key ${key}`, { exchange: 'in' })
    await world.settle()
    assert.deepEqual(client.takeBodies().toSorted(undefined), ['id x', 'id y', 'key x', 'key y'])
  })

  it('do not bind messages that have none', async () => {
    const world = await BrokerWorld.start()
    const client = world.client()
    client.consume(world.queue('q', KEYED))
    for (let i = 0; i < 5; i++) publish(client, undefined, `m${i}`)
    await world.settle()
    assert.deepEqual(client.takeBodies(), ['m0', 'm1', 'm2', 'm3', 'm4'])
  })

  it('keep the order when a message is returned', async () => {
    const world = await BrokerWorld.start()
    const client = world.client()
    client.consume(world.queue('q', KEYED))
    for (const body of ['a1', 'a2']) publish(client, 'a', body)
    for (let round = 0; round < 3; round++) {
      await world.settle()
      const delivery = client.takeOne()
      assert.deepEqual([delivery.body, delivery.redelivered], ['a1', round > 0])
      if (round < 2) client.release(delivery)
      else client.accept(delivery)
    }
    await world.settle()
    assert.equal(client.takeOne().body, 'a2')
  })

  it('go on after a rejection', async () => {
    const world = await BrokerWorld.start()
    world.queue('dead')
    const client = world.client()
    client.consume(world.queue('q', { ...KEYED, 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'dead' }))
    for (const body of ['a1', 'a2']) publish(client, 'a', body)
    await world.settle()
    client.reject(client.takeOne())
    await world.pass(10)
    assert.equal(client.takeOne().body, 'a2')
    assert.deepEqual(await world.bodiesIn('dead'), ['a1'])
  })

  it('are blocked while their first message waits for its back-off, other keys are not', async () => {
    const world = await BrokerWorld.start()
    const client = world.client()
    client.consume(world.queue('q', { ...KEYED, 'x-redelivery-delay': 1_000 }))
    for (const body of ['a1', 'a2', 'b1']) publish(client, body.slice(0, 1), body)
    await world.settle()
    const [a1, b1] = client.take()
    assert.ok(a1 !== undefined && b1 !== undefined)
    client.release(a1)
    client.accept(b1)
    publish(client, 'b', 'b2')
    await world.pass(999)
    assert.deepEqual(client.takeBodies(), ['b2'])
    await world.pass(1)
    const again = client.takeOne()
    assert.deepEqual([again.body, again.redelivered], ['a1', true])
    client.accept(again)
    await world.settle()
    assert.equal(client.takeOne().body, 'a2')
  })

  it('go on when their first message expires during its back-off', async () => {
    const world = await BrokerWorld.start()
    const client = world.client()
    client.consume(world.queue('q', { ...KEYED, 'x-redelivery-delay': 60_000 }))
    client.publish('q', 'a1', { headers: { customer: 'a' }, expirationMs: 2_000 })
    publish(client, 'a', 'a2')
    await world.settle()
    client.release(client.takeOne())
    await world.pass(1_999)
    assert.deepEqual(client.deliveries, [])
    await world.pass(1)
    assert.equal(client.takeOne().body, 'a2')
  })

  for (const ending of ENDINGS) {
    for (const checkpoint of [true, false]) {
      it(`are kept across a restart (${ending}, ${checkpoint ? 'with' : 'without'} a checkpoint before)`, async () => {
        const world = await BrokerWorld.start()
        const client = world.client()
        client.consume(world.queue('q', { ...KEYED, 'x-redelivery-delay': 60_000 }))
        for (const body of ['a1', 'a2', 'b1', 'b2']) publish(client, body.slice(0, 1), body)
        await world.settle()
        const [a1] = client.take()
        assert.ok(a1 !== undefined)
        client.release(a1)
        await world.durable()
        if (checkpoint) await world.clock.settle(world.broker.checkpoint())
        await world.restart(ending)
        const later = world.client()
        later.consume(world.queueNamed('q'))
        await world.pass(100)
        // a1 still waits for its back-off and blocks a2. b1 was with a consumer: its connection ended, and it waits, too; or it crashed.
        if (ending === 'crash') {
          const b1 = later.takeOne()
          assert.deepEqual([b1.body, b1.redelivered], ['b1', true])
          later.accept(b1)
          await world.pass(100)
          later.accept(later.takeOne())
        }
        assert.deepEqual(later.deliveries, [])
        await world.pass(60_000)
        assert.deepEqual(later.takeBodies(), ending === 'crash' ? ['a1'] : ['a1', 'b1'])
      })
    }
  }

  it('cost no memory for messages that expire while nobody consumes', async () => {
    const world = await BrokerWorld.start()
    const queue = world.queue('q', { ...KEYED, 'x-message-ttl': 100 }, { durable: false })
    const client = world.client()
    publish(client, 'a', 'first')
    for (let round = 0; round < 30; round++) {
      for (let i = 0; i < 1_000; i++) publish(client, i % 2 === 0 ? 'a' : `b${i}`, 'm')
      await world.pass(60)
    }
    assert.ok(queue.order.heldCount < 12_000, `${queue.order.heldCount} numbers are kept for ${queue.messageCount} messages`)
  })

  it('hold for any sequence of settlements by any number of consumers', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.nat(2), fc.constantFrom('accept', 'release', 'reject', 'leave')), {
          minLength: 5,
          maxLength: 60,
        }),
        async (steps) => {
          const world = await BrokerWorld.start()
          const queue = world.queue('q', KEYED)
          let clients = Array.from({ length: 3 }, () => world.client())
          for (const client of clients) client.consume(queue, { prefetch: 2 })
          const open = new Map<string, Delivered>()
          const lastDone = new Map<string, number>()
          let number = 0
          for (const [key, at, what] of steps) {
            publish(clients[0] as RecordingClient, key, `${key} ${number++}`)
            await world.settle()
            for (const client of clients) {
              for (const delivery of client.deliveries) {
                const [owner, place] = delivery.body.split(' ') as [string, string]
                const other = open.get(owner)
                assert.ok(other === undefined || other === delivery, `two of ${owner} are out`)
                open.set(owner, delivery)
                assert.ok(Number(place) > (lastDone.get(owner) ?? -1), `${delivery.body} came after its successor`)
              }
            }
            const client = clients[at] as RecordingClient
            if (what === 'leave') {
              for (const { body } of client.deliveries) open.delete(body.split(' ')[0] as string)
              client.end()
              const next = world.client()
              next.consume(queue, { prefetch: 2 })
              clients = clients.map((each) => (each === client ? next : each))
              continue
            }
            const delivery = client.deliveries.shift()
            if (delivery === undefined) continue
            const [owner, place] = delivery.body.split(' ') as [string, string]
            open.delete(owner)
            if (what !== 'release') lastDone.set(owner, Number(place))
            client[what](delivery)
          }
        },
      ),
      { numRuns: 40 },
    )
  })
})
