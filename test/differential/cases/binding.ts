import type { Table } from '../../amqp-0-9-1/wire-value.ts'
import { typed } from '../../amqp-0-9-1/wire-value.ts'
import { CaseTable } from '../case-table.ts'
import type { Script } from '../script.ts'

/** Bindings of queues, and what every type of exchange makes of them. */
export const bindingCases: CaseTable = new CaseTable('binding')

bindingCases
  .add('bind to a missing exchange', async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('q')
    await ch.bind('q', 'missing')
  })
  .add('bind a missing queue', async (s) => {
    const ch = await s.channel()
    await ch.bind('missing', 'amq.direct')
  })
  .add('bind to the default exchange', async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('q')
    await ch.bind('q', '', 'k')
  })
  .add('unbind from the default exchange', async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('q')
    await ch.call('queue.unbind', { queue: 'q', exchange: '', 'routing-key': 'q' })
  })
  .add('bind with nowait is not answered', async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('q')
    ch.send('queue.bind', { queue: 'q', exchange: 'amq.direct', 'routing-key': 'k', nowait: true })
    ch.publish('amq.direct', 'k')
    await ch.getWhenThere('q', true)
  })
  .add('binding twice delivers once', async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('q')
    await ch.bind('q', 'amq.direct', 'k')
    await ch.bind('q', 'amq.direct', 'k')
    ch.publish('amq.direct', 'k')
    await ch.untilCount('q', 1)
    await ch.call('queue.unbind', { queue: 'q', exchange: 'amq.direct', 'routing-key': 'k' })
    ch.publish('amq.direct', 'k')
    await ch.untilCount('q', 1)
  })
  .add('two matching bindings deliver once', async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('q')
    await ch.bind('q', 'amq.topic', 'a.*')
    await ch.bind('q', 'amq.topic', '#')
    ch.publish('amq.topic', 'a.b')
    await ch.untilCount('q', 1)
    await ch.get('q', true)
    await ch.get('q', true)
  })
  .add('unbind of what is not bound', async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('q')
    await ch.call('queue.unbind', { queue: 'q', exchange: 'amq.direct', 'routing-key': 'k' })
  })
  .add('unbind of a missing queue', async (s) => {
    const ch = await s.channel()
    await ch.call('queue.unbind', { queue: 'missing', exchange: 'amq.direct', 'routing-key': 'k' })
  })
  .add('unbind from a missing exchange', async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('q')
    await ch.call('queue.unbind', { queue: 'q', exchange: 'missing', 'routing-key': 'k' })
  })
  .add('bindings that differ only in arguments are two', async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('q')
    await ch.bind('q', 'amq.direct', 'k', { n: 1 })
    await ch.bind('q', 'amq.direct', 'k', { n: 2 })
    await ch.call('queue.unbind', { queue: 'q', exchange: 'amq.direct', 'routing-key': 'k', arguments: { n: 1 } })
    ch.publish('amq.direct', 'k')
    await ch.untilCount('q', 1)
    await ch.call('queue.unbind', { queue: 'q', exchange: 'amq.direct', 'routing-key': 'k', arguments: { n: 2 } })
    ch.publish('amq.direct', 'k')
    await ch.untilCount('q', 1)
  })
  .add('direct matches the whole key', async (s) => {
    await routes(s, 'direct', ['k', 'K', '', 'k.k', '*'], ['k', 'K', '', 'k.k', 'x'])
  })
  .add('fanout ignores the key', async (s) => {
    await routes(s, 'fanout', ['k', ''], ['k', 'other', ''])
  })
  .add('topic matches words and wildcards', async (s) => {
    const patterns = [
      '#',
      '*',
      'a',
      'a.b',
      'a.*',
      '*.b',
      '#.b',
      'a.#',
      'a.*.c',
      'a.#.c',
      '#.#',
      '*.*',
      '*.#',
      '#.*',
      'a.#.#.c',
      '',
      'a..b',
      'a.*.*',
    ]
    const keys = ['', 'a', 'b', 'a.b', 'a.c', 'a.b.c', 'a.x.y.c', 'a..c', 'a..b', '.', 'a.', '.a', 'a.b.c.d', 'A.B', '*.b', '#', 'a#', 'ab']
    await routes(s, 'topic', patterns, keys)
  })
  .add('topic takes wildcards inside a word literally', async (s) => {
    await routes(s, 'topic', ['a*', 'a.b*', '#a', '*#', '**'], ['a*', 'ab', 'a.bc', 'a.b*', '#a', 'xa', '*#', 'x', '**'])
  })

const HEADERS: readonly (readonly [string, Table])[] = [
  ['none', {}],
  ['both', { a: 1, b: 'two' }],
  ['one', { a: 1 }],
  ['wrong value', { a: 1, b: 'three' }],
  ['other type', { a: typed('l', 1), b: 'two' }],
  ['as text', { a: '1', b: 'two' }],
  ['more', { a: 1, b: 'two', c: true }],
  ['with x', { a: 1, b: 'two', 'x-c': 'x' }],
  ['only x', { 'x-c': 'x' }],
  ['void', { a: null, b: 'two' }],
]

for (const match of ['all', 'any', 'all-with-x', 'any-with-x', undefined]) {
  bindingCases.add(`headers with x-match ${match ?? 'absent'}`, async (s) => {
    const rule = match === undefined ? {} : { 'x-match': match }
    const bindings: Table[] = [{ ...rule, a: 1, b: 'two' }, { ...rule, a: 1, b: 'two', 'x-c': 'x' }, { ...rule }, { ...rule, a: null }]
    const ch = await s.channel()
    await ch.declareExchange('x', 'headers')
    for (const [index, table] of bindings.entries()) {
      await ch.declareQueue(`q${index}`)
      await ch.bind(`q${index}`, 'x', '', table)
    }
    await ch.call('confirm.select')
    for (const [name, headers] of HEADERS) ch.publish('x', 'ignored', name, { properties: { headers } })
    ch.publish('x', 'ignored', 'without table')
    await ch.confirms(HEADERS.length + 1)
    for (const [index, table] of bindings.entries()) s.note(`${JSON.stringify(table)}: ${(await drain(ch, `q${index}`)).join(', ')}`)
  })
}

bindingCases
  .add('headers with an x-match nobody knows', async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('q')
    await ch.bind('q', 'amq.headers', '', { 'x-match': 'some' })
  })
  .add('headers with an x-match that is not text', async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('q')
    await ch.bind('q', 'amq.headers', '', { 'x-match': 5 })
  })

async function drain(ch: Awaited<ReturnType<Script['channel']>>, queue: string): Promise<string[]> {
  const bodies: string[] = []
  for (;;) {
    const answer = await ch.get(queue, true)
    ch.skipReply()
    if (answer?.name !== 'basic.get-ok') return bodies
    bodies.push(answer.body?.toString() ?? '')
  }
}

/** Which keys reach a queue, for every binding key. */
async function routes(s: Script, type: string, patterns: readonly string[], keys: readonly string[]): Promise<void> {
  const ch = await s.channel()
  await ch.declareExchange('x', type)
  for (const [index, pattern] of patterns.entries()) {
    await ch.declareQueue(`q${index}`)
    await ch.bind(`q${index}`, 'x', pattern)
  }
  await ch.call('confirm.select')
  for (const key of keys) ch.publish('x', key, JSON.stringify(key))
  await ch.confirms(keys.length)
  for (const [index, pattern] of patterns.entries()) s.note(`${JSON.stringify(pattern)} takes ${(await drain(ch, `q${index}`)).join(' ')}`)
}
