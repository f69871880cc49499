import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Connection, ConsumerStatus, type AsyncMessage, type ReturnedMessage, type SyncMessage } from 'rabbitmq-client'
import { startBrokerUnderTest, type BrokerUnderTest } from './broker-under-test.ts'
import { until } from './condition.ts'

let broker: BrokerUnderTest

before(async () => {
  broker = await startBrokerUnderTest()
})

after(async () => {
  await broker.stop()
})

/** A connection that is closed at the end, whatever happens; this client connects again by itself. */
async function withConnection(work: (connection: Connection) => Promise<void>): Promise<void> {
  const connection = new Connection({ url: broker.url, retryLow: 100, retryHigh: 500 })
  connection.on('error', () => undefined)
  try {
    await work(connection)
    await connection.close()
  } finally {
    connection.unsafeDestroy()
  }
}

test('rabbitmq-client publishes with confirms and consumes with its own acknowledgements, in order', async () => {
  await withConnection(async (connection) => {
    const publisher = connection.createPublisher({ confirm: true, queues: [{ queue: 'rc-orders', durable: true }] })
    for (let number = 0; number < 200; number++) await publisher.send({ routingKey: 'rc-orders', durable: true }, { number })
    const received: number[] = []
    const consumer = connection.createConsumer(
      { queue: 'rc-orders', queueOptions: { passive: true }, qos: { prefetchCount: 10 }, concurrency: 1 },
      (message) => {
        received.push((message.body as { number: number }).number)
      },
    )
    await until('200 messages came', () => received.length === 200)
    assert.deepEqual(
      received,
      Array.from({ length: 200 }, (_, index) => index),
    )
    await consumer.close()
    await publisher.close()
    const { messageCount } = await connection.queueDeclare({ queue: 'rc-orders', passive: true })
    assert.equal(messageCount, 0)
  })
})

test('rabbitmq-client gets an unsettled message again, marked as redelivered, after its connection was cut', async () => {
  const first = new Connection(broker.url)
  first.on('error', () => undefined)
  const channel = await first.acquire()
  await channel.queueDeclare({ queue: 'rc-redelivery', durable: true })
  await channel.confirmSelect()
  await channel.basicPublish({ routingKey: 'rc-redelivery', durable: true }, 'once more')
  const taken = await channel.basicGet('rc-redelivery')
  assert.equal(taken?.redelivered, false)
  first.unsafeDestroy()
  await withConnection(async (connection) => {
    let again: AsyncMessage | undefined
    const consumer = connection.createConsumer({ queue: 'rc-redelivery', queueOptions: { passive: true } }, (message) => {
      again = message
    })
    await until('the message came again', () => again !== undefined)
    assert.equal(again?.body, 'once more')
    assert.equal(again?.redelivered, true)
    await consumer.close()
  })
})

test('rabbitmq-client finds a dropped message in the dead letter queue with its history', async () => {
  await withConnection(async (connection) => {
    await connection.queueDeclare({ queue: 'rc-dead-letters', durable: true })
    const table = { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'rc-dead-letters' }
    await connection.queueDeclare({ queue: 'rc-work', durable: true, arguments: table })
    const consumer = connection.createConsumer({ queue: 'rc-work', queueOptions: { passive: true } }, () => ConsumerStatus.DROP)
    const publisher = connection.createPublisher({ confirm: true })
    await publisher.send({ routingKey: 'rc-work', messageId: 'm-1', headers: { tenant: 'a' } }, 'bad')
    let dead: SyncMessage | undefined
    await until('the dead letter is there', async () => {
      dead = await connection.basicGet({ queue: 'rc-dead-letters', noAck: true })
      return dead !== undefined
    })
    assert.equal(dead?.messageId, 'm-1')
    assert.equal(dead?.headers?.['tenant'], 'a')
    const [death] = dead?.headers?.['x-death'] as [{ reason: string; queue: string; count: number }]
    assert.deepEqual([death.reason, death.queue, Number(death.count)], ['rejected', 'rc-work', 1])
    await consumer.close()
    await publisher.close()
  })
})

