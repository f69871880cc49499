import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { OUTCOME } from '../../src/broker/session.ts'
import { BrokerWorld } from './broker-world.ts'

const TO_DEAD = { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'dead' }

/** Two messages are with a client that is to accept one, reject the other and publish two, in one transaction. */
async function worldWithWork(seed: number) {
  const world = await BrokerWorld.start({ seed })
  const queue = world.queue('q', TO_DEAD)
  for (const name of ['dead', 'out-1', 'out-2']) world.queue(name)
  const publisher = world.client()
  for (const body of ['a', 'r']) publisher.publish('q', body)
  await world.durable()
  const client = world.client()
  client.consume(queue)
  await world.settle()
  const [a, r] = client.take()
  assert.ok(a !== undefined && r !== undefined)
  client.session.selectTransaction()
  client.publish('out-1', 'x')
  client.publish('out-2', 'y')
  client.accept(a)
  client.reject(r)
  return { world, client }
}

function countsOf(world: BrokerWorld): Record<string, number> {
  return Object.fromEntries(['q', 'dead', 'out-1', 'out-2'].map((name) => [name, world.queueNamed(name).messageCount]))
}

const BEFORE = { q: 2, dead: 0, 'out-1': 0, 'out-2': 0 }
const AFTER = { q: 0, dead: 1, 'out-1': 1, 'out-2': 1 }

describe('the commit of a transaction', () => {
  it('is the first moment at which anything happens', async () => {
    const { world } = await worldWithWork(1)
    await world.pass(100)
    assert.deepEqual(countsOf(world), BEFORE)
  })

  it('is answered when all its effects survive a crash', async () => {
    const { world, client } = await worldWithWork(1)
    assert.equal(await world.clock.settle(client.commit()), undefined)
    world.crash()
    await world.powerOn()
    assert.deepEqual(countsOf(world), AFTER)
  })

  it('has all its effects or none after a crash at any moment', async () => {
    const seen = { before: 0, after: 0 }
    for (let step = 0; step < 80; step++) {
      const { world, client } = await worldWithWork(step + 1)
      let answered = false
      void client.commit().then(() => (answered = true))
      await world.clock.runFor(step * 0.02)
      world.crash()
      await world.powerOn()
      const counts = countsOf(world)
      const after = counts['q'] === 0
      assert.deepEqual(counts, after ? AFTER : BEFORE, `step ${step}`)
      assert.ok(after || !answered, `the commit was answered in step ${step}`)
      seen[after ? 'after' : 'before']++
    }
    assert.ok(seen.before > 0 && seen.after > 0, `the moment is met from both sides: ${JSON.stringify(seen)}`)
  })

  it('is whole or absent also when the transaction is large', async () => {
    const seen = { before: 0, after: 0 }
    for (let step = 0; step < 20; step++) {
      const world = await BrokerWorld.start({ seed: step + 1 })
      world.queue('q')
      await world.durable()
      const client = world.client()
      client.session.selectTransaction()
      // More than a chunk, and at times over the border of a segment.
      for (let i = 0; i < 60; i++) client.publish('q', `${i} ${'x'.repeat(1_000)}`)
      void client.commit()
      await world.clock.runFor(step * 0.05)
      world.crash()
      await world.powerOn()
      const { messageCount } = world.queueNamed('q')
      assert.ok(messageCount === 0 || messageCount === 60, `${messageCount} of 60`)
      seen[messageCount === 0 ? 'before' : 'after']++
    }
    assert.ok(seen.before > 0 && seen.after > 0, JSON.stringify(seen))
  })

  it('is not answered before a rejected message that lies on the disk is at its new place', async () => {
    const world = await BrokerWorld.start()
    const queue = world.queue('q', TO_DEAD)
    world.queue('dead')
    const client = world.client()
    client.publish('q', 'old')
    client.consume(queue, { prefetch: 1 })
    await world.settle()
    const old = client.takeOne()
    for (let i = 0; i < 200; i++) client.publish('q', 'x'.repeat(1_000))
    await world.durable()
    client.session.selectTransaction()
    client.reject(old)
    assert.equal(await world.clock.settle(client.commit()), undefined)
    world.crash()
    await world.powerOn()
    assert.deepEqual(await world.bodiesIn('dead'), ['old'])
    assert.equal(world.queueNamed('q').messageCount, 200)
  })

  it('after a rollback has nothing to do, and the deliveries are unsettled still', async () => {
    const { world, client } = await worldWithWork(1)
    client.session.rollback()
    await world.pass(10)
    assert.deepEqual(countsOf(world), BEFORE)
    assert.equal(client.session.unsettledCount, 2)
    client.session.commit(() => {})
    await world.pass(10)
    assert.deepEqual(countsOf(world), BEFORE)
  })

  it('returns unroutable mandatory messages', async () => {
    const world = await BrokerWorld.start()
    const client = world.client()
    client.session.selectTransaction()
    client.publish('missing', 'm', { mandatory: true })
    assert.deepEqual(client.returnedBodies, [])
    await world.clock.settle(client.commit())
    assert.deepEqual(client.returnedBodies, ['m'])
  })

  it('tells when a queue refused one of its messages', async () => {
    const world = await BrokerWorld.start()
    world.queue('full', { 'x-max-length': 0, 'x-overflow': 'reject-publish' })
    const client = world.client()
    client.session.selectTransaction()
    client.publish('full', 'm')
    assert.equal((await world.clock.settle(client.commit()))?.code, 'PRECONDITION_FAILED')
  })

  it('settles everything up to a delivery, and nothing that came later', async () => {
    const world = await BrokerWorld.start()
    const queue = world.queue('q')
    const client = world.client()
    for (let i = 0; i < 5; i++) client.publish('q', `m${i}`)
    client.session.selectTransaction()
    client.consume(queue)
    client.session.commit(() => {})
    await world.settle()
    client.session.settle(3, true, OUTCOME.accept)
    assert.equal(queue.messageCount, 5)
    client.session.commit(() => {})
    assert.deepEqual([queue.messageCount, client.session.unsettledCount], [2, 2])
  })
})
