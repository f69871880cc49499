/** The shop's message as it is sent today. */

/** The exchange to which the shop publishes. */
export const EXCHANGE = 'flash-sale.orders'

/** Where refused orders wait for somebody to look at them. */
export const REJECTED_QUEUE = 'flash-sale.payment.rejected'

/** The services, each with a queue of its own. */
export const SERVICES = ['payment', 'inventory', 'shipping'] as const

/** One of the services. */
export type Service = (typeof SERVICES)[number]

/** The queue of a service. */
export function queueOf(service: Service): string {
  return `flash-sale.${service}`
}

/** Every how many orders the shop makes a mistake in the currency. */
const MISTAKE_EVERY = 250

/** One order as JSON. It is written by hand because the amount must stay `1500000.00`: JSON.stringify would make it `1500000`. */
export function orderJson(number: number): { readonly eventId: string; readonly orderId: string; readonly json: string } {
  const eventId = `evt_${998_877 + number}`
  const orderId = `ORD-${55_512 + number}`
  const currency = number % MISTAKE_EVERY === MISTAKE_EVERY - 1 ? 'Rp' : 'IDR'
  const amount = `${1_500_000 + number}.00`
  const json =
    `{"eventId":"${eventId}","eventType":"OrderCreated","timestamp":"2026-03-16T16:30:00Z","source":"WebFrontEnd",` +
    `"payload":{"orderId":"${orderId}","customerId":"CUST-${882 + (number % 400)}","totalAmount":${amount},"currency":"${currency}","status":"PENDING"}}`
  return { eventId, orderId, json }
}

/** The amount as it stands in the JSON text, and the currency. */
export function paymentOf(json: string): { readonly orderId: string; readonly amount: string; readonly currency: string } {
  const amount = /"totalAmount":([0-9.]+)/.exec(json)?.[1] ?? ''
  const { payload } = JSON.parse(json) as { payload: { orderId: string; currency: string } }
  return { orderId: payload.orderId, amount, currency: payload.currency }
}
