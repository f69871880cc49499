import type { DifferentialCase } from '../case-table.ts'
import { bindingCases } from './binding.ts'
import { channelCases } from './channel.ts'
import { connectionCases } from './connection.ts'
import { exchangeCases } from './exchange.ts'
import { frameCases } from './frame.ts'
import { queueArgumentCases } from './queue-argument.ts'
import { queueCases } from './queue.ts'

const TABLES = [connectionCases, channelCases, frameCases, exchangeCases, queueCases, queueArgumentCases, bindingCases]

/** Every case, in the order in which they run. */
export const ALL_CASES: readonly DifferentialCase[] = TABLES.flatMap((table) => table.cases)
