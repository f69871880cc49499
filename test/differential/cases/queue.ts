import { CaseTable } from '../case-table.ts'

/** Declaring, purging and deleting queues. */
export const queueCases: CaseTable = new CaseTable('queue')

for (const durable of [false, true]) {
  for (const exclusive of [false, true]) {
    for (const autoDelete of [false, true]) {
      const flags = { durable, exclusive, 'auto-delete': autoDelete }
      const words = Object.entries(flags).flatMap(([name, value]) => (value ? [name] : []))
      queueCases.add(`declare ${words.join(' ') || 'without flags'}, again and passive`, async (s) => {
        const ch = await s.channel()
        await ch.declareQueue('q', {}, flags)
        await ch.declareQueue('q', {}, flags)
        await ch.call('queue.declare', { queue: 'q', passive: true })
      })
    }
  }
}

for (const flag of ['durable', 'exclusive', 'auto-delete']) {
  queueCases.add(`redeclare with ${flag}, which it was not`, async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('q')
    await ch.declareQueue('q', {}, { [flag]: true })
  })
  queueCases.add(`redeclare without ${flag}, which it was`, async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('q', {}, { [flag]: true })
    await ch.declareQueue('q')
  })
}

queueCases
  .add('a name made by the server', async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('', {}, { exclusive: true })
    await ch.declareQueue('', {}, { exclusive: true })
  })
  .add('the empty name means the last declared queue of the channel', async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('', {}, { exclusive: true })
    await ch.declareExchange('x', 'fanout')
    await ch.bind('', 'x')
    ch.publish('x', '')
    await ch.getWhenThere('', true)
    await ch.call('queue.purge')
    await ch.consume('')
    await ch.call('queue.delete')
  })
  .add('the empty name without a queue declared before', async (s) => {
    const ch = await s.channel()
    await ch.bind('', 'amq.direct')
  })
  .add('the empty name without a queue declared before, get', async (s) => {
    const ch = await s.channel()
    await ch.get('')
  })
  .add('the empty routing key of a bind without a queue name means the name of the queue', async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('q')
    await ch.bind('', 'amq.direct', '')
    ch.publish('amq.direct', 'q')
    await ch.getWhenThere('q', true)
  })
  .add('passive without a name after a declare', async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('q')
    await ch.call('queue.declare', { passive: true })
  })
  .add('a reserved name', async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('amq.mine')
  })
  .add('a reserved name, passive and missing', async (s) => {
    const ch = await s.channel()
    await ch.call('queue.declare', { queue: 'amq.mine', passive: true })
  })
  .add('a missing queue declared passively', async (s) => {
    const ch = await s.channel()
    await ch.call('queue.declare', { queue: 'missing', passive: true })
  })
  .add('a missing queue deleted', async (s) => {
    const ch = await s.channel()
    await ch.call('queue.delete', { queue: 'missing' })
  })
  .add('a missing queue purged', async (s) => {
    const ch = await s.channel()
    await ch.call('queue.purge', { queue: 'missing' })
  })
  .add('declare with nowait is not answered', async (s) => {
    const ch = await s.channel()
    ch.send('queue.declare', { queue: 'q', nowait: true })
    await ch.call('queue.declare', { queue: 'q', passive: true })
  })
  .add('declare with nowait that fails closes the channel', async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('q')
    await ch.call('queue.declare', { queue: 'q', durable: true, nowait: true })
  })
  .add('a name of 255 bytes', async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('n'.repeat(255))
  })
  .add('a name with every kind of character', async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('später/ orders?#*.%\u{1F4E6}')
  })
  .add('a name with a line feed', async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('with\nline feed')
  })
  .add('declare counts messages and consumers', async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('q')
    ch.publish('', 'q')
    ch.publish('', 'q')
    await ch.untilCount('q', 2)
    await ch.call('queue.declare', { queue: 'q', passive: true })
    const other = await ch.connection.channel()
    await other.call('basic.qos', { 'prefetch-count': 1 })
    await other.consume('q')
    await other.deliveries(1)
    await ch.call('queue.declare', { queue: 'q', passive: true })
  })
  .add('purge removes what is ready and leaves what is unsettled', async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('q')
    for (const body of ['1', '2', '3']) ch.publish('', 'q', body)
    await ch.untilCount('q', 3)
    await ch.get('q')
    await ch.call('queue.purge', { queue: 'q' })
    ch.nack(1, true)
    await ch.getWhenThere('q', true)
    await ch.get('q', true)
  })
  .add('purge with nowait is not answered', async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('q')
    ch.publish('', 'q')
    await ch.untilCount('q', 1)
    ch.send('queue.purge', { queue: 'q', nowait: true })
    await ch.get('q')
  })
  .add('delete says how many messages went', async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('q')
    for (const body of ['1', '2', '3']) ch.publish('', 'q', body)
    await ch.untilCount('q', 3)
    await ch.call('queue.delete', { queue: 'q' })
    await ch.call('queue.declare', { queue: 'q', passive: true })
  })
  .add('delete if-empty of a queue with a message', async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('q')
    ch.publish('', 'q')
    await ch.untilCount('q', 1)
    await ch.call('queue.delete', { queue: 'q', 'if-empty': true })
  })
  .add('delete if-empty of an empty queue', async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('q')
    await ch.call('queue.delete', { queue: 'q', 'if-empty': true })
  })
  .add('delete if-unused of a queue with a consumer', async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('q')
    await ch.consume('q')
    await ch.call('queue.delete', { queue: 'q', 'if-unused': true })
  })
  .add('delete if-unused of a queue without a consumer', async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('q')
    await ch.call('queue.delete', { queue: 'q', 'if-unused': true })
  })
  .add('delete with nowait is not answered', async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('q')
    ch.send('queue.delete', { queue: 'q', nowait: true })
    await ch.call('queue.declare', { queue: 'q', passive: true })
  })
  .add('an exclusive queue is locked for other connections', async (s) => {
    const owner = await s.channel()
    await owner.declareQueue('q', {}, { exclusive: true })
    const other = await s.connect()
    const attempts: [string, object][] = [
      ['queue.declare', { queue: 'q', exclusive: true }],
      ['queue.declare', { queue: 'q', passive: true }],
      ['queue.declare', { queue: 'q' }],
      ['basic.consume', { queue: 'q', 'consumer-tag': 'tag' }],
      ['basic.get', { queue: 'q' }],
      ['queue.purge', { queue: 'q' }],
      ['queue.delete', { queue: 'q' }],
      ['queue.bind', { queue: 'q', exchange: 'amq.direct' }],
      ['queue.unbind', { queue: 'q', exchange: 'amq.direct' }],
    ]
    for (const [index, [method, values]] of attempts.entries()) {
      const ch = await other.channel(index + 1)
      await ch.call(method, { ...values })
    }
  })
  .add('anybody may publish to an exclusive queue', async (s) => {
    const owner = await s.channel()
    await owner.declareQueue('q', {}, { exclusive: true })
    const other = await s.channel()
    other.publish('', 'q', 'hello')
    await owner.getWhenThere('q', true)
  })
  .add('an auto-delete queue goes with its last consumer', async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('q', {}, { 'auto-delete': true })
    await ch.consume('q', 'one')
    await ch.consume('q', 'two')
    await ch.call('basic.cancel', { 'consumer-tag': 'one' })
    await ch.call('queue.declare', { queue: 'q', passive: true })
    await ch.call('basic.cancel', { 'consumer-tag': 'two' })
    await ch.call('queue.declare', { queue: 'q', passive: true })
  })
  .add('an auto-delete queue that never had a consumer stays', async (s) => {
    const first = await s.channel()
    await first.declareQueue('q', {}, { 'auto-delete': true })
    first.publish('', 'q')
    await first.getWhenThere('q', true)
    await first.connection.close()
    const second = await s.channel()
    await second.call('queue.declare', { queue: 'q', passive: true })
  })
  .add('an auto-delete queue goes when the channel of its consumer closes', async (s) => {
    const c = await s.connect()
    const first = await c.channel(1)
    const second = await c.channel(2)
    await first.declareQueue('q', {}, { 'auto-delete': true })
    await first.consume('q')
    await first.call('channel.close', { 'reply-code': 200, 'reply-text': 'bye' })
    await second.call('queue.declare', { queue: 'q', passive: true })
  })
