import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { after, before, test } from 'node:test'
import { connect, type ChannelModel, type ConsumeMessage } from 'amqplib'
import { startBrokerUnderTest, type BrokerUnderTest } from './broker-under-test.ts'
import { until } from './condition.ts'

let broker: BrokerUnderTest

before(async () => {
  broker = await startBrokerUnderTest()
})

after(async () => {
  await broker.stop()
})

async function withConnection(work: (connection: ChannelModel) => Promise<void>): Promise<void> {
  const connection = await connect(broker.url)
  try {
    await work(connection)
  } finally {
    await connection.close()
  }
}

/** The socket under a connection, to cut it. */
function socketOf(connection: ChannelModel): Socket {
  return (connection.connection as unknown as { stream: Socket }).stream
}

test('amqplib publishes with confirms and consumes with manual acknowledgements, in order', async () => {
  await withConnection(async (connection) => {
    const channel = await connection.createConfirmChannel()
    await channel.assertQueue('amqplib-orders', { durable: true })
    for (let number = 0; number < 500; number++) channel.sendToQueue('amqplib-orders', Buffer.from(String(number)), { persistent: true })
    await channel.waitForConfirms()
    const received: string[] = []
    await channel.prefetch(50)
    await channel.consume('amqplib-orders', (message) => {
      if (message === null) return
      received.push(message.content.toString())
      channel.ack(message)
    })
    await until('500 messages came', () => received.length === 500)
    assert.deepEqual(
      received,
      Array.from({ length: 500 }, (_, index) => String(index)),
    )
  })
})

test('amqplib gets an unsettled message again, marked as redelivered, after its connection was cut', async () => {
  const first = await connect(broker.url)
  first.on('error', () => undefined)
  const channel = await first.createConfirmChannel()
  channel.on('error', () => undefined)
  await channel.assertQueue('amqplib-redelivery', { durable: true })
  channel.sendToQueue('amqplib-redelivery', Buffer.from('once more'), { persistent: true })
  await channel.waitForConfirms()
  const taken = await channel.get('amqplib-redelivery')
  assert.ok(taken !== false && !taken.fields.redelivered)
  socketOf(first).destroy(new Error('cut by the test'))
  await withConnection(async (connection) => {
    const other = await connection.createChannel()
    let again: ConsumeMessage | undefined
    await other.consume('amqplib-redelivery', (message) => {
      if (message === null) return
      again = message
      other.ack(message)
    })
    await until('the message came again', () => again !== undefined)
    assert.equal(again?.content.toString(), 'once more')
    assert.equal(again?.fields.redelivered, true)
  })
})

test('amqplib finds a rejected message in the dead letter queue with its history', async () => {
  await withConnection(async (connection) => {
    const channel = await connection.createConfirmChannel()
    await channel.assertExchange('amqplib-dead', 'fanout', { durable: true })
    await channel.assertQueue('amqplib-dead-letters', { durable: true })
    await channel.bindQueue('amqplib-dead-letters', 'amqplib-dead', '')
    await channel.assertQueue('amqplib-work', { durable: true, deadLetterExchange: 'amqplib-dead' })
    channel.sendToQueue('amqplib-work', Buffer.from('bad'), { headers: { tenant: 'a' }, messageId: 'm-1' })
    await channel.waitForConfirms()
    const message = await channel.get('amqplib-work')
    assert.ok(message !== false)
    channel.nack(message, false, false)
    let dead: Awaited<ReturnType<typeof channel.get>> = false
    await until('the dead letter is there', async () => {
      dead = await channel.get('amqplib-dead-letters', { noAck: true })
      return dead !== false
    })
    assert.ok((dead as unknown) !== false)
    const { properties } = dead as unknown as ConsumeMessage
    assert.equal(properties.messageId, 'm-1')
    assert.equal(properties.headers?.['tenant'], 'a')
    const [death] = properties.headers?.['x-death'] ?? []
    assert.equal(death?.reason, 'rejected')
    assert.equal(death?.queue, 'amqplib-work')
    assert.equal(death?.count, 1)
    assert.deepEqual(death?.['routing-keys'], ['amqplib-work'])
  })
})

