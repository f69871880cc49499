import type { Arguments } from '../../amqp-0-9-1/raw-client.ts'
import { typed } from '../../amqp-0-9-1/wire-value.ts'
import { CaseTable } from '../case-table.ts'
import type { Script } from '../script.ts'

/** Publishing: refusals, returns, sender-selected routing, checks of properties. */
export const publishCases: CaseTable = new CaseTable('publish')

publishCases
  .add('to a missing exchange', async (s) => {
    const ch = await s.channel()
    ch.publish('missing', 'k')
    await ch.call('basic.qos')
  })
  .add('to a missing exchange while confirms are on', async (s) => {
    const ch = await s.channel()
    await ch.call('confirm.select')
    ch.publish('missing', 'k')
    await ch.reply()
  })
  .add('what nobody takes is dropped', async (s) => {
    const ch = await s.channel()
    ch.publish('amq.direct', 'nobody')
    await ch.quiet()
  })
  .add('mandatory that nobody takes is returned with its properties', async (s) => {
    const ch = await s.channel()
    const properties = { 'content-type': 'text/plain', headers: { n: 1 }, 'delivery-mode': 2, 'message-id': 'id' }
    ch.publish('amq.direct', 'nobody', 'body', { mandatory: true, properties })
    ch.publish('', 'no-queue', '', { mandatory: true })
    await ch.returns(2)
  })
  .add('mandatory that somebody takes is not returned', async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('q')
    ch.publish('', 'q', 'm', { mandatory: true })
    await ch.getWhenThere('q', true)
  })
  .add('a return comes before its confirm', async (s) => {
    const ch = await s.channel()
    await ch.call('confirm.select')
    ch.publish('', 'no-queue', 'm', { mandatory: true })
    await ch.confirms(1)
    const order = ch.client.arrivals.map((arrival) => arrival.name).filter((name) => name === 'basic.return' || name === 'basic.ack')
    s.note(order.join(' then '))
  })
  .add('immediate', async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('q')
    ch.publish('', 'q', 'm', { immediate: true })
    await ch.connection.ended()
  })

/** One publish with these properties, on a queue that takes it. */
async function publishWith(s: Script, properties: Arguments): Promise<void> {
  const ch = await s.channel()
  await ch.declareQueue('q')
  ch.publish('', 'q', 'm', { properties })
  await ch.call('basic.qos')
  if (ch.isOpen) await ch.getWhenThere('q', true)
}

const PROPERTIES: readonly (readonly [string, Arguments])[] = [
  ['an expiration that is no number', { expiration: 'soon' }],
  ['a negative expiration', { expiration: '-1' }],
  ['an expiration with a fraction', { expiration: '1.5' }],
  ['an expiration with a space', { expiration: ' 100' }],
  ['an empty expiration', { expiration: '' }],
  ['an expiration of eleven years', { expiration: String(11 * 365 * 86_400_000) }],
  ['a priority on a queue without priorities', { priority: 9 }],
  ['delivery mode 0', { 'delivery-mode': 0 }],
  ['delivery mode 3', { 'delivery-mode': 3 }],
  ['the user-id of the connection', { 'user-id': 'guest' }],
  ['the user-id of somebody else', { 'user-id': 'somebody' }],
  ['an empty user-id', { 'user-id': '' }],
  ['CC that is not an array', { headers: { CC: 'other' } }],
  ['CC with an element that is not text', { headers: { CC: [5] } }],
  ['BCC that is not an array', { headers: { BCC: 'other' } }],
  ['an empty header table', { headers: {} }],
]

for (const [name, properties] of PROPERTIES) publishCases.add(name, async (s) => await publishWith(s, properties))

