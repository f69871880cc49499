import { CaseTable } from '../case-table.ts'
import type { ScriptChannel } from '../script.ts'
import type { Table } from '../../amqp-0-9-1/wire-value.ts'

/** Declaring, deleting and linking exchanges. */
export const exchangeCases: CaseTable = new CaseTable('exchange')

for (const type of ['direct', 'fanout', 'topic', 'headers']) {
  exchangeCases.add(`declare ${type}, again, passive and delete`, async (s) => {
    const ch = await s.channel()
    await ch.declareExchange('x', type, {}, { durable: true })
    await ch.declareExchange('x', type, {}, { durable: true })
    await ch.call('exchange.declare', { exchange: 'x', passive: true })
    await ch.call('exchange.delete', { exchange: 'x' })
    await ch.call('exchange.declare', { exchange: 'x', passive: true })
  })
}

/** Declares an exchange and declares it again otherwise. */
const redeclare = (name: string, first: [string, Table, object], second: [string, Table, object]): void => {
  exchangeCases.add(`redeclare with another ${name}`, async (s) => {
    const ch = await s.channel()
    await ch.declareExchange('x', first[0], first[1], { ...first[2] })
    await ch.declareExchange('x', second[0], second[1], { ...second[2] })
  })
}

redeclare('type', ['direct', {}, {}], ['fanout', {}, {}])
redeclare('durable', ['direct', {}, {}], ['direct', {}, { durable: true }])
redeclare('auto-delete', ['direct', {}, {}], ['direct', {}, { 'auto-delete': true }])
redeclare('internal', ['direct', {}, {}], ['direct', {}, { internal: true }])
redeclare('alternate exchange', ['direct', { 'alternate-exchange': 'a' }, {}], ['direct', { 'alternate-exchange': 'b' }, {}])
redeclare('alternate exchange, which it had not', ['direct', {}, {}], ['direct', { 'alternate-exchange': 'b' }, {}])
redeclare('argument nobody knows', ['direct', { 'x-nobody': 1 }, {}], ['direct', { 'x-nobody': 2 }, {}])

