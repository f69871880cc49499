/**
 * The policies of one namespace: which settings a queue or an exchange has by its arguments and by the policies that match its name.
 */
import { textOf, type FieldTable } from '../message/field.ts'
import type { Definition } from './definitions.ts'
import type { Exchange } from './exchange.ts'
import type { Namespace } from './namespace.ts'
import type { Queue } from './queue.ts'
import { DEFAULT_QUEUE_SETTINGS, type QueueSettings } from './queue-settings.ts'

/** Policies of a namespace. */
export class NamespacePolicies {
  readonly #namespace: Namespace

  constructor(namespace: Namespace) {
    this.#namespace = namespace
  }

  /** @throws WaybillError PRECONDITION_FAILED on arguments that make no sense */
  settingsOf(_definition: { readonly name: string; readonly arguments: FieldTable }): { settings: QueueSettings; type: 'classic' | 'quorum' } {
    return { settings: DEFAULT_QUEUE_SETTINGS, type: 'classic' }
  }

  alternateOf(table: FieldTable): string | undefined {
    return textOf(table.get('alternate-exchange'))
  }

  applyToExchange(_exchange: Exchange<Queue>): void {}

  restore(_definition: Definition): void {
    void this.#namespace
  }

  definitions(): Definition[] {
    return []
  }
}
