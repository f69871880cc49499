/**
 * An exchange: routes a message to queues and to other exchanges by its routing key or its headers.
 *
 * A route adds every queue once, however many bindings lead to it, and passes through every exchange once, so that cycles of bindings or of
 * alternate exchanges end. An exchange none of whose bindings match hands the message to its alternate exchange, wherever it stands on
 * the way; a binding that leads to another exchange counts as a match, even when that one routes nowhere.
 */
import { assert } from '../base/assert.ts'
import type { FieldTable } from '../message/field.ts'
import { NO_ARGUMENTS, digestArguments, sameArguments } from './binding-arguments.ts'
import type { Binding, BindingIndex } from './binding.ts'
import { DirectTable } from './direct-table.ts'
import type { BindingCondition, HeadersAccess } from './headers-matcher.ts'
import { HeadersMatcher } from './headers-matcher.ts'
import type { RouteResult, RouteTarget } from './route-result.ts'
import { TopicTrie, isTopicPattern } from './topic-trie.ts'

/** How an exchange routes. */
export type RoutingKind = 'direct' | 'topic' | 'fanout' | 'headers'
/** What an exchange is; a delayed one routes as its inner kind says, once the delay of the message is over. */
export type ExchangeKind = RoutingKind | 'delayed'

/** What an exchange is declared as. */
export interface ExchangeDefinition {
  readonly name: string
  readonly kind: ExchangeKind
  /** How a delayed exchange routes; for the others the same as `kind`. */
  readonly routing: RoutingKind
  readonly durable: boolean
  readonly autoDelete: boolean
  /** True: only other exchanges may publish to it. */
  readonly internal: boolean
  readonly arguments: FieldTable
  /** Where a message goes that matches no binding; undefined: nowhere. */
  readonly alternate: string | undefined
}

/** A binding between an exchange and a queue or another exchange. */
export type ExchangeBinding<Q extends RouteTarget> = Binding<Q, Exchange<Q>>
/** The bindings of a namespace by destination; one for all its exchanges. */
export type ExchangeBindingIndex<Q extends RouteTarget> = BindingIndex<Q, Exchange<Q>>

const NO_KEYS: readonly string[] = []

export class Exchange<Q extends RouteTarget> implements RouteTarget {
  readonly name: string
  readonly kind: ExchangeKind
  readonly routing: RoutingKind
  readonly durable: boolean
  readonly autoDelete: boolean
  readonly internal: boolean
  readonly arguments: FieldTable
  /** The name of the alternate exchange in force; a policy may change it. */
  alternate: string | undefined
  routeMark = 0

  readonly #index: ExchangeBindingIndex<Q>
  readonly #resolve: (name: string) => Exchange<Q> | undefined
  readonly #bindings: ExchangeBinding<Q>[] = []
  readonly #direct: DirectTable<ExchangeBinding<Q>> | undefined
  readonly #topic: TopicTrie<ExchangeBinding<Q>> | undefined
  #patternCount = 0
  /** Scratch of a route that starts here: exchanges yet to be passed. */
  readonly #pending: Exchange<Q>[] = []
  #pendingCount = 0

  /** `resolve` finds an alternate exchange by name; undefined if it does not exist, and then the message goes nowhere. */
  constructor(definition: ExchangeDefinition, index: ExchangeBindingIndex<Q>, resolve: (name: string) => Exchange<Q> | undefined) {
    assert(definition.kind === 'delayed' || definition.kind === definition.routing, 'only a delayed exchange has an inner kind')
    this.name = definition.name
    this.kind = definition.kind
    this.routing = definition.routing
    this.durable = definition.durable
    this.autoDelete = definition.autoDelete
    this.internal = definition.internal
    this.arguments = definition.arguments
    this.alternate = definition.alternate
    this.#index = index
    this.#resolve = resolve
    this.#direct = definition.routing === 'direct' || definition.routing === 'topic' ? new DirectTable() : undefined
    this.#topic = definition.routing === 'topic' ? new TopicTrie() : undefined
  }