exchangeCases
  .add('an unknown type', async (s) => {
    const ch = await s.channel()
    await ch.declareExchange('x', 'nonsense')
    await ch.connection.ended(300)
  })
  .add('an empty type', async (s) => {
    const ch = await s.channel()
    await ch.declareExchange('x', '')
  })
  .add('declare with nowait is not answered', async (s) => {
    const ch = await s.channel()
    ch.send('exchange.declare', { exchange: 'x', type: 'direct', nowait: true })
    await ch.call('exchange.declare', { exchange: 'x', passive: true })
  })
  .add('a reserved name', async (s) => {
    const ch = await s.channel()
    await ch.declareExchange('amq.mine', 'direct')
  })
  .add('a predeclared exchange declared as it is', async (s) => {
    const ch = await s.channel()
    await ch.declareExchange('amq.topic', 'topic', {}, { durable: true })
  })
  .add('a predeclared exchange declared otherwise', async (s) => {
    const ch = await s.channel()
    await ch.declareExchange('amq.topic', 'direct', {}, { durable: true })
  })
  .add('all predeclared exchanges are there', async (s) => {
    const ch = await s.channel()
    for (const name of ['amq.direct', 'amq.fanout', 'amq.topic', 'amq.headers', 'amq.match', 'amq.rabbitmq.trace']) {
      await ch.call('exchange.declare', { exchange: name, passive: true })
    }
  })
  .add('the default exchange declared', async (s) => {
    const ch = await s.channel()
    await ch.declareExchange('', 'direct', {}, { durable: true })
  })
  .add('the default exchange declared passively', async (s) => {
    const ch = await s.channel()
    await ch.call('exchange.declare', { exchange: '', passive: true })
  })
  .add('the default exchange deleted', async (s) => {
    const ch = await s.channel()
    await ch.call('exchange.delete', { exchange: '' })
  })
  .add('a predeclared exchange deleted', async (s) => {
    const ch = await s.channel()
    await ch.call('exchange.delete', { exchange: 'amq.direct' })
  })
  .add('a missing exchange declared passively', async (s) => {
    const ch = await s.channel()
    await ch.call('exchange.declare', { exchange: 'missing', passive: true })
  })
  .add('a missing exchange deleted', async (s) => {
    const ch = await s.channel()
    await ch.call('exchange.delete', { exchange: 'missing' })
  })
  .add('a name with a line feed and one with a space', async (s) => {
    const ch = await s.channel()
    await ch.declareExchange('with\nline feed', 'direct')
    await ch.declareExchange('with space', 'direct')
  })
  .add('delete if-unused while a queue is bound', async (s) => {
    const ch = await s.channel()
    await ch.declareExchange('x', 'direct')
    await ch.declareQueue('q')
    await ch.bind('q', 'x')
    await ch.call('exchange.delete', { exchange: 'x', 'if-unused': true })
  })
  .add('delete if-unused when nothing is bound any more', async (s) => {
    const ch = await s.channel()
    await ch.declareExchange('x', 'direct')
    await ch.declareQueue('q')
    await ch.bind('q', 'x')
    await ch.call('queue.unbind', { queue: 'q', exchange: 'x' })
    await ch.call('exchange.delete', { exchange: 'x', 'if-unused': true })
  })
  .add('an auto-delete exchange goes with its last binding', async (s) => {
    const ch = await s.channel()
    await ch.declareExchange('x', 'fanout', {}, { 'auto-delete': true })
    await ch.declareQueue('q')
    await ch.bind('q', 'x', 'one')
    await ch.bind('q', 'x', 'two')
    await ch.call('queue.unbind', { queue: 'q', exchange: 'x', 'routing-key': 'one' })
    await ch.call('exchange.declare', { exchange: 'x', passive: true })
    await ch.call('queue.unbind', { queue: 'q', exchange: 'x', 'routing-key': 'two' })
    await ch.call('exchange.declare', { exchange: 'x', passive: true })
  })
  .add('an auto-delete exchange goes when its last bound queue is deleted', async (s) => {
    const ch = await s.channel()
    await ch.declareExchange('x', 'fanout', {}, { 'auto-delete': true })
    await ch.declareQueue('q')
    await ch.bind('q', 'x')
    await ch.call('queue.delete', { queue: 'q' })
    await ch.call('exchange.declare', { exchange: 'x', passive: true })
  })
  .add('publish to an internal exchange', async (s) => {
    const ch = await s.channel()
    await ch.declareExchange('x', 'fanout', {}, { internal: true })
    ch.publish('x', '')
    await ch.call('basic.qos')
  })
  .add('an internal exchange routes what another exchange gives it', async (s) => {
    const ch = await s.channel()
    await ch.declareExchange('outer', 'fanout')
    await ch.declareExchange('inner', 'fanout', {}, { internal: true })
    await ch.declareQueue('q')
    await ch.bind('q', 'inner')
    await ch.call('exchange.bind', { source: 'outer', destination: 'inner' })
    ch.publish('outer', 'key')
    await ch.getWhenThere('q', true)
  })
  .add('exchange to exchange bindings deliver once per queue, over a cycle too', async (s) => {
    const ch = await s.channel()
    for (const name of ['a', 'b', 'c']) await ch.declareExchange(name, 'fanout')
    await ch.declareQueue('q')
    for (const name of ['a', 'b', 'c']) await ch.bind('q', name)
    for (const [source, destination] of [
      ['a', 'b'],
      ['b', 'c'],
      ['c', 'a'],
    ] as const)
      await ch.call('exchange.bind', { source, destination })
    ch.publish('a', '')
    await ch.getWhenThere('q', true)
    await ch.get('q', true)
  })
  .add('exchange.unbind ends the flow', async (s) => {
    const ch = await s.channel()
    await ch.declareExchange('a', 'direct')
    await ch.declareExchange('b', 'direct')
    await ch.declareQueue('q')
    await ch.bind('q', 'b', 'k')
    await ch.call('exchange.bind', { source: 'a', destination: 'b', 'routing-key': 'k' })
    await ch.call('exchange.unbind', { source: 'a', destination: 'b', 'routing-key': 'k' })
    ch.publish('a', 'k')
    await ch.get('q', true)
    await ch.call('exchange.unbind', { source: 'a', destination: 'b', 'routing-key': 'k' })
  })
  .add('exchange.bind with a missing source', async (s) => {
    const ch = await s.channel()
    await ch.declareExchange('x', 'direct')
    await ch.call('exchange.bind', { source: 'missing', destination: 'x' })
  })
  .add('exchange.bind with a missing destination', async (s) => {
    const ch = await s.channel()
    await ch.declareExchange('x', 'direct')
    await ch.call('exchange.bind', { source: 'x', destination: 'missing' })
  })
  .add('exchange.bind with the default exchange as source', async (s) => {
    const ch = await s.channel()
    await ch.declareExchange('x', 'direct')
    await ch.call('exchange.bind', { source: '', destination: 'x' })
  })
  .add('exchange.bind with the default exchange as destination', async (s) => {
    const ch = await s.channel()
    await ch.declareExchange('x', 'direct')
    await ch.call('exchange.bind', { source: 'x', destination: '' })
  })
  .add('exchange.unbind with missing exchanges', async (s) => {
    const ch = await s.channel()
    await ch.call('exchange.unbind', { source: 'missing', destination: 'also-missing' })
  })
  .add('an exchange bound to another counts as used', async (s) => {
    const ch = await s.channel()
    await ch.declareExchange('a', 'direct')
    await ch.declareExchange('b', 'direct')
    await ch.call('exchange.bind', { source: 'a', destination: 'b' })
    await ch.call('exchange.delete', { exchange: 'b', 'if-unused': true })
    await ch.call('exchange.delete', { exchange: 'a', 'if-unused': true })
  })
  .add('the alternate exchange gets what no binding takes', async (s) => {
    const ch = await s.channel()
    await alternate(ch)
    ch.publish('main', 'bound', 'taken')
    ch.publish('main', 'unbound', 'left')
    await ch.getWhenThere('q', true)
    await ch.getWhenThere('rest', true)
    await ch.get('q', true)
    await ch.get('rest', true)
  })
  .add('a mandatory message that the alternate exchange takes is not returned', async (s) => {
    const ch = await s.channel()
    await alternate(ch)
    ch.publish('main', 'unbound', 'left', { mandatory: true })
    await ch.getWhenThere('rest', true)
    await ch.quiet()
  })
  .add('a missing alternate exchange drops, and returns what is mandatory', async (s) => {
    const ch = await s.channel()
    await ch.declareExchange('x', 'direct', { 'alternate-exchange': 'missing' })
    ch.publish('x', 'k')
    ch.publish('x', 'k', 'must', { mandatory: true })
    await ch.returns(1)
  })
  .add('alternate exchanges in a cycle end', async (s) => {
    const ch = await s.channel()
    await ch.declareExchange('a', 'direct', { 'alternate-exchange': 'b' })
    await ch.declareExchange('b', 'direct', { 'alternate-exchange': 'a' })
    ch.publish('a', 'k', 'm', { mandatory: true })
    await ch.returns(1)
  })
  .add('an alternate exchange that is not text', async (s) => {
    const ch = await s.channel()
    await ch.declareExchange('x', 'direct', { 'alternate-exchange': 5 })
  })
  .add(
    'x-delayed-message without the plugin',
    async (s) => {
      const ch = await s.channel()
      await ch.declareExchange('x', 'x-delayed-message', { 'x-delayed-type': 'direct' })
      await ch.connection.ended(300)
    },
    { difference: 'Delayed exchanges are part of Waybill; RabbitMQ needs a plugin for them.' },
  )

async function alternate(ch: ScriptChannel): Promise<void> {
  await ch.declareExchange('rest-x', 'fanout')
  await ch.declareExchange('main', 'direct', { 'alternate-exchange': 'rest-x' })
  await ch.declareQueue('q')
  await ch.declareQueue('rest')
  await ch.bind('rest', 'rest-x')
  await ch.bind('q', 'main', 'bound')
}
