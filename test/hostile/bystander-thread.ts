/** The thread of bystander.ts. */
import { workerData } from 'node:worker_threads'
import { call, openClient } from '../amqp-0-9-1/login.ts'
import { SHARED } from './bystander.ts'

const BODY = Buffer.alloc(500, 'b')
/** Between two rounds: it is a client with little to do. */
const PAUSE_MS = 5
const ANSWER_MS = 120_000
const QUEUE = 'bystander'

const { host, port, shared } = workerData as { host: string; port: number; shared: Int32Array }
const client = await openClient({ host, port })
await call(client, 1, 'channel.open')
await call(client, 1, 'queue.declare', { queue: QUEUE, durable: true })
await call(client, 1, 'queue.purge', { queue: QUEUE })
await call(client, 1, 'confirm.select')
await call(client, 1, 'basic.consume', { queue: QUEUE, 'consumer-tag': 'bystander' })

let confirmed = 0
let delivered = 0
client.keepsArrivals = false
client.onArrival = ({ name, arguments: args }) => {
  if (name === 'basic.ack') confirmed++
  else if (name === 'basic.deliver') {
    delivered++
    client.sendMethod(1, 'basic.ack', { 'delivery-tag': Number(args['delivery-tag']) })
  } else throw new Error(`the bystander got ${name}: ${JSON.stringify(args)}`)
}
for (let round = 1; ; round++) {
  const startMs = performance.now()
  client.sendPublish(1, { 'routing-key': QUEUE }, { 'delivery-mode': 2 }, BODY)
  const served = await client.until(() => confirmed === round && delivered === round, ANSWER_MS)
  if (!served) throw new Error(`the bystander was not served; its connection is ${client.end}`)
  const tookMs = Math.ceil(performance.now() - startMs)
  if (tookMs > Atomics.load(shared, SHARED.slowestMs)) Atomics.store(shared, SHARED.slowestMs, tookMs)
  Atomics.add(shared, SHARED.rounds, 1)
  await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
}
