import { spreadOf } from './results.ts'
import type { Results, Spread } from './results.ts'
import type { Goal, Metric, Scale, Unit, Work } from './works/work.ts'

/** The column that is judged, and those it is judged against: RabbitMQ's default queues, as the goals were set. */
const OURS = 'waybill'
const PEERS = ['rabbitmq-3.10', 'rabbitmq-4.0']

const formatRate = (value: number): string => {
  if (value >= 100_000) return `${Math.round(value / 1000)}k`
  return value >= 1000 ? `${(value / 1000).toFixed(1)}k` : value.toFixed(0)
}

/** A figure as the table shows it. */
const formatFigure = (value: number, unit: Unit): string => {
  switch (unit) {
    case 'per second':
      return formatRate(value)
    case 'share':
      return `${(value * 100).toFixed(value >= 0.99 && value < 1 ? 2 : 0)} %`
    case 'ms':
      return value < 10 ? value.toFixed(2) : value.toFixed(1)
    case 's':
    case 'times':
    case 'cores':
      return value.toFixed(2)
    case 'MiB':
    case 'bytes':
      return value.toFixed(0)
  }
}

const formatSpread = (spread: Spread | undefined, unit: Unit): string => {
  if (spread === undefined) return '–'
  const median = formatFigure(spread.median, unit)
  return spread.count === 1 ? median : `${median} (${formatFigure(spread.lowest, unit)}–${formatFigure(spread.highest, unit)})`
}

const bestPeer = (results: Results, work: Work, metric: Metric): number | undefined => {
  const medians = PEERS.map((peer) => spreadOf(results, work.name, peer, metric.key)?.median).filter((median) => median !== undefined)
  if (medians.length === 0) return undefined
  return metric.better === 'higher' ? Math.max(...medians) : Math.min(...medians)
}

const formatGoal = (goal: Goal, unit: Unit): string => {
  const bound = (value: number): string => {
    if (goal.kind === 'times peer') return `${value} x`
    if (goal.kind === 'share of peer') return `<= ${value} x`
    return `${goal.kind === 'at most' ? '<=' : '>='} ${formatFigure(value, unit)}`
  }
  return goal.aim === undefined ? bound(goal.must) : `${bound(goal.must)} (aim ${bound(goal.aim)})`
}

/** Whether a figure keeps its goal; undefined when there is nothing to compare with. */
export const isReached = (goal: Goal, ours: number, peer: number | undefined): boolean | undefined => {
  if (goal.kind === 'at most') return ours <= goal.must
  if (goal.kind === 'at least') return ours >= goal.must
  if (peer === undefined) return undefined
  return goal.kind === 'times peer' ? ours >= peer * goal.must : ours <= peer * goal.must
}

const rowOf = (results: Results, work: Work, metric: Metric): string[] => {
  const cells = results.columns.map((column) => formatSpread(spreadOf(results, work.name, column, metric.key), metric.unit))
  const ours = spreadOf(results, work.name, OURS, metric.key)
  const peer = bestPeer(results, work, metric)
  const ratio = ours === undefined || peer === undefined ? '' : `${(ours.median / peer).toFixed(2)} x`
  const { goal } = metric
  const goalText = goal === undefined ? '' : formatGoal(goal, metric.unit)
  const reached = goal === undefined || ours === undefined ? undefined : isReached(goal, ours.median, peer)
  return [metric.title, ...cells, ratio, goalText, reached === undefined ? '' : reached ? 'yes' : 'no']
}

/** Rows as a Markdown table whose columns line up in a terminal too. */
export const formatTable = (rows: readonly (readonly string[])[]): string => {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0), 3))
  const line = (row: readonly string[]): string => `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`
  const [head = [], ...rest] = rows
  return [line(head), `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...rest.map(line)].join('\n')
}

const machineLines = ({ machine, versions }: Results): string[] => [
  `${machine.date.slice(0, 16).replace('T', ' ')} UTC; ${machine.coreCount} cores (${machine.processor}), ${machine.memoryGibibytes} GiB, ${machine.system}, Node.js ${machine.nodeVersion}`,
  `one write + fdatasync in ${machine.folder}: ${machine.syncedWrite4KibMs.toFixed(2)} ms for 4 KiB, ${machine.syncedWrite1MibMs.toFixed(2)} ms for 1 MiB (p50); load average at the start ${machine.loadAtStart.toFixed(2)}`,
  `brokers: ${Object.entries(versions)
    .map(([name, version]) => `${name} (${version})`)
    .join(', ')}`,
]

const coresTable = (results: Results, works: readonly Work[]): string[] => {
  const rows = works
    .filter((work) => results.columns.some((column) => spreadOf(results, work.name, column, 'clientCores') !== undefined))
    .map((work) => [
      work.title,
      ...results.columns.map((column) => {
        const middle = (key: string): string => {
          const spread = spreadOf(results, work.name, column, key)
          return spread === undefined ? '–' : formatFigure(spread.median, 'cores')
        }
        return `${middle('brokerCores')} / ${middle('clientCores')} / ${middle('brokerMicrosecondsPerMessage')}`
      }),
    ])
  return rows.length === 0
    ? []
    : [
        '',
        'Processor cores used by broker / by load generator / microseconds of the broker per published message:',
        '',
        formatTable([['work', ...results.columns], ...rows]),
      ]
}

const largeScale = (scale: Scale): string =>
  [
    `${scale.backlogCount.toLocaleString('en')} waiting messages`,
    `${scale.queueCount.toLocaleString('en')} queues`,
    `${scale.connectionCount.toLocaleString('en')} connections`,
    `${scale.bindingCount.toLocaleString('en')} bindings`,
    `${scale.delayedCount.toLocaleString('en')} delayed messages`,
  ].join(', ')

/** The whole report as text that is Markdown as well. */
export const formatReport = (results: Results, works: readonly Work[]): string => {
  const head = ['work', ...results.columns, 'against RabbitMQ', 'must reach', 'reached']
  const ran = works.filter((work) => results.measurements.some((measurement) => measurement.work === work.name))
  const rows = ran.flatMap((work) => work.metrics.map((metric) => rowOf(results, work, metric)))
  const failures = results.failures.map((failure) => `- ${failure.work} on ${failure.column}, round ${failure.round}: ${failure.reason}`)
  return [
    ...machineLines(results),
    `medians of ${results.rounds} rounds of ${results.scale.measureMs / 1000} s (lowest–highest), one acknowledgement for ${results.scale.ackEvery}; large works once: ${largeScale(results.scale)}`,
    '',
    formatTable([head, ...rows]),
    ...coresTable(results, ran),
    ...(failures.length === 0 ? [] : ['', 'Not measured:', '', ...failures]),
    '',
  ].join('\n')
}
