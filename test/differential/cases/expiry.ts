import { typed, type Table } from '../../amqp-0-9-1/wire-value.ts'
import { CaseTable } from '../case-table.ts'
import type { ScriptChannel } from '../script.ts'

/** Time to live of messages and queues; length limits. */
export const expiryCases: CaseTable = new CaseTable('expiry')

const expiration = (milliseconds: number) => ({ properties: { expiration: String(milliseconds) } })

/** A queue whose dead letters come to "dead". */
async function withDeadLetters(ch: ScriptChannel, table: Table = {}): Promise<void> {
  await ch.declareQueue('dead')
  await ch.declareQueue('q', { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'dead', ...table })
}

/** Publishes with confirms and waits for them. */
async function publishConfirmed(ch: ScriptChannel, bodies: readonly string[]): Promise<void> {
  await ch.call('confirm.select')
  for (const body of bodies) ch.publish('', 'q', body)
  await ch.confirms(bodies.length)
}

async function getAll(ch: ScriptChannel, queue: string): Promise<void> {
  for (;;) {
    const answer = await ch.get(queue, true)
    if (answer?.name !== 'basic.get-ok') return
  }
}

expiryCases
  .add('a message is gone after its own time to live', async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('q')
    ch.publish('', 'q', 'short', expiration(60))
    await ch.quiet(250)
    await ch.get('q', true)
  })
  .add('a message with time to live zero and no consumer', async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('q')
    ch.publish('', 'q', 'm', expiration(0))
    await ch.quiet(50)
    await ch.get('q', true)
  })
  .add('a message with time to live zero reaches a waiting consumer', async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('q')
    await ch.consume('q')
    ch.publish('', 'q', 'm', expiration(0))
    await ch.deliveries(1)
  })
  .add('the time to live of the queue', async (s) => {
    const ch = await s.channel()
    await withDeadLetters(ch, { 'x-message-ttl': 60 })
    ch.publish('', 'q', 'm')
    await ch.getWhenThere('dead', true)
    await ch.get('q', true)
  })
  .add('a queue with time to live zero, without and with a consumer', async (s) => {
    const ch = await s.channel()
    await withDeadLetters(ch, { 'x-message-ttl': 0 })
    ch.publish('', 'q', 'nobody waits')
    await ch.getWhenThere('dead', true)
    await ch.consume('q')
    ch.publish('', 'q', 'somebody waits')
    await ch.deliveries(1)
  })
  .add('of two times to live the shorter holds: the message', async (s) => {
    const ch = await s.channel()
    await withDeadLetters(ch, { 'x-message-ttl': 600_000 })
    ch.publish('', 'q', 'm', expiration(50))
    await ch.getWhenThere('dead', true)
  })
  .add('of two times to live the shorter holds: the queue', async (s) => {
    const ch = await s.channel()
    await withDeadLetters(ch, { 'x-message-ttl': 50 })
    ch.publish('', 'q', 'm', expiration(600_000))
    await ch.getWhenThere('dead', true)
  })
  .add(
    'an expired message behind one that lives longer',
    async (s) => {
      const ch = await s.channel()
      await withDeadLetters(ch)
      ch.publish('', 'q', 'long', expiration(600_000))
      ch.publish('', 'q', 'short', expiration(30))
      await ch.quiet(250)
      await ch.call('queue.declare', { queue: 'dead', passive: true })
      await ch.get('q', true)
      await ch.get('q', true)
    },
    { difference: 'Time to live is exact: a message expires wherever it stands in the queue.' },
  )
  .add('an expired message is dead-lettered with reason expired and its expiration taken away', async (s) => {
    const ch = await s.channel()
    await withDeadLetters(ch)
    ch.publish('', 'q', 'm', { properties: { expiration: '30', 'message-id': 'id', headers: { mine: 1 } } })
    await ch.getWhenThere('dead', true)
  })
  .add('an unsettled message does not expire', async (s) => {
    const ch = await s.channel()
    await withDeadLetters(ch)
    ch.publish('', 'q', 'm', expiration(80))
    await ch.getWhenThere('q')
    await ch.quiet(200)
    await ch.call('queue.declare', { queue: 'dead', passive: true })
    ch.nack(1, true)
    await ch.getWhenThere('dead', true)
  })
  .add('a queue expires when it is not used', async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('q', { 'x-expires': 80 })
    await ch.quiet(400)
    await ch.call('queue.declare', { queue: 'q', passive: true })
  })
  .add('a queue with a consumer does not expire', async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('q', { 'x-expires': 80 })
    await ch.consume('q')
    await ch.quiet(300)
    await ch.call('queue.declare', { queue: 'q', passive: true })
  })
  .add('max-length drops from the head', async (s) => {
    const ch = await s.channel()
    await withDeadLetters(ch, { 'x-max-length': 2 })
    await publishConfirmed(ch, ['1', '2', '3', '4'])
    await getAll(ch, 'q')
    await ch.getWhenThere('dead', true)
    await ch.getWhenThere('dead', true)
  })
  .add('max-length counts only what is ready', async (s) => {
    const ch = await s.channel()
    await withDeadLetters(ch, { 'x-max-length': 2 })
    await publishConfirmed(ch, ['1', '2'])
    await ch.get('q')
    await ch.get('q')
    ch.publish('', 'q', '3')
    ch.publish('', 'q', '4')
    await ch.confirms(4)
    await ch.call('queue.declare', { queue: 'q', passive: true })
    await ch.call('queue.declare', { queue: 'dead', passive: true })
  })
  .add('max-length zero keeps nothing', async (s) => {
    const ch = await s.channel()
    await withDeadLetters(ch, { 'x-max-length': 0 })
    await publishConfirmed(ch, ['1'])
    await ch.getWhenThere('dead', true)
    await ch.get('q', true)
  })
  .add('max-length-bytes drops from the head', async (s) => {
    const ch = await s.channel()
    await withDeadLetters(ch, { 'x-max-length-bytes': 10 })
    await publishConfirmed(ch, ['aaaa', 'bbbb', 'cccc'])
    await getAll(ch, 'q')
    await ch.getWhenThere('dead', true)
  })
  .add('a message larger than max-length-bytes', async (s) => {
    const ch = await s.channel()
    await withDeadLetters(ch, { 'x-max-length-bytes': 3 })
    await publishConfirmed(ch, ['aaaa'])
    await ch.getWhenThere('dead', true)
    await ch.get('q', true)
  })
  .add('both limits hold', async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('q', { 'x-max-length': 3, 'x-max-length-bytes': typed('l', 6) })
    await publishConfirmed(ch, ['a', 'b', 'c', 'd', 'eeee', 'f'])
    await getAll(ch, 'q')
  })
  .add('overflow reject-publish refuses the new one', async (s) => {
    const ch = await s.channel()
    await withDeadLetters(ch, { 'x-max-length': 2, 'x-overflow': 'reject-publish' })
    await publishConfirmed(ch, ['1', '2', '3', '4'])
    await getAll(ch, 'q')
    await ch.call('queue.declare', { queue: 'dead', passive: true })
  })
  .add('overflow reject-publish without confirms drops silently', async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('q', { 'x-max-length': 1, 'x-overflow': 'reject-publish' })
    ch.publish('', 'q', '1')
    ch.publish('', 'q', '2', { mandatory: true })
    await ch.quiet()
    await getAll(ch, 'q')
  })
  .add('overflow reject-publish takes again when there is room', async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('q', { 'x-max-length': 1, 'x-overflow': 'reject-publish' })
    await publishConfirmed(ch, ['1', '2'])
    await ch.get('q', true)
    ch.publish('', 'q', '3')
    await ch.confirms(3)
    await getAll(ch, 'q')
  })
  .add('overflow reject-publish-dlx dead-letters the new one', async (s) => {
    const ch = await s.channel()
    await withDeadLetters(ch, { 'x-max-length': 1, 'x-overflow': 'reject-publish-dlx' })
    await publishConfirmed(ch, ['1', '2'])
    await ch.getWhenThere('dead', true)
    await getAll(ch, 'q')
  })
  .add('one full queue of two makes the confirm negative', async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('q', { 'x-max-length': 1, 'x-overflow': 'reject-publish' })
    await ch.declareQueue('free')
    await ch.declareExchange('x', 'fanout')
    await ch.bind('q', 'x')
    await ch.bind('free', 'x')
    await ch.call('confirm.select')
    for (const body of ['1', '2', '3']) ch.publish('x', '', body)
    await ch.confirms(3)
    await ch.untilCount('free', 3)
  })
  .add('a limit with a waiting consumer', async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('q', { 'x-max-length': 1 })
    await ch.consume('q')
    for (const body of ['1', '2', '3']) ch.publish('', 'q', body)
    await ch.deliveries(3)
  })
  .add('a requeued message over the limit', async (s) => {
    const ch = await s.channel()
    await withDeadLetters(ch, { 'x-max-length': 1 })
    await publishConfirmed(ch, ['1'])
    await ch.get('q')
    ch.publish('', 'q', '2')
    await ch.confirms(2)
    ch.nack(1, true)
    await ch.getWhenThere('dead', true)
    await getAll(ch, 'q')
  })
  .add('overflow reject-publish serves a waiting consumer first', async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('q', { 'x-max-length': 1, 'x-overflow': 'reject-publish' })
    await ch.consume('q')
    await publishConfirmed(ch, ['1', '2', '3'])
    await ch.deliveries(3)
  })
  .add('max-length zero serves a waiting consumer', async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('q', { 'x-max-length': 0 })
    await ch.consume('q')
    await publishConfirmed(ch, ['1', '2', '3'])
    await ch.deliveries(3)
  })
  .add('max-length zero with overflow reject-publish refuses even with a waiting consumer', async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('q', { 'x-max-length': 0, 'x-overflow': 'reject-publish' })
    await ch.consume('q')
    await publishConfirmed(ch, ['1', '2', '3'])
    await ch.quiet()
  })
  .add(
    'a full queue with priorities drops the least important message',
    async (s) => {
      const ch = await s.channel()
      await ch.declareQueue('q', { 'x-max-length': 2, 'x-max-priority': 3 })
      await ch.call('confirm.select')
      for (const [body, priority] of [
        ['first, low', 0],
        ['second, low', 0],
        ['third, high', 3],
        ['fourth, middle', 2],
      ] as const) {
        ch.publish('', 'q', body, { properties: { priority } })
      }
      await ch.confirms(4)
      await getAll(ch, 'q')
    },
    { difference: 'The oldest message of the lowest priority goes; RabbitMQ drops the head, which is the most important one.' },
  )
