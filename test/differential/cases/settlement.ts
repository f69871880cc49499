import { CaseTable } from '../case-table.ts'
import type { Script, ScriptChannel } from '../script.ts'

/** Getting, acknowledging, rejecting and recovering. */
export const settlementCases: CaseTable = new CaseTable('settlement')

/** A channel with a queue "q" that has messages "1" to "n". */
async function filled(s: Script, count: number): Promise<ScriptChannel> {
  const ch = await s.channel()
  await ch.declareQueue('q')
  for (let number = 1; number <= count; number++) ch.publish('', 'q', String(number))
  await ch.untilCount('q', count)
  return ch
}

/** What is left in the queue, seen from another channel after the first one is closed. */
async function rest(ch: ScriptChannel, count: number): Promise<void> {
  const other = await ch.connection.channel(50)
  if (ch.isOpen) await ch.call('channel.close', { 'reply-code': 200, 'reply-text': 'bye' })
  await other.untilCount('q', count)
}

settlementCases
  .add('get from a missing queue', async (s) => {
    const ch = await s.channel()
    await ch.get('missing')
  })
  .add('get without acknowledgement settles at once', async (s) => {
    const ch = await filled(s, 2)
    await ch.get('q', true)
    await ch.get('q', true)
    await ch.get('q', true)
    await rest(ch, 0)
  })
  .add('an acknowledged message is gone', async (s) => {
    const ch = await filled(s, 2)
    await ch.get('q')
    ch.ack(1)
    await rest(ch, 1)
  })
  .add('ack of an unknown delivery tag', async (s) => {
    const ch = await filled(s, 1)
    ch.ack(7)
    await ch.call('basic.qos')
  })
  .add('ack twice', async (s) => {
    const ch = await filled(s, 1)
    await ch.get('q')
    ch.ack(1)
    ch.ack(1)
    await ch.call('basic.qos')
  })
  .add('ack of a message that was delivered without acknowledgement', async (s) => {
    const ch = await filled(s, 1)
    await ch.get('q', true)
    ch.ack(1)
    await ch.call('basic.qos')
  })
  .add('ack multiple settles everything up to the tag', async (s) => {
    const ch = await filled(s, 4)
    for (let count = 0; count < 4; count++) await ch.get('q')
    ch.ack(3, true)
    await rest(ch, 1)
  })
  .add('ack multiple of a tag already settled', async (s) => {
    const ch = await filled(s, 3)
    for (let count = 0; count < 3; count++) await ch.get('q')
    ch.ack(2)
    ch.ack(2, true)
    await ch.call('basic.qos')
    await rest(ch, 2)
  })
  .add('ack multiple of a tag never given', async (s) => {
    const ch = await filled(s, 2)
    await ch.get('q')
    ch.ack(9, true)
    await ch.call('basic.qos')
  })
  .add('ack 0 multiple settles everything', async (s) => {
    const ch = await filled(s, 3)
    for (let count = 0; count < 3; count++) await ch.get('q')
    ch.ack(0, true)
    await rest(ch, 0)
  })
  .add('ack 0 multiple without anything unsettled', async (s) => {
    const ch = await filled(s, 1)
    ch.ack(0, true)
    await ch.call('basic.qos')
  })
  .add('ack 0 alone', async (s) => {
    const ch = await filled(s, 1)
    await ch.get('q')
    ch.ack(0)
    await ch.call('basic.qos')
  })
  .add('nack with requeue puts a message back in its place', async (s) => {
    const ch = await filled(s, 3)
    await ch.get('q')
    await ch.get('q')
    ch.nack(1, true)
    await ch.untilCount('q', 2)
    for (let count = 0; count < 3; count++) await ch.get('q')
  })
  .add('nack multiple with requeue keeps the order', async (s) => {
    const ch = await filled(s, 4)
    for (let count = 0; count < 3; count++) await ch.get('q')
    ch.nack(3, true, true)
    await ch.untilCount('q', 4)
    for (let count = 0; count < 4; count++) await ch.get('q')
  })
  .add('nack 0 multiple', async (s) => {
    const ch = await filled(s, 3)
    for (let count = 0; count < 3; count++) await ch.get('q')
    ch.nack(0, false, true)
    await rest(ch, 0)
  })
  .add('nack of an unknown delivery tag', async (s) => {
    const ch = await filled(s, 1)
    ch.nack(5, true)
    await ch.call('basic.qos')
  })
  .add('reject without requeue drops', async (s) => {
    const ch = await filled(s, 2)
    await ch.get('q')
    ch.reject(1, false)
    await rest(ch, 1)
  })
  .add('reject with requeue redelivers', async (s) => {
    const ch = await filled(s, 1)
    await ch.get('q')
    ch.reject(1, true)
    await ch.getWhenThere('q')
  })
  .add('reject of an unknown delivery tag', async (s) => {
    const ch = await filled(s, 1)
    ch.reject(3, true)
    await ch.call('basic.qos')
  })
  .add('a delivery tag belongs to its channel', async (s) => {
    const ch = await filled(s, 1)
    await ch.get('q')
    const other = await ch.connection.channel(2)
    other.ack(1)
    await other.call('basic.qos')
  })
  .add('recover with requeue redelivers', async (s) => {
    const ch = await filled(s, 2)
    await ch.get('q')
    await ch.get('q')
    await ch.call('basic.recover', { requeue: true })
    await ch.getWhenThere('q')
    await ch.getWhenThere('q')
  })
  .add('recover without requeue', async (s) => {
    const ch = await filled(s, 1)
    await ch.get('q')
    await ch.call('basic.recover', { requeue: false })
    await ch.connection.ended(300)
  })
  .add('recover-async is not answered', async (s) => {
    const ch = await filled(s, 1)
    await ch.get('q')
    ch.send('basic.recover-async', { requeue: true })
    await ch.getWhenThere('q')
  })
  .add('recover redelivers to the consumer', async (s) => {
    const ch = await filled(s, 2)
    await ch.consume('q')
    await ch.deliveries(2)
    await ch.call('basic.recover', { requeue: true })
    await ch.deliveries(2)
  })
  .add('a consumer gets a requeued message again', async (s) => {
    const ch = await filled(s, 1)
    await ch.consume('q')
    await ch.deliveries(1)
    ch.nack(1, true)
    await ch.deliveries(1)
    ch.ack(2)
    await rest(ch, 0)
  })
  .add('requeued messages keep their place for a consumer with a window', async (s) => {
    const ch = await filled(s, 4)
    await ch.call('basic.qos', { 'prefetch-count': 2 })
    await ch.consume('q')
    await ch.deliveries(2)
    ch.nack(2, true)
    await ch.deliveries(1)
    ch.ack(1)
    await ch.deliveries(1)
    ch.ack(0, true)
    await ch.deliveries(1)
  })
  .add('messages of a cancelled consumer stay unsettled until the channel closes', async (s) => {
    const ch = await filled(s, 2)
    await ch.consume('q')
    await ch.deliveries(2)
    await ch.call('basic.cancel', { 'consumer-tag': 'tag' })
    await ch.call('queue.declare', { queue: 'q', passive: true })
    ch.ack(1)
    await rest(ch, 1)
  })
  .add('ack on a queue that was deleted meanwhile', async (s) => {
    const ch = await filled(s, 1)
    await ch.get('q')
    await ch.call('queue.delete', { queue: 'q' })
    ch.ack(1)
    await ch.call('basic.qos')
  })
