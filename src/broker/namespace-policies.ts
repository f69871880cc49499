/**
 * The policies of one namespace: which settings a queue or an exchange has by its arguments and by the policies that match its name.
 */
import { WaybillError } from '../base/errors.ts'
import { textOf, type FieldTable } from '../message/field.ts'
import type { Definition } from './definitions.ts'
import { effectiveSettings } from './effective-settings.ts'
import type { Exchange } from './exchange.ts'
import { PolicySet, type Policy, type PolicyDefinition, type PolicyKind } from './policy.ts'
import { parseQueueArguments } from './queue-arguments.ts'
import type { QueueSettings } from './queue-settings.ts'
import type { QueueType } from './queue-setting-table.ts'
import type { Queue } from './queue.ts'

/** What the policies are applied to and recorded by. */
export interface PolicyOwner {
  readonly name: string
  readonly exchanges: ReadonlyMap<string, Exchange<Queue>>
  readonly queues: ReadonlyMap<string, Queue>
  topologyVersion: number
  define(definition: Definition): void
}

/** What decides the settings of a queue. */
export interface ConfiguredQueue {
  readonly name: string
  readonly durable: boolean
  readonly autoDelete: boolean
  readonly exclusiveOwner: object | undefined
  readonly arguments: FieldTable
}

/** Policies of a namespace: the users' and the operators'. */
export class NamespacePolicies {
  readonly #owner: PolicyOwner
  readonly #sets: Readonly<Record<PolicyKind, PolicySet>> = { policy: new PolicySet('policy'), operator: new PolicySet('operator') }

  constructor(owner: PolicyOwner) {
    this.#owner = owner
  }

  /** The policies of a kind. */
  list(kind: PolicyKind): readonly Policy[] {
    return this.#sets[kind].policies
  }

  /** Adds or replaces a policy and applies it. @throws WaybillError PRECONDITION_FAILED when it is not valid */
  set(kind: PolicyKind, definition: PolicyDefinition): void {
    const policy = this.#sets[kind].set(definition)
    this.#owner.define({ op: 'policy', n: this.#owner.name, operator: kind === 'operator', policy: policy.toJSON() })
    this.#applyToAll()
  }

  /** Removes a policy. @throws WaybillError NOT_FOUND */
  delete(kind: PolicyKind, name: string): void {
    if (!this.#sets[kind].delete(name)) throw new WaybillError('NOT_FOUND', `no policy '${name}' in vhost '${this.#owner.name}'`)
    this.#owner.define({ op: 'policy-delete', n: this.#owner.name, operator: kind === 'operator', name })
    this.#applyToAll()
  }

  /** @throws WaybillError PRECONDITION_FAILED on arguments that make no sense */
  settingsOf(queue: ConfiguredQueue): { settings: QueueSettings; type: QueueType } {
    const namespace = this.#owner.name
    const parsed = parseQueueArguments({ ...queue, namespace, exclusive: queue.exclusiveOwner !== undefined })
    const { policy, operator } = this.#sets
    const ofUsers = policy.forQueue(queue.name, parsed.type)?.settings
    const ofOperators = operator.forQueue(queue.name, parsed.type)?.settings
    return { settings: effectiveSettings(parsed.settings, ofUsers, ofOperators), type: parsed.type }
  }

  /** Sets what policies decide of an exchange; its own argument comes first. */
  applyToExchange(exchange: Exchange<Queue>): void {
    exchange.alternate = alternateOf(exchange.arguments) ?? this.#sets.policy.forExchange(exchange.name)?.alternateExchange
  }

  /** Repeats a recorded change (recovery). Queues and exchanges that exist take it at once, those that follow when they are made. */
  restore(definition: Definition): void {
    if (definition.op === 'policy') this.#sets[definition.operator ? 'operator' : 'policy'].set(definition.policy)
    else if (definition.op === 'policy-delete') this.#sets[definition.operator ? 'operator' : 'policy'].delete(definition.name)
    this.#applyToAll()
  }

  /** All policies as they are recorded. */
  definitions(): Definition[] {
    return (['policy', 'operator'] as const).flatMap((kind) =>
      this.#sets[kind].policies.map((policy) => ({
        op: 'policy' as const,
        n: this.#owner.name,
        operator: kind === 'operator',
        policy: policy.toJSON(),
      })),
    )
  }

  #applyToAll(): void {
    for (const exchange of this.#owner.exchanges.values()) this.applyToExchange(exchange)
    for (const queue of this.#owner.queues.values()) {
      const { name, declaredDurable: durable, autoDelete, exclusiveOwner } = queue
      const { settings } = this.settingsOf({ name, durable, autoDelete, exclusiveOwner, arguments: queue.arguments })
      // How waiting messages are ordered is decided once, when the queue is made.
      const { priorityMax, orderingKey } = queue.settings
      queue.applySettings({ ...settings, priorityMax, orderingKey })
    }
    this.#owner.topologyVersion++
  }
}

/** The alternate exchange that the arguments of an exchange name. */
export function alternateOf(table: FieldTable): string | undefined {
  return textOf(table.get('alternate-exchange'))
}
