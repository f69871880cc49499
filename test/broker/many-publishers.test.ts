import assert from 'node:assert/strict'
import { it } from 'node:test'
import type { RecordingClient } from './recording-client.ts'
import { BrokerWorld } from './broker-world.ts'

it('confirms to many sessions in steps that grow with their number, not with its square', async () => {
  const world = await BrokerWorld.start({ limits: {} })
  world.queue('q')
  let steps = 0
  const clients = Array.from({ length: 2_000 }, () => world.client())
  for (const { session } of clients) {
    session.selectConfirms()
    const advance = session.advanceConfirms.bind(session)
    let waiting = 1
    session.advanceConfirms = (watermark) => (advance(watermark) ? true : ((waiting = 0), false))
    Object.defineProperty(session, 'unconfirmedCount', { get: () => (steps++, waiting) })
  }
  for (const client of clients) client.publish('q', 'm')
  await world.durable()
  await world.pass(10)
  assert.ok(clients.every((client) => client.confirmedCount === 1))
  assert.ok(steps <= 10 * clients.length, `${steps} steps for ${clients.length} sessions`)
})

it('confirms to all that are left when sessions close in any order', async () => {
  const world = await BrokerWorld.start()
  world.queue('q')
  const clients = Array.from({ length: 20 }, () => world.client())
  for (const client of clients) client.session.selectConfirms()
  for (const client of clients) client.publish('q', 'm')
  const closed = [0, 19, 7, 8, 18, 1].map((i) => clients[i] as RecordingClient)
  for (const client of closed) client.end()
  await world.durable()
  await world.pass(10)
  const left = clients.filter((client) => !closed.includes(client))
  assert.deepEqual(
    left.map((client) => client.confirmedCount),
    left.map(() => 1),
  )
})