test('rabbitmq-client moves a message of a mebibyte, which is larger than a frame', async () => {
  await withConnection(async (connection) => {
    await connection.queueDeclare({ queue: 'rc-large', durable: true })
    const body = Buffer.alloc(1 << 20)
    for (let index = 0; index < body.length; index++) body[index] = index % 251
    const publisher = connection.createPublisher({ confirm: true })
    await publisher.send({ routingKey: 'rc-large', durable: true }, body)
    const message = await connection.basicGet({ queue: 'rc-large', noAck: true })
    assert.ok(body.equals(message?.body as Buffer))
    await publisher.close()
  })
})

test('rabbitmq-client routes by topic', async () => {
  await withConnection(async (connection) => {
    await connection.exchangeDeclare({ exchange: 'rc-topic', type: 'topic', autoDelete: true })
    const keys: string[] = []
    const consumer = connection.createConsumer(
      {
        queueOptions: { exclusive: true },
        noAck: true,
        queueBindings: [{ exchange: 'rc-topic', routingKey: 'order.*.created' }],
      },
      (message) => void keys.push(message.routingKey),
    )
    await new Promise<void>((resolve) => consumer.on('ready', resolve))
    const publisher = connection.createPublisher({ confirm: true })
    for (const routingKey of ['order.eu.created', 'order.eu.paid', 'order.us.created', 'order.created']) {
      await publisher.send({ exchange: 'rc-topic', routingKey }, '')
    }
    await until('both matching messages came', () => keys.length === 2)
    assert.deepEqual(keys, ['order.eu.created', 'order.us.created'])
    await consumer.close()
    await publisher.close()
  })
})

test('rabbitmq-client gets a mandatory message back that nobody takes', async () => {
  await withConnection(async (connection) => {
    const returned: ReturnedMessage[] = []
    const publisher = connection.createPublisher({ confirm: true })
    publisher.on('basic.return', (message) => void returned.push(message))
    await publisher.send({ routingKey: 'rc-nobody', mandatory: true }, 'back')
    await until('the message came back', () => returned.length > 0)
    assert.deepEqual(
      returned.map((message) => [message.replyCode, message.replyText, message.body as unknown]),
      [[312, 'NO_ROUTE', 'back']],
    )
    await publisher.close()
  })
})

test('rabbitmq-client asks and is answered over a direct reply', async () => {
  await withConnection(async (connection) => {
    const server = connection.createConsumer({ queue: 'rc-rpc', queueOptions: { autoDelete: true } }, async (message, reply) => {
      await reply({ twice: (message.body as { number: number }).number * 2 })
    })
    await new Promise<void>((resolve) => server.on('ready', resolve))
    const client = connection.createRPCClient({ confirm: true })
    const answers = await Promise.all([1, 2, 3].map(async (number) => (await client.send('rc-rpc', { number })).body as unknown))
    assert.deepEqual(answers, [{ twice: 2 }, { twice: 4 }, { twice: 6 }])
    await client.close()
    await server.close()
  })
})

test('rabbitmq-client connects again by itself when the broker was killed and started, and finds its messages', async () => {
  await withConnection(async (connection) => {
    const publisher = connection.createPublisher({ confirm: true, maxAttempts: 20, queues: [{ queue: 'rc-kept', durable: true }] })
    for (let number = 0; number < 100; number++) await publisher.send({ routingKey: 'rc-kept', durable: true }, number)
    const received = new Set<number>()
    await broker.restart({ kill: true })
    await publisher.send({ routingKey: 'rc-kept', durable: true }, 100)
    const consumer = connection.createConsumer(
      { queue: 'rc-kept', queueOptions: { passive: true }, qos: { prefetchCount: 20 } },
      (message) => {
        received.add(message.body as number)
      },
    )
    await until('all messages came', () => received.size === 101)
    await consumer.close()
    await publisher.close()
  })
})
