import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { AMQPClient, type AMQPMessage } from '@cloudamqp/amqp-client'
import { startBrokerUnderTest, type BrokerUnderTest } from './broker-under-test.ts'
import { until } from './condition.ts'

let broker: BrokerUnderTest

before(async () => {
  broker = await startBrokerUnderTest()
})

after(async () => {
  await broker.stop()
})

type Connection = Awaited<ReturnType<AMQPClient['connect']>>

async function withConnection(work: (connection: Connection) => Promise<void>): Promise<void> {
  const connection = await new AMQPClient(broker.url).connect()
  try {
    await work(connection)
  } finally {
    await connection.close()
  }
}

test('@cloudamqp/amqp-client publishes with confirms and consumes with manual acknowledgements, in order', async () => {
  await withConnection(async (connection) => {
    const channel = await connection.channel()
    await channel.confirmSelect()
    await channel.queueDeclare('ca-orders', { durable: true })
    for (let number = 0; number < 200; number++) await channel.basicPublish('', 'ca-orders', String(number), { deliveryMode: 2 })
    const received: string[] = []
    await channel.basicQos(20)
    const consumer = await channel.basicConsume('ca-orders', { noAck: false }, async (message) => {
      received.push(message.bodyString() ?? '')
      await message.ack()
    })
    await until('200 messages came', () => received.length === 200)
    assert.deepEqual(
      received,
      Array.from({ length: 200 }, (_, index) => String(index)),
    )
    await channel.basicCancel(consumer.tag)
    assert.equal((await channel.queueDeclare('ca-orders', { passive: true })).messageCount, 0)
  })
})

test('@cloudamqp/amqp-client gets an unsettled message again, marked as redelivered, after its connection was cut', async () => {
  const client = new AMQPClient(broker.url)
  const first = await client.connect()
  const channel = await first.channel()
  await channel.confirmSelect()
  await channel.queueDeclare('ca-redelivery', { durable: true })
  await channel.basicPublish('', 'ca-redelivery', 'once more', { deliveryMode: 2 })
  const taken = await channel.basicGet('ca-redelivery', { noAck: false })
  assert.equal(taken?.redelivered, false)
  ;(client as unknown as { socket: { destroy(): void } }).socket.destroy()
  await withConnection(async (connection) => {
    const other = await connection.channel()
    let again: AMQPMessage | null = null
    await until('the message is there again', async () => {
      again = await other.basicGet('ca-redelivery', { noAck: true })
      return again !== null
    })
    assert.equal((again as AMQPMessage | null)?.bodyString(), 'once more')
    assert.equal((again as AMQPMessage | null)?.redelivered, true)
  })
})

test('@cloudamqp/amqp-client finds a rejected message in the dead letter queue with its history', async () => {
  await withConnection(async (connection) => {
    const channel = await connection.channel()
    await channel.confirmSelect()
    await channel.queueDeclare('ca-dead-letters', { durable: true })
    await channel.queueDeclare(
      'ca-work',
      { durable: true },
      { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'ca-dead-letters' },
    )
    await channel.basicPublish('', 'ca-work', 'bad', { messageId: 'm-1', headers: { tenant: 'a' } })
    const message = await channel.basicGet('ca-work', { noAck: false })
    await message?.reject(false)
    let dead: AMQPMessage | null = null
    await until('the dead letter is there', async () => {
      dead = await channel.basicGet('ca-dead-letters', { noAck: true })
      return dead !== null
    })
    const properties = (dead as unknown as AMQPMessage).properties
    assert.equal(properties.messageId, 'm-1')
    assert.equal(properties.headers?.['tenant'], 'a')
    const [death] = properties.headers?.['x-death'] as unknown as [{ reason: string; queue: string; count: number }]
    assert.deepEqual([death.reason, death.queue, Number(death.count)], ['rejected', 'ca-work', 1])
  })
})

test('@cloudamqp/amqp-client moves a message of a mebibyte, which is larger than a frame', async () => {
  await withConnection(async (connection) => {
    const channel = await connection.channel()
    await channel.confirmSelect()
    await channel.queueDeclare('ca-large', { durable: true })
    const body = new Uint8Array(1 << 20).map((_, index) => index % 251)
    await channel.basicPublish('', 'ca-large', body, { deliveryMode: 2 })
    const message = await channel.basicGet('ca-large', { noAck: true })
    assert.deepEqual(Buffer.from(message?.body ?? []).equals(body), true)
  })
})

test('@cloudamqp/amqp-client routes by topic', async () => {
  await withConnection(async (connection) => {
    const channel = await connection.channel()
    await channel.confirmSelect()
    await channel.exchangeDeclare('ca-topic', 'topic', { autoDelete: true })
    const queue = await channel.queueDeclare('', { exclusive: true })
    await channel.queueBind(queue.name, 'ca-topic', 'order.*.created')
    const keys: string[] = []
    await channel.basicConsume(queue.name, { noAck: true }, (message) => void keys.push(message.routingKey))
    for (const key of ['order.eu.created', 'order.eu.paid', 'order.us.created', 'order.created'])
      await channel.basicPublish('ca-topic', key, '')
    await until('both matching messages came', () => keys.length === 2)
    assert.deepEqual(keys, ['order.eu.created', 'order.us.created'])
  })
})

test('@cloudamqp/amqp-client gets a mandatory message back that nobody takes', async () => {
  await withConnection(async (connection) => {
    const channel = await connection.channel()
    await channel.confirmSelect()
    const returned: string[] = []
    channel.onReturn = (message) => void returned.push(message.bodyString() ?? '')
    await channel.basicPublish('', 'ca-nobody', 'back', {}, true)
    assert.deepEqual(returned, ['back'])
  })
})

test('@cloudamqp/amqp-client commits and rolls back transactions', async () => {
  await withConnection(async (connection) => {
    const channel = await connection.channel()
    await channel.queueDeclare('ca-tx', { durable: false })
    await channel.txSelect()
    await channel.basicPublish('', 'ca-tx', 'never')
    await channel.txRollback()
    await channel.basicPublish('', 'ca-tx', 'once')
    await channel.txCommit()
    const message = await channel.basicGet('ca-tx', { noAck: true })
    assert.equal(message?.bodyString(), 'once')
    assert.equal(message?.messageCount, 0)
    await channel.queueDelete('ca-tx')
  })
})

test('@cloudamqp/amqp-client finds its durable messages after the broker was killed and started again', async () => {
  const client = new AMQPClient(broker.url)
  const first = await client.connect()
  first.onerror = () => undefined
  const publisher = await first.channel()
  await publisher.confirmSelect()
  await publisher.queueDeclare('ca-kept', { durable: true })
  await Promise.all(
    Array.from({ length: 200 }, async (_, number) => await publisher.basicPublish('', 'ca-kept', String(number), { deliveryMode: 2 })),
  )
  await broker.restart({ kill: true })
  await withConnection(async (connection) => {
    const channel = await connection.channel()
    const received = new Set<string>()
    await channel.basicConsume('ca-kept', { noAck: false }, async (message) => {
      received.add(message.bodyString() ?? '')
      await message.ack()
    })
    await until('all messages came', () => received.size === 200)
  })
})
