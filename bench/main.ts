/**
 * `npm run bench`: measures this broker and RabbitMQ with one load generator. See docs/benchmarks.md for how to read what it prints.
 */
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { external } from './brokers/external.ts'
import { nats } from './brokers/nats.ts'
import { rabbitmq } from './brokers/rabbitmq.ts'
import { sink } from './brokers/sink.ts'
import { waybill } from './brokers/waybill.ts'
import type { BrokerKind } from './brokers/broker.ts'
import { describeMachine } from './machine.ts'
import { formatReport } from './report.ts'
import { Session } from './session.ts'
import { LARGE_WORKS } from './works/large.ts'
import { THROUGHPUT_WORKS } from './works/throughput.ts'
import { FULL_SCALE, QUICK_SCALE } from './works/work.ts'
import type { Scale, Work } from './works/work.ts'

const ALL_WORKS: readonly Work[] = [...THROUGHPUT_WORKS, ...LARGE_WORKS]
const STARTABLE = ['waybill', 'rabbitmq-3.10', 'rabbitmq-4.0', 'nats-core', 'ceiling'] as const

const USAGE = `npm run bench -- [options]

  --only NAMES       works and columns, separated by commas: durable-100b-1k,waybill runs one work on one broker
  --rounds N         rounds of everything but the large works (default 3)
  --quick            shorter and smaller, one round: a look, not a result
  --small            only what is not large
  --url NAME=URL     one more broker that runs already, as amqp://user:password@host:port/virtual-host; may be repeated
  --ack-every N      messages that one acknowledgement covers (default 100)
  --backlog N        waiting messages of the backlog work (default 10,000,000)
  --peer-backlog N   the same for the other brokers, when they take too long to fill
  --measure SECONDS  measured time of each run (default 5)
  --source           run waybill's TypeScript as it is, not compiled as in the published package
  --node-option O    an option for the Node.js that runs waybill, such as --cpu-prof; may be repeated
  --json FILE        write every figure there

works:   ${ALL_WORKS.map((work) => work.name).join(', ')}
columns: ${STARTABLE.join(', ')} (ceiling: the load generator alone), rabbitmq-3.10-quorum, rabbitmq-4.0-quorum
`

const OPTIONS = {
  only: { type: 'string' },
  rounds: { type: 'string' },
  quick: { type: 'boolean', default: false },
  small: { type: 'boolean', default: false },
  url: { type: 'string', multiple: true, default: [] as string[] },
  'ack-every': { type: 'string', default: '100' },
  backlog: { type: 'string' },
  'peer-backlog': { type: 'string' },
  measure: { type: 'string' },
  'node-option': { type: 'string', multiple: true, default: [] as string[] },
  source: { type: 'boolean', default: false },
  json: { type: 'string' },
  help: { type: 'boolean', default: false },
} as const

const countOf = (name: string, text: string): number => {
  const count = Number(text)
  if (!Number.isInteger(count) || count < 1) throw new Error(`--${name} wants a whole number above 0, not ${JSON.stringify(text)}`)
  return count
}

interface Settings {
  readonly works: readonly Work[]
  readonly kinds: readonly BrokerKind[]
  readonly rounds: number
  readonly scale: Scale
  readonly peerScale: Scale
  readonly jsonPath: string | undefined
}

const readSettings = (): Settings | undefined => {
  const { values } = parseArgs({ options: OPTIONS, strict: true })
  if (values.help) return undefined
  const base = values.quick ? QUICK_SCALE : FULL_SCALE
  const scale: Scale = {
    ...base,
    ackEvery: countOf('ack-every', values['ack-every']),
    ...(values.backlog === undefined ? {} : { backlogCount: countOf('backlog', values.backlog) }),
    ...(values.measure === undefined ? {} : { measureMs: Number(values.measure) * 1000 }),
  }
  const peerBacklog = values['peer-backlog']
  const externals = values.url.map(external)
  const startable: BrokerKind[] = [
    waybill({ fromSource: values.source, nodeOptions: values['node-option'] }),
    rabbitmq('3.10'),
    rabbitmq('4.0'),
    nats(),
    ...externals,
  ]
  const wanted = new Set((values.only ?? '').split(',').filter((name) => name !== ''))
  const isWanted = (name: string): boolean => wanted.delete(name)
  const works = ALL_WORKS.filter((work) => isWanted(work.name))
  const isCeilingWanted = isWanted('ceiling')
  // A broker's name stands for its main column; its other columns have to be named, unless nothing is.
  const kinds: BrokerKind[] = startable
    .map((kind) => ({ ...kind, variants: kind.variants.filter((variant) => isWanted(variant.name)) }))
    .filter((kind) => kind.variants.length > 0)
  if (isCeilingWanted) kinds.push(sink())
  if (wanted.size > 0) throw new Error(`--only doesn't know ${[...wanted].join(', ')}\n\n${USAGE}`)
  const candidates = works.length > 0 ? works : ALL_WORKS
  return {
    works: values.small ? candidates.filter((work) => !work.isLarge) : candidates,
    kinds: kinds.length > 0 ? kinds : [...startable, sink()],
    rounds: countOf('rounds', values.rounds ?? (values.quick ? '1' : '3')),
    scale,
    peerScale: peerBacklog === undefined ? scale : { ...scale, backlogCount: countOf('peer-backlog', peerBacklog) },
    jsonPath: values.json,
  }
}

const settings = readSettings()
if (settings === undefined) process.stdout.write(USAGE)
else {
  const session = new Session((text) => process.stderr.write(`${text}\n`))
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      void session.abort().finally(() => process.exit(130))
    })
  }
  const machine = describeMachine()
  const results = await session.measure({ ...settings, machine })
  process.stdout.write(formatReport(results, settings.works))
  if (settings.jsonPath !== undefined) writeFileSync(settings.jsonPath, `${JSON.stringify(results, null, 2)}\n`)
}
