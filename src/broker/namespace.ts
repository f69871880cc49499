/**
 * A namespace (an AMQP virtual host): its exchanges, queues, bindings and policies, and the way of a message from a publication to the
 * queues. Names mean something only within it.
 */
import { assert } from '../base/assert.ts'
import { WaybillError } from '../base/errors.ts'
import { LIMITS } from '../base/limits.ts'
import type { FieldTable } from '../message/field.ts'
import type { Position } from '../storage/storage.ts'
import { BindingIndex } from './binding.ts'
import { NO_ARGUMENTS } from './binding-arguments.ts'
import type { Broker } from './broker.ts'
import { setAddress } from './dead-letters.ts'
import { argumentsToText, type Definition } from './definitions.ts'
import { DelayedMessages, type DueMessage } from './delayed-messages.ts'
import { Exchange, type ExchangeDefinition, unbindAll } from './exchange.ts'
import { type MessageView, type MovedFrom, writeMessage, writeRouted } from './message-record.ts'
import { NamespacePolicies } from './namespace-policies.ts'
import { Publication, PUBLISHED } from './publication.ts'
import type { Queue } from './queue.ts'
import type { Route } from './route.ts'
import { RouteResult } from './route-result.ts'

const ROUTES_PER_EXCHANGE_MAX = 16_384

/** The exchanges that every namespace has. */
const STANDARD_EXCHANGES = [
  ['amq.direct', 'direct'],
  ['amq.fanout', 'fanout'],
  ['amq.topic', 'topic'],
  ['amq.headers', 'headers'],
  ['amq.match', 'headers'],
  // Clients of RabbitMQ look for it. Nothing is published to it.
  ['amq.rabbitmq.trace', 'topic'],
] as const

/** Exchanges, queues and bindings under one name. */
export class Namespace {
  readonly name: string
  readonly broker: Broker
  readonly exchanges = new Map<string, Exchange<Queue>>()
  readonly queues = new Map<string, Queue>()
  readonly bindings = new BindingIndex<Queue, Exchange<Queue>>()
  readonly delayed: DelayedMessages
  readonly policies: NamespacePolicies
  /** Grows with every change that may change a route. */
  topologyVersion = 1
  /** Messages that no queue took. */
  unroutableCount = 0

  readonly #routes = new Map<string, Map<string, Route>>()
  #routesVersion = 0
  readonly #result = new RouteResult<Queue>()
  readonly #targets: Queue[] = []