test('amqplib moves a message of a mebibyte, which is larger than a frame', async () => {
  await withConnection(async (connection) => {
    const channel = await connection.createConfirmChannel()
    await channel.assertQueue('amqplib-large', { durable: true })
    const body = Buffer.alloc(1 << 20)
    for (let index = 0; index < body.length; index++) body[index] = index % 251
    channel.sendToQueue('amqplib-large', body, { persistent: true })
    await channel.waitForConfirms()
    const message = await channel.get('amqplib-large', { noAck: true })
    assert.ok(message !== false)
    assert.ok(message.content.equals(body))
  })
})

test('amqplib routes by topic', async () => {
  await withConnection(async (connection) => {
    const channel = await connection.createConfirmChannel()
    await channel.assertExchange('amqplib-topic', 'topic', { durable: false })
    const received: Record<string, string[]> = {}
    for (const pattern of ['order.*.created', 'order.#', '*.eu.*']) {
      const { queue } = await channel.assertQueue('', { exclusive: true })
      await channel.bindQueue(queue, 'amqplib-topic', pattern)
      const keys: string[] = []
      received[pattern] = keys
      await channel.consume(queue, (message) => void keys.push(message?.fields.routingKey ?? ''), { noAck: true })
    }
    for (const key of ['order.eu.created', 'order.us.paid', 'invoice.eu.sent', 'order', 'stock.us.low']) {
      channel.publish('amqplib-topic', key, Buffer.alloc(0))
    }
    await channel.waitForConfirms()
    await until('all matching messages came', () => Object.values(received).flat().length === 6)
    assert.deepEqual(received, {
      'order.*.created': ['order.eu.created'],
      'order.#': ['order.eu.created', 'order.us.paid', 'order'],
      '*.eu.*': ['order.eu.created', 'invoice.eu.sent'],
    })
  })
})

test('amqplib gets a mandatory message back that nobody takes', async () => {
  await withConnection(async (connection) => {
    const channel = await connection.createConfirmChannel()
    const returned: string[] = []
    channel.on('return', (message) => void returned.push(message.content.toString()))
    channel.publish('', 'amqplib-nobody', Buffer.from('back'), { mandatory: true })
    await channel.waitForConfirms()
    assert.deepEqual(returned, ['back'])
  })
})

test('amqplib hears the reason when the broker closes its channel', async () => {
  await withConnection(async (connection) => {
    const channel = await connection.createChannel()
    channel.on('error', () => undefined)
    await assert.rejects(channel.checkQueue('amqplib-missing'), { code: 404 })
    const other = await connection.createChannel()
    await other.assertQueue('amqplib-other', { durable: false })
  })
})

test('amqplib finds its durable messages, queues and bindings after the broker was killed and started again', async () => {
  const first = await connect(broker.url)
  first.on('error', () => undefined)
  const publisher = await first.createConfirmChannel()
  publisher.on('error', () => undefined)
  await publisher.assertExchange('amqplib-kept-x', 'direct', { durable: true })
  await publisher.assertQueue('amqplib-kept', { durable: true })
  await publisher.bindQueue('amqplib-kept', 'amqplib-kept-x', 'k')
  for (let number = 0; number < 200; number++) publisher.publish('amqplib-kept-x', 'k', Buffer.from(String(number)), { persistent: true })
  await publisher.waitForConfirms()
  await broker.restart({ kill: true })
  await withConnection(async (connection) => {
    const channel = await connection.createConfirmChannel()
    channel.publish('amqplib-kept-x', 'k', Buffer.from('200'), { persistent: true })
    await channel.waitForConfirms()
    const received = new Set<string>()
    await channel.consume('amqplib-kept', (message) => {
      if (message === null) return
      received.add(message.content.toString())
      channel.ack(message)
    })
    await until('all messages came', () => received.size === 201)
  })
})
