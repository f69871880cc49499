/** The director of the flash sale: see README.md. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { connect, type Channel, type ChannelModel, type ConfirmChannel, type GetMessage } from 'amqplib'
import { PeerUnavailable, startProgram, type RunningProgram } from '../../test/peers/debian-package.ts'
import { pythonWithPika } from '../../test/peers/python.ts'
import type { Example } from '../example.ts'
import { EXCHANGE, REJECTED_QUEUE, SERVICES, orderJson, queueOf, type Service } from './order.ts'

const PATIENCE_MS = 240_000

/** Everything that one sale needs. */
interface Sale {
  readonly url: string
  readonly orderCount: number
  readonly folder: string
  /** The Python with pika, or undefined where there is none. */
  readonly python: string | undefined
  readonly connection: ChannelModel
  readonly channel: ConfirmChannel
  readonly running: Map<Service, RunningProgram>
}

/** Runs the sale, prints the table, and says whether it proves that nothing was lost. */
export const flashSale: Example = async ({ url, orderCount }) => {
  const python = await pythonWithPika().catch((error: unknown) => {
    if (!(error instanceof PeerUnavailable)) throw error
    console.log(`There is no Python with pika here (${error.message}): payment runs on Node.js instead.`)
    return undefined
  })
  const connection = await connect(url)
  const channel = await connection.createConfirmChannel()
  const sale: Sale = {
    url,
    orderCount,
    folder: mkdtempSync(join(tmpdir(), 'flash-sale-')),
    python,
    connection,
    channel,
    running: new Map(),
  }
  try {
    await removeTopology(channel)
    await declareTopology(channel)
    return await runSale(sale)
  } finally {
    for (const program of sale.running.values()) await program.stop({ graceMs: 2000 })
    await removeTopology(channel)
    await connection.close()
    rmSync(sale.folder, { recursive: true, force: true })
  }
}

async function declareTopology(channel: Channel): Promise<void> {
  await channel.assertExchange(EXCHANGE, 'topic', { durable: true })
  await channel.assertQueue(REJECTED_QUEUE, { durable: true })
  for (const service of SERVICES) {
    const refused = service === 'payment' ? { deadLetterExchange: '', deadLetterRoutingKey: REJECTED_QUEUE } : {}
    await channel.assertQueue(queueOf(service), { durable: true, ...refused })
    await channel.bindQueue(queueOf(service), EXCHANGE, 'order.#')
  }
}

async function removeTopology(channel: Channel): Promise<void> {
  for (const service of SERVICES) await channel.deleteQueue(queueOf(service))
  await channel.deleteQueue(REJECTED_QUEUE)
  await channel.deleteExchange(EXCHANGE)
}

async function runSale(sale: Sale): Promise<boolean> {
  const { orderCount } = sale
  for (const service of SERVICES) writeFileSync(ledgerPath(sale, service), '')
  for (const service of SERVICES) await open(sale, service)
  console.log(`The sale begins: ${orderCount} orders.`)
  const shop = startProgram(process.execPath, [join(import.meta.dirname, 'shop.ts'), sale.url, String(orderCount)])
  await until('shipping has begun', () => ledger(sale, 'shipping').length >= Math.min(100, orderCount / 10))
  await sale.running.get('shipping')?.stop({ signal: 'SIGKILL' })
  const handledBeforeKill = ledger(sale, 'shipping').length
  console.log(`  shipping is killed after ${handledBeforeKill} orders.`)
  const confirmed = await shop.waitFor(/confirmed .*/, PATIENCE_MS)
  await shop.ended
  console.log(`  the shop: ${confirmed[0]}; every buyer has an answer.`)
  const waiting = (await sale.channel.checkQueue(queueOf('shipping'))).messageCount
  console.log(`  ${waiting} orders wait for shipping, which is away; inventory has done ${ledger(sale, 'inventory').length}.`)
  await open(sale, 'shipping')
  console.log('  shipping is back.')

  const expectedRefusals = Array.from({ length: orderCount }, (_, number) => orderJson(number)).filter((order) =>
    order.json.includes('"Rp"'),
  ).length
  await until('payment has gone through all orders', async () => {
    const refused = (await sale.channel.checkQueue(REJECTED_QUEUE)).messageCount
    return refused === expectedRefusals && distinct(sale, 'payment') === orderCount - expectedRefusals
  })
  const corrected = await correctRefused(sale)
  for (const service of SERVICES) await until(`${service} has all orders`, () => distinct(sale, service) === orderCount)
  await until('all queues are empty', async () => {
    for (const queue of [...SERVICES.map(queueOf), REJECTED_QUEUE])
      if ((await sale.channel.checkQueue(queue)).messageCount > 0) return false
    return true
  })
  return await proveNothingLost(sale, expectedRefusals, corrected)
}

