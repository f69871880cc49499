import type { Arguments } from '../../amqp-0-9-1/raw-client.ts'
import type { Table } from '../../amqp-0-9-1/wire-value.ts'
import { CaseTable } from '../case-table.ts'
import type { ScriptChannel } from '../script.ts'

/** Dead letters and their history. */
export const deadLetterCases: CaseTable = new CaseTable('dead letter')

const durable: Arguments = { durable: true }

/** A queue "q" with a dead letter exchange "dlx" that feeds "dead". */
async function withExchange(ch: ScriptChannel, table: Table = {}): Promise<void> {
  await ch.declareExchange('dlx', 'fanout')
  await ch.declareQueue('dead')
  await ch.bind('dead', 'dlx')
  await ch.declareQueue('q', { 'x-dead-letter-exchange': 'dlx', ...table })
}

deadLetterCases
  .add('a rejected message comes with its history', async (s) => {
    const ch = await s.channel()
    await withExchange(ch)
    ch.publish('', 'q', 'm')
    await ch.getWhenThere('q')
    ch.reject(1, false)
    await ch.getWhenThere('dead', true)
  })
  .add('a negatively acknowledged message keeps its properties', async (s) => {
    const ch = await s.channel()
    await withExchange(ch)
    const properties = {
      'content-type': 'application/json',
      headers: { mine: 'kept' },
      'delivery-mode': 2,
      priority: 3,
      'correlation-id': 'c',
      'message-id': 'id',
      timestamp: 1_700_000_000,
      type: 'OrderCreated',
      'app-id': 'shop',
    }
    ch.publish('', 'q', 'm', { properties })
    await ch.getWhenThere('q')
    ch.nack(1, false)
    await ch.getWhenThere('dead', true)
  })
  .add('a dead letter routing key replaces the key', async (s) => {
    const ch = await s.channel()
    await withExchange(ch, { 'x-dead-letter-routing-key': 'other' })
    ch.publish('', 'q', 'm')
    await ch.getWhenThere('q')
    ch.reject(1, false)
    await ch.getWhenThere('dead', true)
  })
  .add('the history names the exchange and all keys, with CC', async (s) => {
    const ch = await s.channel()
    await withExchange(ch)
    await ch.bind('q', 'amq.topic', 'a.b')
    ch.publish('amq.topic', 'a.b', 'm', { properties: { headers: { CC: ['cc'], BCC: ['bcc'] } } })
    await ch.getWhenThere('q')
    ch.reject(1, false)
    await ch.getWhenThere('dead', true)
  })
  .add(
    'the same way twice counts two',
    async (s) => {
      const ch = await s.channel()
      await withExchange(ch)
      ch.publish('', 'q', 'm')
      for (let round = 0; round < 3; round++) {
        const got = await ch.getWhenThere('q')
        ch.reject(Number(got?.arguments['delivery-tag']), false)
        const dead = await ch.getWhenThere('dead', true)
        if (round < 2) ch.publish('', 'q', 'm', { properties: dead?.properties ?? {} })
      }
    },
    { difference: 'The count goes on when a client publishes a dead letter again with its headers, as in RabbitMQ 3; 4.0 begins anew.' },
  )
  .add('several queues on the way are all in the history, the last first', async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('third')
    await ch.declareQueue('second', { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'third', 'x-message-ttl': 30 })
    await ch.declareQueue('q', { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'second' })
    ch.publish('', 'q', 'm')
    await ch.getWhenThere('q')
    ch.reject(1, false)
    await ch.getWhenThere('third', true)
  })
  .add('a delay loop by time to live counts its rounds', async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('wait', { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'q', 'x-message-ttl': 25 })
    await ch.declareQueue('q', { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'wait' })
    ch.publish('', 'q', 'm')
    for (let round = 0; round < 3; round++) {
      const got = await ch.getWhenThere('q')
      ch.reject(Number(got?.arguments['delivery-tag']), false)
    }
    await ch.getWhenThere('q', true)
  })
  .add('a cycle of expiries alone ends', async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('a', { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'b', 'x-message-ttl': 20 })
    await ch.declareQueue('b', { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'a', 'x-message-ttl': 20 })
    ch.publish('', 'a', 'm')
    await ch.quiet(400)
    await ch.call('queue.declare', { queue: 'a', passive: true })
    await ch.call('queue.declare', { queue: 'b', passive: true })
  })
  .add('a queue that is its own dead letter target, by rejection', async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('q', { 'x-dead-letter-exchange': '' })
    ch.publish('', 'q', 'm')
    await ch.getWhenThere('q')
    ch.reject(1, false)
    await ch.getWhenThere('q', true)
  })
  .add('a queue that is its own dead letter target, by expiry', async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('q', { 'x-dead-letter-exchange': '', 'x-message-ttl': 20 })
    ch.publish('', 'q', 'm')
    await ch.quiet(200)
    await ch.get('q', true)
  })
  .add('a queue that is its own dead letter target, by length', async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('q', { 'x-dead-letter-exchange': '', 'x-max-length': 1 })
    ch.publish('', 'q', '1')
    ch.publish('', 'q', '2')
    await ch.quiet(200)
    await ch.get('q', true)
    await ch.get('q', true)
  })
  .add('a queue that is its own dead letter target, by refusal', async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('q', { 'x-dead-letter-exchange': '', 'x-max-length': 1, 'x-overflow': 'reject-publish-dlx' })
    await ch.call('confirm.select')
    for (const body of ['1', '2', '3']) ch.publish('', 'q', body)
    await ch.confirms(3)
    await ch.quiet(200)
    await ch.call('queue.declare', { queue: 'q', passive: true })
    await ch.get('q', true)
  })
  .add('a missing dead letter exchange drops', async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('q', { 'x-dead-letter-exchange': 'not-there' })
    ch.publish('', 'q', 'm')
    await ch.getWhenThere('q')
    ch.reject(1, false)
    await ch.quiet()
    await ch.get('q', true)
  })
  .add('a dead letter that nobody takes is dropped', async (s) => {
    const ch = await s.channel()
    await ch.declareExchange('dlx', 'direct')
    await ch.declareQueue('q', { 'x-dead-letter-exchange': 'dlx' })
    ch.publish('', 'q', 'm')
    await ch.getWhenThere('q')
    ch.reject(1, false)
    await ch.quiet()
    await ch.get('q', true)
  })
  .add('the messages of a deleted queue are not dead letters', async (s) => {
    const ch = await s.channel()
    await withExchange(ch)
    ch.publish('', 'q', 'm')
    await ch.untilCount('q', 1)
    await ch.call('queue.delete', { queue: 'q' })
    await ch.quiet()
    await ch.get('dead', true)
  })
  .add('purged messages are not dead letters', async (s) => {
    const ch = await s.channel()
    await withExchange(ch)
    ch.publish('', 'q', 'm')
    await ch.untilCount('q', 1)
    await ch.call('queue.purge', { queue: 'q' })
    await ch.quiet()
    await ch.get('dead', true)
  })
  .add('the order of dead letters is that of their rejection', async (s) => {
    const ch = await s.channel()
    await withExchange(ch)
    for (const body of ['1', '2', '3']) ch.publish('', 'q', body)
    await ch.untilCount('q', 3)
    for (let count = 0; count < 3; count++) await ch.get('q')
    ch.nack(3, false, true)
    for (let count = 0; count < 3; count++) await ch.getWhenThere('dead', true)
  })
  .add('the delivery limit of a quorum queue', async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('dead', {}, durable)
    await ch.declareQueue(
      'q',
      { 'x-queue-type': 'quorum', 'x-delivery-limit': 2, 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'dead' },
      durable,
    )
    ch.publish('', 'q', 'm')
    for (let round = 0; round < 3; round++) {
      const got = await ch.getWhenThere('q')
      ch.nack(Number(got?.arguments['delivery-tag']), true)
    }
    await ch.getWhenThere('dead', true)
    await ch.get('q', true)
  })
  .add('the delivery limit counts what a closed channel gives back', async (s) => {
    const c = await s.connect()
    const ch = await c.channel(1)
    await ch.declareQueue('dead', {}, durable)
    await ch.declareQueue(
      'q',
      { 'x-queue-type': 'quorum', 'x-delivery-limit': 1, 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'dead' },
      durable,
    )
    ch.publish('', 'q', 'm')
    for (const number of [2, 3]) {
      const other = await c.channel(number)
      await other.getWhenThere('q')
      await other.call('channel.close', { 'reply-code': 200, 'reply-text': 'bye' })
    }
    await ch.getWhenThere('dead', true)
  })
  .add(
    'the delivery limit of a classic queue',
    async (s) => {
      const ch = await s.channel()
      await ch.declareQueue('dead', {}, durable)
      await ch.declareQueue('q', { 'x-delivery-limit': 1, 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'dead' }, durable)
      if (!ch.isOpen) return
      ch.publish('', 'q', 'm')
      for (let round = 0; round < 2; round++) {
        const got = await ch.getWhenThere('q')
        ch.nack(Number(got?.arguments['delivery-tag']), true)
      }
      await ch.getWhenThere('dead', true)
    },
    { difference: 'Every queue has a delivery limit, not only a quorum queue.' },
  )
  .add('an at-least-once dead letter strategy', async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('dead', {}, durable)
    await ch.declareQueue(
      'q',
      {
        'x-queue-type': 'quorum',
        'x-dead-letter-strategy': 'at-least-once',
        'x-overflow': 'reject-publish',
        'x-dead-letter-exchange': '',
        'x-dead-letter-routing-key': 'dead',
      },
      durable,
    )
    ch.publish('', 'q', 'm')
    await ch.getWhenThere('q')
    ch.reject(1, false)
    await ch.getWhenThere('dead', true)
  })
  .add('a quorum queue tells how often a message was delivered before', async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('q', { 'x-queue-type': 'quorum' }, durable)
    ch.publish('', 'q', 'm')
    for (let round = 0; round < 3; round++) {
      const got = await ch.getWhenThere('q')
      ch.nack(Number(got?.arguments['delivery-tag']), true)
    }
    await ch.getWhenThere('q', true)
  })
  .add(
    'a dead letter for a full queue that refuses',
    async (s) => {
      const ch = await s.channel()
      await ch.declareQueue('dead', { 'x-max-length': 1, 'x-overflow': 'reject-publish' })
      await ch.declareQueue('q', { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'dead' })
      for (const body of ['1', '2']) ch.publish('', 'q', body)
      await ch.untilCount('q', 2)
      await ch.get('q')
      await ch.get('q')
      ch.nack(2, false, true)
      await ch.quiet(200)
      await ch.call('queue.declare', { queue: 'dead', passive: true })
    },
    { difference: 'A dead letter is taken even over the length of a queue that refuses, so that it is not lost; RabbitMQ loses it.' },
  )
