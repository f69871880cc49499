import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { field, FieldTable, tableOf } from '../message/field.ts'
import type { EncodableTable } from '../message/field.ts'
import { BindingIndex } from './binding.ts'
import { Exchange, unbindAll } from './exchange.ts'
import type { ExchangeBindingIndex, RoutingKind } from './exchange.ts'
import type { RouteTarget } from './route-result.ts'
import { RouteResult } from './route-result.ts'

interface TestQueue extends RouteTarget {
  readonly name: string
}

const queue = (name: string): TestQueue => ({ name, routeMark: 0 })
const NO_HEADERS = new FieldTable()

/** A namespace of exchanges by name. */
class World {
  readonly index: ExchangeBindingIndex<TestQueue> = new BindingIndex()
  readonly exchanges = new Map<string, Exchange<TestQueue>>()
  readonly result = new RouteResult<TestQueue>()

  exchange(name: string, routing: RoutingKind, alternate?: string): Exchange<TestQueue> {
    const exchange = new Exchange<TestQueue>(
      { name, kind: routing, routing, durable: true, autoDelete: false, internal: false, arguments: NO_HEADERS, alternate },
      this.index,
      (wanted) => this.exchanges.get(wanted),
    )
    this.exchanges.set(name, exchange)
    return exchange
  }

  /** The names of the queues a message goes to, sorted; asserts that each comes once. */
  route(exchange: Exchange<TestQueue>, key: string, headers: EncodableTable = NO_HEADERS, moreKeys: string[] = []): string[] {
    exchange.route(key, tableOf(headers), this.result, moreKeys)
    const names = this.result.targets.slice(0, this.result.count).map((target) => target.name)
    assert.equal(new Set(names).size, names.length, 'every queue once')
    return names.sort()
  }
}

