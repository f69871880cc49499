/**
 * Routing rate of a topic exchange with 10 and with 100,000 bindings, without any cache of routes: `node bench/micro/topic.ts [KEYS]`.
 * Patterns and keys are those of a warehouse: `region.store.item.event`, half of the patterns with wildcards; every key matches one
 * binding of its own. KEYS different keys take turns (1,000 unless said otherwise): the more there are, the less of the tables is in the
 * processor's cache. Rounds alternate, and the best of each counts: other work on the machine only makes rounds slower.
 */
import { SeededRandom } from '../../src/base/random.ts'
import { BindingIndex } from '../../src/broker/binding.ts'
import { Exchange } from '../../src/broker/exchange.ts'
import type { ExchangeBindingIndex } from '../../src/broker/exchange.ts'
import { RouteResult } from '../../src/broker/route-result.ts'
import type { RouteTarget } from '../../src/broker/route-result.ts'
import { FieldTable } from '../../src/message/field.ts'

const NO_HEADERS = new FieldTable()
const ROUNDS = 15
const ROUTES_PER_ROUND = 200_000
const KEYS = Number(process.argv[2] ?? 1000)

interface Setup {
  readonly exchange: Exchange<RouteTarget>
  readonly keys: readonly string[]
  readonly rates: number[]
  targets: number
}

function setUp(bindingCount: number): Setup {
  const random = new SeededRandom(42)
  const index: ExchangeBindingIndex<RouteTarget> = new BindingIndex()
  const definition = { name: 'x', kind: 'topic', routing: 'topic', durable: true, autoDelete: false, internal: false } as const
  const exchange = new Exchange<RouteTarget>({ ...definition, arguments: NO_HEADERS, alternate: undefined }, index, () => undefined)
  const patterns: string[] = []
  for (let i = 0; i < bindingCount; i++) {
    const words = [`region${random.below(20)}`, `store${i}`, `item${random.below(500)}`, random.below(2) === 0 ? 'created' : 'removed']
    patterns.push(words.join('.'))
    const kind = random.below(4)
    if (kind === 0) words[2] = '*'
    if (kind === 1) words.splice(2, 2, '#')
    exchange.bind({ routeMark: 0 }, words.join('.'))
  }
  const keys: string[] = []
  // Keys that come from a socket are strings of their own.
  for (let i = 0; i < KEYS; i++) keys.push(Buffer.from(patterns[random.below(patterns.length)] as string).toString('latin1'))
  return { exchange, keys, rates: [], targets: 0 }
}

function run(setup: Setup): void {
  const result = new RouteResult<RouteTarget>()
  const started = process.hrtime.bigint()
  for (let i = 0; i < ROUTES_PER_ROUND; i++) {
    setup.exchange.route(setup.keys[i % KEYS] as string, NO_HEADERS, result)
    setup.targets += result.count
  }
  setup.rates.push((ROUTES_PER_ROUND / Number(process.hrtime.bigint() - started)) * 1e9)
}

const few = setUp(10)
const many = setUp(100_000)
for (let round = 0; round < ROUNDS; round++) {
  run(few)
  run(many)
}
for (const [setup, name] of [
  [few, '10 bindings'],
  [many, '100,000 bindings'],
] as const) {
  const perRoute = setup.targets / (ROUNDS * ROUTES_PER_ROUND)
  console.log(
    `${name.padEnd(18)} ${Math.round(Math.max(...setup.rates)).toLocaleString('en')} routes/s, ${perRoute.toFixed(2)} targets a route`,
  )
}
console.log(`ratio ${(Math.max(...many.rates) / Math.max(...few.rates)).toFixed(2)} (asked for: 0.50)`)
