/** Clients that do what is allowed, but without end or without reading: memory stays bounded and others are served. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { call } from '../amqp-0-9-1/login.ts'
import { encodeHeader, encodeMethod, FRAME, frame, type RawClient } from '../amqp-0-9-1/raw-client.ts'
import type { Table } from '../amqp-0-9-1/wire-value.ts'
import { endingOf, Siege } from './siege.ts'

const MIB = 2 ** 20
const siege = Siege.forFile()

async function visitor(): Promise<RawClient> {
  const client = await siege().client()
  await call(client, 1, 'channel.open')
  return client
}

/** The frames of a publication, to be sent many times. */
function publication(exchange: string, routingKey: string, properties: Table, body: Uint8Array, mandatory = false): Buffer {
  return Buffer.concat([
    frame(FRAME.method, 1, encodeMethod('basic.publish', { exchange, 'routing-key': routingKey, mandatory })),
    frame(FRAME.header, 1, encodeHeader(body.length, properties as never, 60)),
    ...(body.length > 0 ? [frame(FRAME.body, 1, body)] : []),
  ])
}

/** The number of the publication that was confirmed last. */
function lastConfirm(client: RawClient): number {
  return Number(client.arrivals.findLast(({ name }) => name === 'basic.ack')?.arguments['delivery-tag'] ?? 0)
}

function repeated(bytes: Buffer, count: number): Buffer {
  return Buffer.concat(Array.from({ length: count }, () => bytes))
}

/** Sends again and again, as long as the server reads; stops when it has stopped reading for a while. */
async function sendUntilStuck(client: RawClient, bytes: Buffer, timesMax: number, stuckMs = 1_500): Promise<number> {
  for (let sent = 0; sent < timesMax; sent++) {
    client.sendBytes(bytes)
    const stuck = new Promise<boolean>((resolve) => void setTimeout(() => resolve(true), stuckMs))
    if (await Promise.race([client.flushed().then(() => false), stuck])) return sent
  }
  return timesMax
}

test('stops reading from a client that does not read the messages that come back to it', async () => {
  await siege().withstand(async () => {
    const client = await visitor()
    client.stopReading()
    const returned = repeated(publication('', 'no-such-queue', {}, Buffer.alloc(60_000), true), 16)
    assert.ok((await sendUntilStuck(client, returned, 2_000)) < 2_000, 'the server goes on reading')
    client.destroy()
  })
})

test('stops reading from a client that does not read its answers', async () => {
  await siege().withstand(async () => {
    const client = await visitor()
    await call(client, 1, 'queue.declare', { queue: 'full', exclusive: true })
    client.sendPublish(1, { 'routing-key': 'full' }, {}, Buffer.alloc(100_000))
    client.stopReading()
    const asked = repeated(
      Buffer.concat([
        frame(FRAME.method, 1, encodeMethod('basic.get', { queue: 'full' })),
        frame(FRAME.method, 1, encodeMethod('basic.recover', { requeue: true })),
      ]),
      100,
    )
    assert.ok((await sendUntilStuck(client, asked, 20_000)) < 20_000, 'the server goes on reading')
    client.destroy()
  })
})

test('delivers no more to a consumer that does not read than fits its output', async () => {
  await siege().withstand(
    async () => {
      const client = await visitor()
      await call(client, 1, 'queue.declare', { queue: 'long', durable: true })
      const consumers = await Promise.all(Array.from({ length: 20 }, visitor))
      for (const consumer of consumers) {
        await call(consumer, 1, 'basic.consume', { queue: 'long', 'no-ack': true })
        consumer.stopReading()
      }
      await call(client, 1, 'confirm.select')
      const messages = repeated(publication('', 'long', { 'delivery-mode': 2 }, Buffer.alloc(20_000)), 50)
      for (let i = 0; i < 200; i++) {
        client.sendBytes(messages)
        await client.flushed()
      }
      assert.ok(await client.until(() => lastConfirm(client) === 10_000, 60_000))
      for (const consumer of consumers) consumer.destroy()
      await call(client, 1, 'queue.delete', { queue: 'long' })
      client.destroy()
    },
    { peakGrowthSizeBytes: 300 * MIB, growthSizeBytes: 200 * MIB },
  )
})

