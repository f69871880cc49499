/**
 * The policies of one namespace: which settings a queue or an exchange has by its arguments and by the policies that match its name.
 */
import { textOf, type FieldTable } from '../message/field.ts'
import type { Definition } from './definitions.ts'
import type { Exchange } from './exchange.ts'
import type { Namespace } from './namespace.ts'
import type { Queue } from './queue.ts'
import { effectiveSettings } from './effective-settings.ts'
import { parseQueueArguments } from './queue-arguments.ts'
import type { QueueDefinition } from './broker.ts'
import type { QueueSettings } from './queue-settings.ts'

/** Policies of a namespace. */
export class NamespacePolicies {
  readonly #namespace: Namespace

  constructor(namespace: Namespace) {
    this.#namespace = namespace
  }

  /** @throws WaybillError PRECONDITION_FAILED on arguments that make no sense */
  settingsOf(definition: QueueDefinition): { settings: QueueSettings; type: 'classic' | 'quorum' } {
    const { settings, type } = parseQueueArguments({
      ...definition,
      namespace: this.#namespace.name,
      exclusive: definition.exclusiveOwner !== undefined,
    })
    return { settings: effectiveSettings(settings), type }
  }

  alternateOf(table: FieldTable): string | undefined {
    return textOf(table.get('alternate-exchange'))
  }

  applyToExchange(_exchange: Exchange<Queue>): void {}

  restore(_definition: Definition): void {}

  definitions(): Definition[] {
    return []
  }
}
