/** The web shop: `node shop.ts URL COUNT` publishes so many orders and says when the broker has them safely. */

import { connect } from 'amqplib'
import { EXCHANGE, orderJson } from './order.ts'

const [url = '', count = '0'] = process.argv.slice(2)
const connection = await connect(url)
const channel = await connection.createConfirmChannel()
const startedMs = performance.now()
for (let number = 0; number < Number(count); number++) {
  const { eventId, json } = orderJson(number)
  const options = { persistent: true, contentType: 'application/json', type: 'OrderCreated', messageId: eventId, appId: 'WebFrontEnd' }
  const hasRoom = channel.publish(EXCHANGE, 'order.created', Buffer.from(json), options)
  if (!hasRoom) await new Promise<void>((resolve) => channel.once('drain', resolve))
}
// Resolves when every publish is confirmed: from here on the orders cannot be lost.
await channel.waitForConfirms()
console.log(`confirmed ${count} orders in ${Math.round(performance.now() - startedMs)} ms`)
await connection.close()
