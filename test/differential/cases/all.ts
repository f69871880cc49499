import type { DifferentialCase } from '../case-table.ts'
import { bindingCases } from './binding.ts'
import { channelCases } from './channel.ts'
import { connectionCases } from './connection.ts'
import { consumerCases } from './consumer.ts'
import { deadLetterCases } from './dead-letter.ts'
import { exchangeCases } from './exchange.ts'
import { expiryCases } from './expiry.ts'
import { frameCases } from './frame.ts'
import { publishCases } from './publish.ts'
import { queueArgumentCases } from './queue-argument.ts'
import { queueCases } from './queue.ts'
import { settlementCases } from './settlement.ts'
import { transactionCases } from './transaction.ts'

const TABLES = [
  connectionCases,
  channelCases,
  frameCases,
  exchangeCases,
  queueCases,
  queueArgumentCases,
  bindingCases,
  publishCases,
  settlementCases,
  consumerCases,
  expiryCases,
  deadLetterCases,
  transactionCases,
]

/** Every case, in the order in which they run. */
export const ALL_CASES: readonly DifferentialCase[] = TABLES.flatMap((table) => table.cases)