publishCases
  .add('CC and BCC route too, and BCC is removed', async (s) => {
    const ch = await s.channel()
    for (const queue of ['to', 'cc', 'bcc']) await ch.declareQueue(queue)
    ch.publish('', 'to', 'm', { properties: { headers: { CC: ['cc', 'to'], BCC: ['bcc'], other: 1 } } })
    for (const queue of ['to', 'cc', 'bcc']) await ch.getWhenThere(queue, true)
    await ch.get('to', true)
  })
  .add('CC alone satisfies mandatory', async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('cc')
    ch.publish('', 'nobody', 'm', { mandatory: true, properties: { headers: { CC: ['cc'] } } })
    await ch.getWhenThere('cc', true)
  })
  .add('a returned message keeps its BCC or not', async (s) => {
    const ch = await s.channel()
    ch.publish('', 'nobody', 'm', { mandatory: true, properties: { headers: { BCC: ['nobody-2'], CC: ['nobody-3'] } } })
    await ch.returns(1)
  })
  .add('higher priorities come first, equal ones in order', async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('q', { 'x-max-priority': 5 })
    await ch.call('confirm.select')
    const priorities = [1, 5, 3, undefined, 0, 9, 5, 1]
    for (const [index, priority] of priorities.entries()) {
      ch.publish('', 'q', `${index}: ${priority ?? 'none'}`, priority === undefined ? {} : { properties: { priority } })
    }
    await ch.confirms(priorities.length)
    for (let count = 0; count < priorities.length; count++) await ch.get('q', true)
  })
  .add('a requeued message of lower priority waits for its turn', async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('q', { 'x-max-priority': 5 })
    await ch.call('confirm.select')
    ch.publish('', 'q', 'low', { properties: { priority: 1 } })
    await ch.confirms(1)
    await ch.get('q')
    ch.publish('', 'q', 'high', { properties: { priority: 4 } })
    await ch.confirms(2)
    ch.nack(1, true)
    await ch.untilCount('q', 2)
    await ch.get('q', true)
    await ch.get('q', true)
  })
  .add('a message of 16 MiB', async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('q')
    ch.publish('', 'q', Buffer.alloc(16 << 20))
    await ch.call('basic.qos')
    if (ch.isOpen) await ch.getWhenThere('q', true)
  })
  .add('a message of 16 MiB and a byte', async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('q')
    ch.publish('', 'q', Buffer.alloc((16 << 20) + 1))
    await ch.call('basic.qos')
  })
  .add('x-delay without a delayed exchange is only a header', async (s) => await publishWith(s, { headers: { 'x-delay': 50 } }), {
    difference: 'A publish with x-delay is delayed on any exchange; the header stays on the message.',
  })
  .add('publishing to another channel does not disturb a half published message', async (s) => {
    const c = await s.connect()
    const first = await c.channel(1)
    const second = await c.channel(2)
    await first.declareQueue('q')
    first.send('basic.publish', { 'routing-key': 'q' })
    c.client.sendHeader(1, 5)
    second.publish('', 'q', 'second')
    await second.getWhenThere('q', true)
    c.client.sendFrame(3, 1, Buffer.from('first'))
    await first.getWhenThere('q', true)
  })
  .add('confirm.select is answered, and again', async (s) => {
    const ch = await s.channel()
    await ch.call('confirm.select')
    await ch.call('confirm.select')
    await ch.declareQueue('q')
    ch.publish('', 'q')
    ch.publish('amq.direct', 'nobody')
    ch.publish('', 'q', 'm', { properties: { 'delivery-mode': 2 } })
    await ch.confirms(3)
  })
  .add('confirm.select with nowait is not answered', async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('q')
    ch.send('confirm.select', { nowait: true })
    ch.publish('', 'q')
    await ch.confirms(1)
  })
  .add('sequence numbers begin where confirms begin', async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('q', {}, { durable: true })
    ch.publish('', 'q', 'before')
    await ch.call('confirm.select')
    for (let count = 0; count < 50; count++) ch.publish('', 'q', 'm', { properties: { 'delivery-mode': 2 } })
    await ch.confirms(50)
  })
  .add('confirm.select on a channel with transactions', async (s) => {
    const ch = await s.channel()
    await ch.call('tx.select')
    await ch.call('confirm.select')
  })
  .add('a message for a deleted queue is confirmed', async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('q')
    await ch.call('confirm.select')
    await ch.call('queue.delete', { queue: 'q' })
    ch.publish('', 'q')
    await ch.confirms(1)
  })
  .add('a header whose value is a 64-bit number comes back as it was', async (s) => {
    await publishWith(s, { headers: { big: typed('l', 9_007_199_254_740_993n), small: typed('b', -128) } })
  })