  /** The bindings that start here; borrowed until the next change. */
  get bindings(): readonly ExchangeBinding<Q>[] {
    return this.#bindings
  }

  get bindingCount(): number {
    return this.#bindings.length
  }

  /** True if no binding starts here: an exchange that is deleted "if unused", or automatically, goes then. */
  get isUnused(): boolean {
    return this.#bindings.length === 0
  }

  /**
   * Binds a queue or an exchange; returns false if the same binding exists.
   * @throws PRECONDITION_FAILED when the arguments do not fit a headers exchange
   */
  bind(destination: Q | Exchange<Q>, routingKey: string, args: FieldTable = NO_ARGUMENTS): boolean {
    const digest = digestArguments(args)
    if (this.#find(destination, routingKey, args, digest) !== undefined) return false
    const condition: BindingCondition | undefined = this.routing === 'headers' ? new HeadersMatcher(args) : undefined
    const isExchange = destination instanceof Exchange
    const binding: ExchangeBinding<Q> = {
      source: this,
      queue: isExchange ? undefined : destination,
      exchange: isExchange ? destination : undefined,
      routingKey,
      arguments: args,
      argumentsDigest: digest,
      condition,
      sourceIndex: this.#bindings.length,
      destinationIndex: -1,
      leafIndex: -1,
    }
    this.#bindings.push(binding)
    this.#index.add(binding)
    if (this.#topic !== undefined && isTopicPattern(routingKey)) {
      this.#topic.add(routingKey, binding)
      this.#patternCount++
    } else this.#direct?.add(routingKey, binding)
    return true
  }

  /** True if there is such a binding. */
  isBoundTo(destination: Q | Exchange<Q>, routingKey: string, args: FieldTable): boolean {
    return this.#find(destination, routingKey, args, digestArguments(args)) !== undefined
  }

  /** Removes a binding; returns false if there is none. */
  unbind(destination: Q | Exchange<Q>, routingKey: string, args: FieldTable = NO_ARGUMENTS): boolean {
    const binding = this.#find(destination, routingKey, args, digestArguments(args))
    if (binding === undefined) return false
    this.remove(binding)
    return true
  }

  /** Removes a binding that starts here. */
  remove(binding: ExchangeBinding<Q>): void {
    assert(binding.source === this && this.#bindings[binding.sourceIndex] === binding, 'the binding starts here')
    const last = this.#bindings.pop() as ExchangeBinding<Q>
    if (last !== binding) {
      this.#bindings[binding.sourceIndex] = last
      last.sourceIndex = binding.sourceIndex
    }
    this.#index.remove(binding)
    if (this.#topic !== undefined && isTopicPattern(binding.routingKey)) {
      this.#topic.remove(binding.routingKey, binding)
      this.#patternCount--
    } else this.#direct?.remove(binding.routingKey, binding)
  }

  /** Removes all bindings that start here (the exchange is being deleted) and returns them. */
  removeAll(): ExchangeBinding<Q>[] {
    const removed = [...this.#bindings]
    for (let i = removed.length - 1; i >= 0; i--) this.remove(removed[i] as ExchangeBinding<Q>)
    return removed
  }

  /**
   * Fills `result` with the queues that a message goes to. `moreKeys` are further routing keys of the same message (CC, BCC): an exchange
   * matches if any of the keys does.
   */
  route(routingKey: string, headers: HeadersAccess, result: RouteResult<Q>, moreKeys: readonly string[] = NO_KEYS): void {
    const route = result.begin()
    this.routeMark = route
    this.#pendingCount = 0
    this.#routeVia(this, route, routingKey, headers, result, moreKeys)
    while (this.#pendingCount > 0) {
      const next = this.#pending[--this.#pendingCount] as Exchange<Q>
      this.#routeVia(next, route, routingKey, headers, result, moreKeys)
    }
  }

  /** Routes through one exchange of the way; those behind it become pending here. */
  #routeVia(
    via: Exchange<Q>,
    route: number,
    routingKey: string,
    headers: HeadersAccess,
    result: RouteResult<Q>,
    moreKeys: readonly string[],
  ): void {
    let matched = via.#match(routingKey, headers, route, result, this)
    for (let i = 0; i < moreKeys.length; i++) {
      if (via.#match(moreKeys[i] as string, headers, route, result, this)) matched = true
    }
    if (matched || via.alternate === undefined) return
    const alternate = this.#resolve(via.alternate)
    if (alternate !== undefined) this.#pass(alternate, route)
  }

  /** Adds what matches here to `result` and to the pending exchanges of `start`; returns whether any binding matched. */
  #match(routingKey: string, headers: HeadersAccess, route: number, result: RouteResult<Q>, start: Exchange<Q>): boolean {
    if (this.routing === 'fanout') return start.#follow(this.#bindings, route, result)
    if (this.#direct === undefined) return this.#matchHeaders(headers, route, result, start)
    const exact = this.#direct.leaf(routingKey)
    let matched = exact !== undefined && start.#follow(exact, route, result)
    if (this.#patternCount > 0) {
      const topic = this.#topic as TopicTrie<ExchangeBinding<Q>>
      const count = topic.match(routingKey)
      for (let i = 0; i < count; i++) start.#follow(topic.matches[i] as readonly ExchangeBinding<Q>[], route, result)
      if (count > 0) matched = true
    }
    return matched
  }

  #matchHeaders(headers: HeadersAccess, route: number, result: RouteResult<Q>, start: Exchange<Q>): boolean {
    let matched = false
    if (this.#bindings.length > 0) result.cacheable = false
    for (let i = 0; i < this.#bindings.length; i++) {
      const binding = this.#bindings[i] as ExchangeBinding<Q>
      if (!(binding.condition as BindingCondition).matches(headers)) continue
      matched = true
      if (binding.queue !== undefined) result.add(binding.queue)
      else start.#pass(binding.exchange as Exchange<Q>, route)
    }
    return matched
  }

  #follow(bindings: readonly ExchangeBinding<Q>[], route: number, result: RouteResult<Q>): boolean {
    for (let i = 0; i < bindings.length; i++) {
      const binding = bindings[i] as ExchangeBinding<Q>
      if (binding.queue !== undefined) result.add(binding.queue)
      else this.#pass(binding.exchange as Exchange<Q>, route)
    }
    return bindings.length > 0
  }

  #pass(exchange: Exchange<Q>, route: number): void {
    if (exchange.routeMark === route) return
    exchange.routeMark = route
    this.#pending[this.#pendingCount++] = exchange
  }

  /** Looks in the shorter of the two lists that hold the binding if it exists. */
  #find(destination: Q | Exchange<Q>, routingKey: string, args: FieldTable, digest: number): ExchangeBinding<Q> | undefined {
    const inbound = this.#index.leadingTo(destination)
    const leaf = this.#leaf(routingKey)
    const candidates = leaf.length < inbound.length ? leaf : inbound
    for (let i = 0; i < candidates.length; i++) {
      const binding = candidates[i] as ExchangeBinding<Q>
      if (binding.argumentsDigest !== digest || binding.source !== this) continue
      if (binding.queue !== destination && binding.exchange !== destination) continue
      if (binding.routingKey === routingKey && sameArguments(binding.arguments, args)) return binding
    }
    return undefined
  }

  #leaf(routingKey: string): readonly ExchangeBinding<Q>[] {
    if (this.#direct === undefined) return this.#bindings
    if (this.#topic !== undefined && isTopicPattern(routingKey)) return this.#topic.leaf(routingKey) ?? []
    return this.#direct.leaf(routingKey) ?? []
  }
}

/** Removes every binding that leads to `destination` and returns them, so that sources that are unused now can be deleted. */
export function unbindAll<Q extends RouteTarget>(index: ExchangeBindingIndex<Q>, destination: Q | Exchange<Q>): ExchangeBinding<Q>[] {
  const removed = [...index.leadingTo(destination)]
  for (let i = removed.length - 1; i >= 0; i--) {
    const binding = removed[i] as ExchangeBinding<Q>
    binding.source.remove(binding)
  }
  return removed
}