test('bounds a publisher that does not read its confirms', async () => {
  await siege().withstand(async () => {
    const client = await visitor()
    await call(client, 1, 'queue.declare', { queue: 'unread', exclusive: true, arguments: { 'x-max-length': 10 } })
    await call(client, 1, 'confirm.select')
    client.stopReading()
    const messages = repeated(publication('', 'unread', {}, Buffer.alloc(10)), 1_000)
    await sendUntilStuck(client, messages, 300)
    client.destroy()
  })
})

test('bounds what a consumer costs that accepts nothing', async () => {
  await siege().withstand(
    async () => {
      const client = await visitor()
      await call(client, 1, 'queue.declare', { queue: 'kept', exclusive: true })
      let deliveries = 0
      client.keepsArrivals = false
      client.onArrival = ({ name }) => void (name === 'basic.deliver' && deliveries++)
      client.sendMethod(1, 'basic.consume', { queue: 'kept' })
      const messages = repeated(publication('', 'kept', {}, Buffer.alloc(10)), 1_000)
      for (let i = 0; i < 200; i++) {
        client.sendBytes(messages)
        await client.flushed()
      }
      await client.until(() => deliveries === 200_000, 60_000)
      assert.equal(deliveries, 200_000)
      client.destroy()
    },
    { peakGrowthSizeBytes: 250 * MIB },
  )
})

test('serves others while messages with thousands of headers come', async () => {
  await siege().withstand(async () => {
    const client = await visitor()
    await call(client, 1, 'exchange.declare', { exchange: 'picky', type: 'headers', 'auto-delete': true })
    await call(client, 1, 'queue.declare', { queue: 'picked', exclusive: true, arguments: { 'x-max-length': 5 } })
    for (let i = 0; i < 200; i++) {
      const args = { 'x-match': 'any', [`k${i}`]: i, [`no${i}`]: 'never' }
      client.sendMethod(1, 'queue.bind', { queue: 'picked', exchange: 'picky', nowait: true, arguments: args })
    }
    await call(client, 1, 'confirm.select')
    const headers = Object.fromEntries(Array.from({ length: 4_000 }, (_, i) => [`h${i}`, 'v']))
    const messages = repeated(publication('picky', '', { headers }, Buffer.from('x')), 10)
    for (let i = 0; i < 20; i++) {
      client.sendBytes(messages)
      await client.flushed()
    }
    assert.ok(await client.until(() => lastConfirm(client) === 200, 60_000))
    client.destroy()
  })
})

/** Binding keys and routing keys that a matcher with back-tracking would never finish. */
test('matches topics in bounded time, whatever the patterns and the keys are', async () => {
  await siege().withstand(async () => {
    const client = await visitor()
    await call(client, 1, 'exchange.declare', { exchange: 'blow-up', type: 'topic', 'auto-delete': true })
    await call(client, 1, 'queue.declare', { queue: 'matched', exclusive: true, arguments: { 'x-max-length': 5 } })
    const bind = (key: string): void =>
      client.sendMethod(1, 'queue.bind', { queue: 'matched', exchange: 'blow-up', 'routing-key': key, nowait: true })
    bind('#.'.repeat(127))
    bind(`${'#.'.repeat(120)}end`)
    bind(`${'#.a.'.repeat(60)}end`)
    bind(`${'*.'.repeat(120)}end`)
    bind(`${'#.*.'.repeat(60)}end`)
    for (let count = 1; count < 60; count++) bind(`${'#.a.'.repeat(count)}b${count}`)
    for (let i = 0; i < 2_000; i++) bind(`#.${i % 50}.#.${i}`)
    await call(client, 1, 'confirm.select')
    const keys = ['a.'.repeat(127), '.'.repeat(255), '#.'.repeat(127), `${'a.'.repeat(125)}end`, 'a'.repeat(255), '']
    const messages = Buffer.concat(keys.map((key) => publication('blow-up', key, {}, Buffer.alloc(0))))
    for (let i = 0; i < 200; i++) client.sendBytes(messages)
    const last = keys.length * 200
    assert.ok(await client.until(() => lastConfirm(client) === last, 30_000))
    client.destroy()
  })
})

