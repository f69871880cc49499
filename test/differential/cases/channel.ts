import { CaseTable } from '../case-table.ts'

/** Opening, using and closing channels. */
export const channelCases: CaseTable = new CaseTable('channel')

channelCases
  .add('a method on a channel that was never opened', async (s) => {
    const c = await s.connect()
    await c.unopened(3).call('queue.declare', { queue: 'q' })
    await c.ended()
  })
  .add('opening an open channel again', async (s) => {
    const ch = await s.channel()
    await ch.call('channel.open')
    await ch.connection.ended()
  })
  .add('a method on a channel after its close', async (s) => {
    const ch = await s.channel()
    await ch.call('channel.close', { 'reply-code': 200, 'reply-text': 'bye' })
    await ch.call('queue.declare', { queue: 'q' })
    await ch.connection.ended()
  })
  .add('a closed channel can be opened again', async (s) => {
    const ch = await s.channel()
    await ch.call('channel.close', { 'reply-code': 200, 'reply-text': 'bye' })
    await ch.call('channel.open')
    await ch.declareQueue('q')
  })
  .add('an error of one channel leaves the other channels alone', async (s) => {
    const c = await s.connect()
    const first = await c.channel(1)
    const second = await c.channel(2)
    await first.call('queue.declare', { queue: 'missing', passive: true })
    await second.declareQueue('q')
  })
  .add('methods sent after an error are ignored until close-ok', async (s) => {
    const c = await s.connect()
    c.answersClose = false
    const ch = await c.channel()
    await ch.call('queue.declare', { queue: 'missing', passive: true })
    ch.send('queue.declare', { queue: 'q-after-error' })
    ch.publish('', 'q-after-error')
    c.client.sendMethod(1, 'channel.close-ok')
    await ch.call('channel.open')
    await ch.call('queue.declare', { queue: 'q-after-error', passive: true })
  })
  .add('close from both sides at once', async (s) => {
    const c = await s.connect()
    c.answersClose = false
    const ch = await c.channel()
    ch.send('queue.declare', { queue: 'missing', passive: true })
    ch.send('channel.close', { 'reply-code': 200, 'reply-text': 'bye' })
    await ch.reply()
    await ch.reply()
    c.client.sendMethod(1, 'channel.close-ok')
    await ch.call('channel.open')
  })
  .add('flow with active false is answered', async (s) => {
    const ch = await s.channel()
    await ch.call('channel.flow', { active: false })
    await ch.connection.ended(500)
  })
  .add('flow with active true is answered', async (s) => {
    const ch = await s.channel()
    await ch.call('channel.flow', { active: true })
  })
  .add('a channel.close-ok that nobody asked for', async (s) => {
    const ch = await s.channel()
    ch.send('channel.close-ok')
    await ch.call('queue.declare', { queue: 'q' })
    await ch.connection.ended(500)
  })
  .add('access.request', async (s) => {
    const ch = await s.channel()
    await ch.call('access.request', { realm: '/data', active: true })
  })
  .add('connection methods on a channel other than zero', async (s) => {
    const ch = await s.channel()
    await ch.call('connection.close', { 'reply-code': 200, 'reply-text': 'bye' })
    await ch.connection.ended()
  })
  .add('channel methods on channel zero', async (s) => {
    const c = await s.connect()
    await c.call('channel.open')
    await c.ended()
  })
  .add('queue methods on channel zero', async (s) => {
    const c = await s.connect()
    await c.call('queue.declare', { queue: 'q' })
    await c.ended()
  })
  .add('closing a channel returns its unsettled messages to the queue, redelivered', async (s) => {
    const c = await s.connect()
    const first = await c.channel(1)
    const second = await c.channel(2)
    await first.declareQueue('q')
    for (const body of ['1', '2', '3']) first.publish('', 'q', body)
    await first.getWhenThere('q')
    await first.get('q')
    await first.call('channel.close', { 'reply-code': 200, 'reply-text': 'bye' })
    await second.untilCount('q', 3)
    for (let count = 0; count < 4; count++) await second.get('q', true)
  })
  .add('a killed connection returns its unsettled messages to the queue', async (s) => {
    const first = await s.channel()
    await first.declareQueue('q')
    first.publish('', 'q', 'once')
    await first.getWhenThere('q')
    const second = await s.channel()
    first.client.destroy()
    await second.untilCount('q', 1)
    await second.get('q', true)
  })