  constructor(broker: Broker, name: string, delayedNumber: number) {
    this.broker = broker
    this.name = name
    this.delayed = new DelayedMessages(broker.services, delayedNumber, (due) => this.#routeDue(due))
    this.policies = new NamespacePolicies(this)
    for (const [exchangeName, kind] of STANDARD_EXCHANGES) {
      const definition = {
        name: exchangeName,
        kind,
        routing: kind,
        durable: true,
        autoDelete: false,
        internal: exchangeName === 'amq.rabbitmq.trace',
        arguments: NO_ARGUMENTS,
      }
      this.addExchange({ ...definition, alternate: undefined })
    }
  }

  // ---- Topology ----

  /** Records a change of a definition. */
  define(definition: Definition): void {
    this.broker.define(definition)
  }

  /** @throws WaybillError NOT_FOUND */
  exchangeNamed(name: string): Exchange<Queue> {
    const exchange = this.exchanges.get(name)
    if (exchange === undefined) throw new WaybillError('NOT_FOUND', `no exchange '${name}' in vhost '${this.name}'`)
    return exchange
  }

  /** @throws WaybillError NOT_FOUND */
  queueNamed(name: string): Queue {
    const queue = this.queues.get(name)
    if (queue === undefined) throw new WaybillError('NOT_FOUND', `no queue '${name}' in vhost '${this.name}'`)
    return queue
  }

  /** Creates an exchange whose name is free and records it when it is durable. */
  createExchange(definition: ExchangeDefinition): Exchange<Queue> {
    assert(!this.exchanges.has(definition.name), 'the name of a new exchange is free')
    if (this.exchanges.size >= LIMITS.exchangesMax) throw new WaybillError('RESOURCE_ERROR', 'too many exchanges')
    const exchange = this.addExchange(definition)
    if (exchange.durable) this.broker.define({ op: 'exchange', n: this.name, ...exchangeRecord(exchange) })
    return exchange
  }

  /** Creates an exchange without recording it. */
  addExchange(definition: ExchangeDefinition): Exchange<Queue> {
    const exchange = new Exchange<Queue>(definition, this.bindings, (name) => this.exchanges.get(name))
    this.exchanges.set(definition.name, exchange)
    this.topologyVersion++
    this.policies.applyToExchange(exchange)
    return exchange
  }

  /** Removes an exchange with its bindings; sources that were kept by it go too. */
  deleteExchange(exchange: Exchange<Queue>): void {
    if (this.exchanges.get(exchange.name) !== exchange) return
    this.exchanges.delete(exchange.name)
    this.topologyVersion++
    if (exchange.durable) this.broker.define({ op: 'exchange-delete', n: this.name, name: exchange.name })
    exchange.removeAll()
    for (const binding of unbindAll(this.bindings, exchange)) this.#sourceLeft(binding.source)
  }

  /** Adds a binding; false when it is there already. @throws WaybillError PRECONDITION_FAILED on arguments that make no sense */
  bind(source: Exchange<Queue>, destination: Queue | Exchange<Queue>, routingKey: string, args: FieldTable): boolean {
    if (this.bindings.count >= LIMITS.bindingsMax) throw new WaybillError('RESOURCE_ERROR', 'too many bindings')
    if (!source.bind(destination, routingKey, args)) return false
    this.topologyVersion++
    if (source.durable && destination.durable) this.#recordBinding('bind', source, destination, routingKey, args)
    return true
  }

  /** Removes a binding; false when there is none. */
  unbind(source: Exchange<Queue>, destination: Queue | Exchange<Queue>, routingKey: string, args: FieldTable): boolean {
    if (!source.unbind(destination, routingKey, args)) return false
    this.topologyVersion++
    if (source.durable && destination.durable) this.#recordBinding('unbind', source, destination, routingKey, args)
    this.#sourceLeft(source)
    return true
  }

  /** Adds a queue that the broker has made. */
  addQueue(queue: Queue): void {
    assert(!this.queues.has(queue.name), 'the name of a new queue is free')
    this.queues.set(queue.name, queue)
    this.topologyVersion++
  }

  /** Takes a queue out of the topology: bindings go, and sources that were kept by them. */
  removeQueue(queue: Queue): void {
    this.queues.delete(queue.name)
    this.topologyVersion++
    for (const binding of unbindAll(this.bindings, queue)) this.#sourceLeft(binding.source)
  }

  // ---- Routing ----

  /**
   * The route of a publication by its exchange and routing key; kept and used again while the topology stays.
   * @throws WaybillError NOT_FOUND (no such exchange), ACCESS_REFUSED (internal exchange)
   */
  routeTo(publication: Publication): Route {
    if (this.#routesVersion !== this.topologyVersion) {
      this.#routes.clear()
      this.#routesVersion = this.topologyVersion
    }
    if (publication.moreKeys !== undefined) return this.#findRoute(publication)
    let routes = this.#routes.get(publication.exchange)
    const known = routes?.get(publication.routingKey)
    if (known !== undefined) return known
    // Nothing is kept of an exchange that is not there.
    const route = this.#findRoute(publication)
    if (!route.cacheable) return route
    if (routes === undefined) this.#routes.set(publication.exchange, (routes = new Map<string, Route>()))
    else if (routes.size >= ROUTES_PER_EXCHANGE_MAX) routes.clear()
    routes.set(publication.routingKey, route)
    return route
  }

  #findRoute(publication: Publication): Route {
    const { exchange: exchangeName, routingKey, moreKeys } = publication
    if (exchangeName === '') {
      const queues: Queue[] = []
      for (const key of moreKeys === undefined ? [routingKey] : [routingKey, ...moreKeys]) {
        const queue = this.queues.get(key)
        if (queue !== undefined && !queues.includes(queue)) queues.push(queue)
      }
      return this.#routeOf(queues, moreKeys === undefined)
    }
    const exchange = this.exchangeNamed(exchangeName)
    if (exchange.internal) {
      throw new WaybillError('ACCESS_REFUSED', `cannot publish to internal exchange '${exchangeName}' in vhost '${this.name}'`)
    }
    const result = this.#result
    exchange.route(routingKey, this.broker.facts.of(publication), result, moreKeys)
    return this.#routeOf(result.targets.slice(0, result.count), result.cacheable && moreKeys === undefined)
  }