/** Starts a service and waits until it consumes. */
async function open(sale: Sale, service: Service): Promise<void> {
  const usesPython = service === 'payment' && sale.python !== undefined
  const file = usesPython ? sale.python : process.execPath
  const source = join(import.meta.dirname, `${service}.${usesPython ? 'py' : 'ts'}`)
  const program = startProgram(file ?? '', [source, sale.url, ledgerPath(sale, service)])
  sale.running.set(service, program)
  await program.waitFor(/is open/, 30_000)
}

/** Looks at the refused orders, corrects them and sends them again, to payment alone. */
async function correctRefused(sale: Sale): Promise<number> {
  let count = 0
  for (;;) {
    const message: GetMessage | false = await sale.channel.get(REJECTED_QUEUE)
    if (message === false) break
    const [death] = message.properties.headers?.['x-death'] ?? []
    if (count === 0) {
      console.log(
        `  payment refused orders: ${String(death?.reason)} by ${String(death?.queue)}, sent to ${String(death?.exchange)} with key ${String(death?.['routing-keys'][0])}:`,
      )
      console.log(`    ${message.content.toString()}`)
    }
    if (death?.reason !== 'rejected' || death.queue !== queueOf('payment'))
      throw new Error('a dead letter does not say where it comes from')
    const json = message.content.toString().replace('"currency":"Rp"', '"currency":"IDR"')
    const { messageId, contentType, type, appId } = message.properties as unknown as Record<
      'messageId' | 'contentType' | 'type' | 'appId',
      string
    >
    sale.channel.sendToQueue(queueOf('payment'), Buffer.from(json), { persistent: true, messageId, contentType, type, appId })
    // The corrected order is safe before the refused one is taken away.
    await sale.channel.waitForConfirms()
    sale.channel.ack(message)
    count++
  }
  console.log(`  ${count} refused orders are corrected ("Rp" to "IDR") and sent again.`)
  return count
}

async function proveNothingLost(sale: Sale, expectedRefusals: number, corrected: number): Promise<boolean> {
  const expected = new Map(Array.from({ length: sale.orderCount }, (_, number) => [orderJson(number).orderId, `${1_500_000 + number}.00`]))
  let holds = corrected === expectedRefusals
  const rows = SERVICES.map((service) => {
    const lines = ledger(sale, service)
    const amounts = new Map(lines.map(([orderId = '', amount = '']) => [orderId, amount]))
    const missing = [...expected.keys()].filter((orderId) => !amounts.has(orderId)).length
    const altered = [...amounts].filter(([orderId, amount]) => expected.get(orderId) !== amount).length
    holds &&= missing === 0 && altered === 0
    return {
      service: service === 'payment' && sale.python !== undefined ? 'payment (Python)' : service,
      orders: sale.orderCount,
      handled: amounts.size,
      'handled twice': lines.length - amounts.size,
      redelivered: lines.filter(([, , delivery]) => delivery === 'redelivered').length,
      'refused, sent again': service === 'payment' ? corrected : 0,
      'amount altered': altered,
      lost: missing,
    }
  })
  console.log()
  console.table(rows)
  console.log(holds ? 'Nothing was lost.' : 'This does not hold.')
  return holds
}

function ledgerPath(sale: Sale, service: Service): string {
  return join(sale.folder, `${service}.ledger`)
}

/** The whole lines of a ledger, split into their fields. */
function ledger(sale: Sale, service: Service): string[][] {
  const lines = readFileSync(ledgerPath(sale, service), 'utf8').split('\n')
  return lines.slice(0, -1).map((line) => line.split('\t'))
}

function distinct(sale: Sale, service: Service): number {
  return new Set(ledger(sale, service).map(([orderId]) => orderId)).size
}

async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadlineMs = Date.now() + PATIENCE_MS
  while (!(await condition())) {
    if (Date.now() > deadlineMs) throw new Error(`waited in vain until ${what}`)
    await pause(50)
  }
}
