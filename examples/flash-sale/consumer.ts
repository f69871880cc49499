/**
 * What the services written in TypeScript have in common: they take orders one by one, write each into their ledger, and only then acknowledge it.
 * A ledger is a file with one line per handled order: order id, amount, "redelivered" or "first".
 */

import { appendFileSync } from 'node:fs'
import { connect } from 'amqplib'
import { paymentOf, queueOf, type Service } from './order.ts'

/** What to do with an order: true acknowledges it, false refuses it. */
export type Handle = (order: ReturnType<typeof paymentOf>) => boolean | Promise<boolean>

/** Consumes until the process is ended. Called as `node SERVICE.ts URL LEDGER`. */
export async function consume(service: Service, handle: Handle): Promise<void> {
  const [url = '', ledger = ''] = process.argv.slice(2)
  const connection = await connect(url)
  const channel = await connection.createChannel()
  await channel.prefetch(50)
  let last = Promise.resolve()
  await channel.consume(queueOf(service), (message) => {
    if (message === null) return
    last = last.then(async () => {
      const order = paymentOf(message.content.toString())
      if (!(await handle(order))) {
        channel.nack(message, false, false)
        return
      }
      appendFileSync(ledger, `${order.orderId}\t${order.amount}\t${message.fields.redelivered ? 'redelivered' : 'first'}\n`)
      channel.ack(message)
    })
  })
  console.log(`${service} is open`)
}
