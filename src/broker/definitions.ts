/**
 * Changes of definitions as they are recorded in the journal and kept in checkpoints: one JSON object per change, arguments as an
 * AMQP field table in base64 (it keeps every type). Replaying them in order gives the topology.
 */
import type { Log } from '../storage/storage.ts'
import { decodeTable, encodeTable } from '../message/field-table.ts'
import type { FieldTable } from '../message/field.ts'
import type { ExchangeKind, RoutingKind } from './exchange.ts'
import { RECORD } from './message-record.ts'
import type { PolicyDefinition } from './policy.ts'

/** One change. `n` names the namespace. */
export type Definition =
  | { readonly op: 'namespace'; readonly n: string; readonly delayedNumber: number }
  | {
      readonly op: 'exchange'
      readonly n: string
      readonly name: string
      readonly kind: ExchangeKind
      readonly routing: RoutingKind
      readonly autoDelete: boolean
      readonly internal: boolean
      readonly arguments: string
    }
  | { readonly op: 'exchange-delete'; readonly n: string; readonly name: string }
  | {
      readonly op: 'queue'
      readonly n: string
      readonly number: number
      readonly name: string
      readonly autoDelete: boolean
      readonly arguments: string
    }
  | { readonly op: 'queue-delete'; readonly n: string; readonly number: number }
  | { readonly op: 'bind' | 'unbind'; readonly n: string; readonly binding: BindingDefinition }
  | { readonly op: 'policy'; readonly n: string; readonly operator: boolean; readonly policy: PolicyDefinition }
  | { readonly op: 'policy-delete'; readonly n: string; readonly name: string; readonly operator: boolean }

/** A binding by the names of its ends. */
export interface BindingDefinition {
  readonly source: string
  readonly destination: string
  readonly toExchange: boolean
  readonly key: string
  readonly arguments: string
}

/** Writes one change. */
export function writeDefinition(log: Log, definition: Definition): void {
  const bytes = Buffer.from(JSON.stringify(definition), 'utf8')
  log.reserve(RECORD.definition, bytes.length)
  bytes.copy(log.buffer, log.offset)
  log.seal()
}

/** Reads one change. */
export function readDefinition(buffer: Buffer, offset: number, sizeBytes: number): Definition {
  return JSON.parse(buffer.toString('utf8', offset, offset + sizeBytes)) as Definition
}

/** Arguments as text. */
export function argumentsToText(table: FieldTable): string {
  return table.size === 0 ? '' : encodeTable(table).toString('base64')
}

/** Arguments from their text. */
export function argumentsFromText(text: string): FieldTable {
  return decodeTable(text === '' ? Buffer.alloc(4) : Buffer.from(text, 'base64'))
}