  #routeOf(queues: readonly Queue[], cacheable: boolean): Route {
    return {
      queues,
      durable: queues.some((queue) => queue.durable),
      special: queues.some((queue) => queue.special),
      version: cacheable ? this.topologyVersion : 0,
      cacheable,
    }
  }

  // ---- Messages ----

  /**
   * Stores and routes a message. Hot.
   * @returns PUBLISHED.done, .unroutable or .refused, or the journal position that must be durable before the confirm
   * @throws WaybillError as `routeTo`
   */
  publish(publication: Publication): number {
    let route = publication.route
    if (route === undefined || route.version !== this.topologyVersion) route = publication.route = this.routeTo(publication)
    if (publication.delayMs > 0) return this.delayed.add(publication)
    const queues = route.queues
    if (queues.length === 0) {
      this.unroutableCount++
      return PUBLISHED.unroutable
    }
    if (route.special || publication.expirationMs >= 0) return this.#publishSpecial(publication, queues)
    const services = this.broker.services
    const journaled = publication.persistent && route.durable
    const log = journaled ? services.journal : services.memory
    const position = writeMessage(log, publication, queues, services.turn.nowMs, 0, 0, undefined, journaled)
    const sizeBytes = publication.bodyEnd - publication.bodyStart
    for (let i = 0; i < queues.length; i++) (queues[i] as Queue).enqueue(log, position, sizeBytes)
    if (!journaled) return PUBLISHED.done
    services.commitSoon()
    return log.end
  }

  /** The message or a queue has settings that each message must be held against. */
  #publishSpecial(publication: Publication, queues: readonly Queue[]): number {
    const services = this.broker.services
    const nowMs = services.turn.nowMs
    const expiresAtMs = publication.expirationMs >= 0 ? nowMs + publication.expirationMs : 0
    const targets = this.#targets
    targets.length = 0
    let refused = false
    let duplicate = false
    for (const queue of queues) {
      if (queue.refuses(publication.bodySizeBytes)) {
        refused = true
        if (queue.settings.overflow === 'reject-publish-dead-letter') this.broker.deadLetterRefused(queue, publication)
      } else if (this.#isDuplicate(queue, publication, nowMs)) duplicate = true
      else targets.push(queue)
    }
    const result = targets.length === 0 ? PUBLISHED.done : this.#store(publication, targets, expiresAtMs, undefined)
    if (refused) return PUBLISHED.refused
    // The first of the two may not be durable yet: the second is confirmed with it.
    return duplicate && result === PUBLISHED.done && publication.persistent ? services.journal.end : result
  }

  /** Writes the record and enters it in queues that may be special. */
  #store(publication: Publication, targets: readonly Queue[], expiresAtMs: number, movedFrom: MovedFrom | undefined): number {
    const services = this.broker.services
    const nowMs = services.turn.nowMs
    const journaled = publication.persistent && targets.some((queue) => queue.durable)
    const log = journaled ? services.journal : services.memory
    const position = writeMessage(log, publication, targets, nowMs, expiresAtMs, 0, journaled ? movedFrom : undefined, journaled)
    const end = log.end
    // Entering one queue may drop its oldest message, whose dead letter comes back here: the list must be this call's own.
    for (const queue of [...targets]) {
      const key = this.#keyFor(queue, publication)
      const { priority, bodySizeBytes } = publication
      queue.enqueueSpecial(log, position, bodySizeBytes, priority, queue.expiryOf(nowMs, expiresAtMs), key)
    }
    if (!journaled) return PUBLISHED.done
    services.commitSoon()
    return end
  }

  #isDuplicate(queue: Queue, publication: Publication, nowMs: number): boolean {
    const windowMs = queue.settings.deduplicationWindowMs
    const window = queue.deduplication
    if (windowMs === undefined || window === undefined) return false
    const id = this.broker.facts.of(publication).messageId
    if (id === undefined) return false
    if (window.has(id, nowMs, windowMs)) return true
    window.remember(id, nowMs)
    return false
  }

  /** The ordering key of a message in a queue: a message without one has a key of its own. */
  #keyFor(queue: Queue, publication: Publication): string {
    const source = queue.settings.orderingKey
    if (source === undefined) return ''
    return this.broker.facts.of(publication).orderingKey(source) ?? `\0${queue.nextSequence}`
  }

  /** Stores a dead letter and settles it at its source, in one record where both are durable. */
  publishDeadLetter(publication: Publication, from: Queue, sequence: number, skip: (queue: Queue) => boolean): void {
    const targets = this.#deadLetterTargets(publication).filter((queue) => !skip(queue))
    const movable = from.durable && from.index.positionOf(sequence) > 0
    const movedFrom = movable ? { number: from.number, sequence } : undefined
    const end = targets.length === 0 ? PUBLISHED.done : this.#store(publication, targets, 0, movedFrom)
    // A queue that is gone by now has nothing to settle.
    if (from.deleted) return
    if (movable && end > 0) from.dropMoved(sequence)
    else from.drop(sequence)
  }

  /** A queue that is full refuses a message and dead-letters it: it was never stored there. */
  publishRefused(publication: Publication, skip: (queue: Queue) => boolean): void {
    const targets = this.#deadLetterTargets(publication).filter((queue) => !skip(queue))
    if (targets.length > 0) this.#store(publication, targets, 0, undefined)
  }

  #deadLetterTargets(publication: Publication): readonly Queue[] {
    if (publication.exchange !== '' && !this.exchanges.has(publication.exchange)) return []
    if (publication.exchange === '') return this.#findRoute(publication).queues
    const result = this.#result
    const exchange = this.exchangeNamed(publication.exchange)
    exchange.route(publication.routingKey, this.broker.facts.of(publication), result, publication.moreKeys)
    return result.targets.slice(0, result.count)
  }

  /** A delayed message is due. */
  #routeDue({ message, from, position, journaled, mayHaveBeenDelivered }: DueMessage): void {
    const services = this.broker.services
    const publication = new Publication()
    message.copyTo(publication)
    publication.exchange = message.exchange
    publication.routingKey = message.routingKey
    publication.moreKeys = message.moreKeys
    // Further keys are no part of the address that consumers see.
    if (publication.moreKeys !== undefined) setAddress(publication, publication.exchange, publication.routingKey)
    const queues = this.#dueTargets(publication)
    if (queues.length === 0) this.unroutableCount++
    const numbers = mayHaveBeenDelivered ? queues.map((queue) => queue.nextSequence) : []
    const keyed = queues.some((queue) => queue.settings.orderingKey !== undefined || queue.deduplication !== undefined)
    if (position === 0 || keyed || publication.moreKeys !== undefined) {
      const moved = journaled ? from : undefined
      const end = queues.length === 0 ? 0 : this.#store(publication, queues, message.expiresAtMs, moved)
      if (journaled && end === 0) writeRouted(services.journal, 0, message, services.turn.nowMs, from, [])
    } else this.#enqueueInPlace(position, message, from, queues)
    queues.forEach((queue, i) => numbers[i] !== undefined && queue.markRedelivered(numbers[i]))
    if (journaled) services.commitSoon()
    this.delayed.remove(from.sequence)
  }

  /** The stored message gets its references by a small record. */
  #enqueueInPlace(position: Position, message: MessageView, from: MovedFrom, queues: readonly Queue[]): void {
    const services = this.broker.services
    const nowMs = services.turn.nowMs
    const log = services.storage.logOf(position)
    const { priority, bodySizeBytes, expiresAtMs } = message
    if (position > 0) writeRouted(services.journal, position, message, nowMs, from, queues)
    for (const queue of queues) queue.enqueueSpecial(log, position, bodySizeBytes, priority, queue.expiryOf(nowMs, expiresAtMs), '')
  }

  #dueTargets(publication: Publication): readonly Queue[] {
    const nowMs = this.broker.services.turn.nowMs
    return this.#deadLetterTargets(publication).filter((queue) => {
      if (this.#isDuplicate(queue, publication, nowMs)) return false
      const { overflow, deadLetterExchange } = queue.settings
      // Its publisher was told long ago that it is safe: a queue that refuses when it is full has to take it, or to dead-letter it.
      if (overflow !== 'reject-publish-dead-letter' || deadLetterExchange === undefined) return true
      if (!queue.refuses(publication.bodySizeBytes)) return true
      this.broker.deadLetterRefused(queue, publication)
      return false
    })
  }

  #sourceLeft(source: Exchange<Queue>): void {
    if (source.autoDelete && source.isUnused) this.deleteExchange(source)
  }

  #recordBinding(
    op: 'bind' | 'unbind',
    source: Exchange<Queue>,
    destination: Queue | Exchange<Queue>,
    key: string,
    args: FieldTable,
  ): void {
    const toExchange = destination instanceof Exchange
    const binding = { source: source.name, destination: destination.name, toExchange, key, arguments: argumentsToText(args) }
    this.broker.define({ op, n: this.name, binding })
  }
}

/** What is recorded of an exchange. */
export function exchangeRecord(exchange: Exchange<Queue>) {
  const { name, kind, routing, autoDelete, internal } = exchange
  return { name, kind, routing, autoDelete, internal, arguments: argumentsToText(exchange.arguments) }
}