test('follows circles of exchanges, alternates and dead letters to their end', async () => {
  await siege().withstand(async () => {
    const client = await visitor()
    const names = Array.from({ length: 100 }, (_, i) => `circle-${i}`)
    for (const [i, name] of names.entries()) {
      const args = { 'alternate-exchange': names[(i + 7) % names.length] as string }
      await call(client, 1, 'exchange.declare', { exchange: name, type: 'fanout', arguments: args })
    }
    for (const [i, name] of names.entries()) {
      for (const step of [1, 2, 50, 99]) {
        client.sendMethod(1, 'exchange.bind', { source: name, destination: names[(i + step) % names.length] as string, nowait: true })
      }
    }
    const deadLetters = (next: string): Table => ({ 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': next, 'x-message-ttl': 1 })
    await call(client, 1, 'queue.declare', { queue: 'ring-a', exclusive: true, arguments: deadLetters('ring-b') })
    await call(client, 1, 'queue.declare', { queue: 'ring-b', exclusive: true, arguments: deadLetters('ring-a') })
    await call(client, 1, 'queue.bind', { queue: 'ring-a', exchange: 'circle-99' })
    await call(client, 1, 'confirm.select')
    for (let i = 0; i < 100; i++) client.sendPublish(1, { exchange: 'circle-0' }, { 'delivery-mode': 2 }, Buffer.from('x'))
    assert.ok(await client.until(() => lastConfirm(client) === 100, 30_000))
    // A message that only expires goes round once; the circle ends.
    let waiting = 1
    for (let i = 0; i < 500 && waiting > 0; i++) {
      waiting = 0
      for (const queue of ['ring-a', 'ring-b']) {
        const { arguments: args } = await call(client, 1, 'queue.declare', { queue, passive: true })
        waiting += Number(args['message-count'])
      }
    }
    assert.equal(waiting, 0)
    for (const name of names) await call(client, 1, 'exchange.delete', { exchange: name })
    client.destroy()
  })
})

test('limits channels and consumers, and serves others meanwhile', async () => {
  await siege().withstand(
    async () => {
      const client = await siege().client()
      for (let number = 1; number <= 2_047; number++) client.sendMethod(number, 'channel.open')
      await client.until(() => client.arrivals.filter(({ name }) => name === 'channel.open-ok').length === 2_047, 30_000)
      client.sendMethod(3_000, 'channel.open')
      assert.deepEqual(await endingOf(client), { closes: 'connection', code: 530 })
      client.destroy()

      const eager = await visitor()
      await call(eager, 1, 'queue.declare', { queue: 'popular', exclusive: true })
      for (let i = 0; i <= 10_000; i++) eager.sendMethod(1, 'basic.consume', { queue: 'popular', 'consumer-tag': `c${i}`, nowait: true })
      assert.deepEqual(await endingOf(eager, 60_000), { closes: 'channel', code: 506 })
      eager.destroy()
    },
    { peakGrowthSizeBytes: 250 * MIB },
  )
})

test('gives back what a client with thousands of queues, exchanges and bindings took', async () => {
  await siege().withstand(
    async () => {
      const client = await visitor()
      await call(client, 1, 'exchange.declare', { exchange: 'many', type: 'topic', 'auto-delete': true })
      for (let i = 0; i < 10_000; i++) {
        client.sendMethod(1, 'queue.declare', { queue: `many-${i}`, exclusive: true, nowait: true })
        client.sendMethod(1, 'queue.bind', { queue: `many-${i}`, exchange: 'many', 'routing-key': `${i}.*.#`, nowait: true })
        if (i % 500 === 0) await client.flushed()
      }
      await call(client, 1, 'queue.declare', { queue: 'many-9999', passive: true }, 'queue.declare-ok', 60_000)
      client.destroy()
      const other = await visitor()
      // Exclusive queues go with their connection; a queue of that name can be had when it is gone.
      let gone = false
      for (let number = 2; number < 500 && !gone; number++) {
        await call(other, number, 'channel.open')
        gone = await call(other, number, 'queue.declare', { queue: 'many-9999', exclusive: true }).then(
          () => true,
          () => false,
        )
      }
      other.destroy()
      assert.ok(gone)
    },
    { peakGrowthSizeBytes: 250 * MIB },
  )
})

test('bounds what a transaction gathers', async () => {
  await siege().withstand(
    async () => {
      const client = await visitor()
      await call(client, 1, 'tx.select')
      const messages = repeated(publication('', 'bystander-not', { 'delivery-mode': 2 }, Buffer.alloc(120_000)), 20)
      for (let i = 0; i < 200 && client.end === 'open'; i++) {
        client.sendBytes(messages)
        await client.flushed()
      }
      assert.deepEqual(await endingOf(client), { closes: 'channel', code: 506 })
      client.destroy()
    },
    { peakGrowthSizeBytes: 700 * MIB, growthSizeBytes: 500 * MIB },
  )
})
