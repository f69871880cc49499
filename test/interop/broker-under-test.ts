/**
 * The broker that the clients talk to: Waybill, or with WAYBILL_INTEROP_BROKER=rabbitmq-3.10 (or -4.0) a private RabbitMQ,
 * which proves the scenarios themselves.
 */

import { startRabbitmq, type RabbitmqVersion } from '../peers/rabbitmq.ts'
import { startWaybill } from '../peers/waybill.ts'

/** What a scenario may do with the broker. */
export interface BrokerUnderTest {
  readonly host: string
  readonly port: number
  readonly url: string
  restart(options?: { readonly kill?: boolean }): Promise<void>
  stop(): Promise<void>
}

/** Starts the broker under test. */
export async function startBrokerUnderTest(): Promise<BrokerUnderTest> {
  const wanted = process.env['WAYBILL_INTEROP_BROKER'] ?? 'waybill'
  if (wanted === 'waybill') return await startWaybill()
  const version = wanted.replace('rabbitmq-', '')
  return await startRabbitmq({ version: version as RabbitmqVersion })
}