describe('Exchange', () => {
  it('routes by the exact key (direct)', () => {
    const world = new World()
    const exchange = world.exchange('x', 'direct')
    exchange.bind(queue('a'), 'one')
    exchange.bind(queue('b'), 'one')
    exchange.bind(queue('c'), '*')
    assert.deepEqual(world.route(exchange, 'one'), ['a', 'b'])
    assert.deepEqual(world.route(exchange, '*'), ['c'])
    assert.deepEqual(world.route(exchange, 'two'), [])
    assert.equal(world.result.cacheable, true)
  })

  it('routes everything (fanout)', () => {
    const world = new World()
    const exchange = world.exchange('x', 'fanout')
    exchange.bind(queue('a'), 'one')
    exchange.bind(queue('b'), '')
    assert.deepEqual(world.route(exchange, 'any'), ['a', 'b'])
  })

  it('routes by pattern and by exact key (topic)', () => {
    const world = new World()
    const exchange = world.exchange('x', 'topic')
    exchange.bind(queue('a'), 'orders.*')
    exchange.bind(queue('b'), 'orders.eu')
    exchange.bind(queue('c'), '#')
    assert.deepEqual(world.route(exchange, 'orders.eu'), ['a', 'b', 'c'])
    assert.deepEqual(world.route(exchange, 'orders.us'), ['a', 'c'])
    assert.deepEqual(world.route(exchange, ''), ['c'])
  })

  it('routes by headers, and says that such a route is not to be cached', () => {
    const world = new World()
    const exchange = world.exchange('x', 'headers')
    exchange.bind(queue('a'), '', tableOf({ kind: 'order' }))
    exchange.bind(queue('b'), '', tableOf({ kind: 'order', size: 1, 'x-match': 'any' }))
    assert.deepEqual(world.route(exchange, '', { kind: 'order' }), ['a', 'b'])
    assert.deepEqual(world.route(exchange, '', { size: 1 }), ['b'])
    assert.equal(world.result.cacheable, false)
  })

  it('adds a queue once however many bindings lead to it', () => {
    const world = new World()
    const exchange = world.exchange('x', 'topic')
    const a = queue('a')
    for (const key of ['#', '*', 'k', '*.#']) assert.equal(exchange.bind(a, key), true)
    assert.deepEqual(world.route(exchange, 'k'), ['a'])
    assert.deepEqual(world.route(exchange, 'k'), ['a'], 'and again with the next message')
  })

  it('follows bindings between exchanges, cycles included', () => {
    const world = new World()
    const [x, y, z] = [world.exchange('x', 'direct'), world.exchange('y', 'topic'), world.exchange('z', 'fanout')]
    x.bind(y, 'k')
    y.bind(z, '#')
    z.bind(x, '')
    z.bind(z, '')
    z.bind(queue('a'), '')
    x.bind(queue('b'), 'k')
    assert.deepEqual(world.route(x, 'k'), ['a', 'b'])
    assert.deepEqual(world.route(z, 'k'), ['a', 'b'])
    assert.deepEqual(world.route(z, 'other'), ['a'])
  })

  it('keeps a headers exchange behind another exchange out of the cache too', () => {
    const world = new World()
    const [x, y] = [world.exchange('x', 'fanout'), world.exchange('y', 'headers')]
    x.bind(y, '')
    y.bind(queue('a'), '', tableOf({ kind: 'order' }))
    assert.deepEqual(world.route(x, '', { kind: 'order' }), ['a'])
    assert.equal(world.result.cacheable, false)
  })

  describe('alternate exchange', () => {
    it('gets what matches no binding, and only that', () => {
      const world = new World()
      const x = world.exchange('x', 'direct', 'other')
      const other = world.exchange('other', 'fanout')
      other.bind(queue('lost'), '')
      x.bind(queue('a'), 'k')
      assert.deepEqual(world.route(x, 'k'), ['a'])
      assert.deepEqual(world.route(x, 'none'), ['lost'])
    })

    it('is followed along the chain, cycles included', () => {
      const world = new World()
      const x = world.exchange('x', 'direct', 'y')
      world.exchange('y', 'direct', 'z')
      world.exchange('z', 'direct', 'x').bind(queue('a'), 'k')
      assert.deepEqual(world.route(x, 'k'), ['a'])
      assert.deepEqual(world.route(x, 'none'), [])
    })

    it('counts a binding to an exchange as a match even when that one routes nowhere', () => {
      const world = new World()
      const x = world.exchange('x', 'fanout', 'other')
      world.exchange('other', 'fanout').bind(queue('lost'), '')
      x.bind(world.exchange('y', 'direct'), '')
      assert.deepEqual(world.route(x, 'k'), [])
    })

    it('of an exchange in the middle is followed when that one matches nothing', () => {
      const world = new World()
      const x = world.exchange('x', 'fanout')
      world.exchange('other', 'fanout').bind(queue('lost'), '')
      x.bind(world.exchange('y', 'direct', 'other'), '')
      assert.deepEqual(world.route(x, 'k'), ['lost'])
    })

    it('that does not exist loses the message and nothing else', () => {
      const world = new World()
      assert.deepEqual(world.route(world.exchange('x', 'direct', 'missing'), 'k'), [])
    })

    it('may change while the exchange lives', () => {
      const world = new World()
      const x = world.exchange('x', 'direct')
      world.exchange('other', 'fanout').bind(queue('lost'), '')
      x.alternate = 'other'
      assert.deepEqual(world.route(x, 'k'), ['lost'])
    })
  })

  it('routes by any of several keys of one message, each queue once, and then not to the alternate exchange', () => {
    const world = new World()
    const x = world.exchange('x', 'topic', 'other')
    world.exchange('other', 'fanout').bind(queue('lost'), '')
    x.bind(queue('a'), 'one')
    x.bind(queue('b'), '*')
    assert.deepEqual(world.route(x, 'none.at.all', {}, ['one', 'two']), ['a', 'b'])
    assert.deepEqual(world.route(x, 'none.at.all', {}, ['nor.this']), ['lost'])
  })

  describe('binding', () => {
    for (const routing of ['direct', 'topic', 'fanout', 'headers'] as const) {
      it(`is identified by destination, key and arguments (${routing})`, () => {
        const world = new World()
        const x = world.exchange('x', routing)
        const [a, b] = [queue('a'), queue('b')]
        assert.equal(x.bind(a, '*.k'), true)
        assert.equal(x.bind(a, '*.k'), false, 'the same again')
        assert.equal(x.bind(b, '*.k'), true, 'another destination')
        assert.equal(x.bind(a, 'k'), true, 'another key')
        assert.equal(x.bind(a, '*.k', tableOf({ p: 1, q: 'x' })), true, 'with arguments')
        assert.equal(x.bind(a, '*.k', tableOf({ q: 'x', p: 1 })), false, 'arguments in another order')
        assert.equal(x.bind(a, '*.k', tableOf({ p: field('l', 1), q: 'x' })), true, 'arguments of another type')
        assert.equal(x.bindingCount, 5)
        assert.equal(x.unbind(b, 'k'), false, 'unknown')
        assert.equal(x.unbind(a, '*.k', tableOf({ q: 'x', p: 1 })), true)
        assert.equal(x.unbind(a, '*.k', tableOf({ q: 'x', p: 1 })), false)
        assert.equal(x.unbind(a, '*.k'), true)
        assert.equal(x.bindingCount, 3)
        assert.equal(world.index.count, 3)
        assert.equal(x.isUnused, false)
        x.unbind(a, 'k')
        x.unbind(b, '*.k')
        x.unbind(a, '*.k', tableOf({ p: field('l', 1), q: 'x' }))
        assert.equal(x.isUnused, true)
        assert.deepEqual(world.route(x, 'x.k'), [])
      })
    }

    it('compares arguments of every type by structure', () => {
      const world = new World()
      const x = world.exchange('x', 'fanout')
      const a = queue('a')
      const args = (): FieldTable =>
        tableOf({
          n: null,
          t: true,
          b: new Uint8Array([1]),
          l: [1, 'x', { deep: 2 }],
          d: { scale: 1, unscaled: 2 },
          big: 2n ** 60n,
          f: 1.5,
        })
      assert.equal(x.bind(a, '', args()), true)
      assert.equal(x.bind(a, '', args()), false)
      assert.equal(x.bind(a, '', tableOf({ ...Object.fromEntries(args().toMap()), l: [1, 'x', { deep: 3 }] })), true)
      assert.equal(x.bind(a, '', tableOf({ ...Object.fromEntries(args().toMap()), b: new Uint8Array([2]) })), true)
    })

    it('is listed by source and by destination', () => {
      const world = new World()
      const [x, y] = [world.exchange('x', 'direct'), world.exchange('y', 'topic')]
      const a = queue('a')
      x.bind(a, 'k')
      y.bind(a, '#')
      y.bind(x, 'k')
      assert.deepEqual(
        y.bindings.map((binding) => [binding.source.name, (binding.queue ?? binding.exchange)?.name, binding.routingKey]),
        [
          ['y', 'a', '#'],
          ['y', 'x', 'k'],
        ],
      )
      assert.deepEqual(
        world.index.leadingTo(a).map((binding) => binding.source.name),
        ['x', 'y'],
      )
    })

    it('is refused by a headers exchange when x-match is unknown, and nothing is bound', () => {
      const world = new World()
      const x = world.exchange('x', 'headers')
      assert.throws(() => x.bind(queue('a'), '', tableOf({ 'x-match': 'some' })), {
        code: 'PRECONDITION_FAILED',
        message: 'Invalid x-match field value <<"some">>; expected all, any, all-with-x, or any-with-x',
      })
      assert.equal(x.bindingCount + world.index.count, 0)
    })
  })

  it('goes with all its bindings, in both directions', () => {
    const world = new World()
    const [x, y] = [world.exchange('x', 'direct'), world.exchange('y', 'topic')]
    const a = queue('a')
    x.bind(a, 'k')
    x.bind(y, 'k')
    y.bind(x, '#')
    y.bind(a, '#')
    assert.equal(x.removeAll().length, 2)
    assert.deepEqual(
      unbindAll(world.index, x).map((binding) => binding.source.name),
      ['y'],
    )
    assert.deepEqual(world.route(y, 'k'), ['a'])
    assert.equal(world.index.count, 1)
  })

  it('loses a queue in time proportional to the bindings of that queue', () => {
    const world = new World()
    const exchanges = [
      world.exchange('f', 'fanout'),
      world.exchange('d', 'direct'),
      world.exchange('t', 'topic'),
      world.exchange('h', 'headers'),
    ]
    const queues = Array.from({ length: 20_000 }, (_, i) => queue(`q${i}`))
    for (const target of queues) for (const exchange of exchanges) exchange.bind(target, exchange.name === 't' ? '#.k' : 'k')
    assert.equal(world.route(exchanges[2] as Exchange<TestQueue>, 'k').length, queues.length)
    // Quadratic work would be 1.6 thousand million moves: the test would never end.
    for (const target of queues) assert.equal(unbindAll(world.index, target).length, exchanges.length)
    assert.equal(world.index.count, 0)
    for (const exchange of exchanges) assert.equal(exchange.isUnused, true)
  })
})
