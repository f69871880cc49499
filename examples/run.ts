/**
 * Runs an example: `npm run example flash-sale`.
 *
 * A Waybill is started for it in a temporary folder on a spare port. With `--url amqp://user:password@host:port` the example runs on that
 * broker instead: another Waybill, or RabbitMQ, because the example itself knows only AMQP.
 */

import { parseArgs } from 'node:util'
import { startWaybill } from '../test/peers/waybill.ts'
import type { Example } from './example.ts'
import { flashSale } from './flash-sale/main.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { url: { type: 'string' }, orders: { type: 'string', default: '10000' } },
})

const EXAMPLES: Readonly<Record<string, Example>> = { 'flash-sale': flashSale }

const names = Object.keys(EXAMPLES)
const [name = ''] = positionals
const example = EXAMPLES[name]
if (example === undefined) {
  console.error(`Which example? There are: ${names.join(', ')}\n\n  npm run example ${names[0] ?? ''}`)
  process.exit(2)
}
const orderCount = Number(values.orders)
if (!Number.isInteger(orderCount) || orderCount < 1) {
  console.error(`--orders must be a whole number above zero, not "${values.orders}"`)
  process.exit(2)
}

const waybill = values.url === undefined ? await startWaybill() : undefined
const url = values.url ?? waybill?.url ?? ''
console.log(
  waybill === undefined
    ? `On the broker at ${new URL(url).host}.`
    : `A Waybill runs at ${waybill.host}:${waybill.port}, its data is in ${waybill.dataFolder}.`,
)
let holds = false
try {
  holds = await example({ url, orderCount })
} finally {
  await waybill?.stop()
}
process.exitCode = holds ? 0 : 1
