/**
 * A conversation made of random but sensible steps on a few names, the same for the same seed: whatever state it leads to,
 * two servers must answer alike. Steps whose outcome depends on time, or that are documented differences, are left out.
 */

import { setTimeout as pause } from 'node:timers/promises'
import type { Arguments } from '../amqp-0-9-1/raw-client.ts'
import type { Table } from '../amqp-0-9-1/wire-value.ts'
import type { Script, ScriptChannel } from './script.ts'

/** Dead letters go their own way in RabbitMQ: what is asked next must not overtake them. */
const DEAD_LETTER_MS = 15

const QUEUES = ['a', 'b', 'c'] as const
const EXCHANGES = ['x', 'y', 'z'] as const
const KEYS = ['k', 'k.l', 'k.l.m', '*.l', 'k.#', '#', ''] as const

/** Random numbers from a seed (mulberry32). */
function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Holds the conversation of a seed. */
export async function randomConversation(script: Script, seed: number, stepCount: number): Promise<void> {
  const conversation = new Conversation(script, seededRandom(seed))
  await conversation.start()
  for (let step = 0; step < stepCount; step++) await conversation.step()
}

class Conversation {
  readonly #script: Script
  readonly #random: () => number
  /** Either queues that refuse or dead letters: RabbitMQ loses a dead letter for a full queue that refuses, a documented difference. */
  readonly #refuses: boolean
  #channel: ScriptChannel | undefined
  #channelCount = 0
  #publishCount = 0
  #confirmCount = 0
  #openTags: number[] = []

  constructor(script: Script, random: () => number) {
    this.#script = script
    this.#random = random
    this.#refuses = this.#chance(0.5)
  }

  async start(): Promise<void> {
    for (const queue of QUEUES) this.#script.queues.add(queue)
    for (const exchange of EXCHANGES) this.#script.exchanges.add(exchange)
    await this.#open()
    for (const queue of QUEUES) await this.#ch.declareQueue(queue, this.#queueTable())
    for (const exchange of EXCHANGES) await this.#ch.declareExchange(exchange, this.#pick(['direct', 'topic', 'fanout']))
    for (let count = 0; count < 4; count++) await this.#bind()
  }

  async step(): Promise<void> {
    if (!this.#ch.isOpen) await this.#open()
    const steps: readonly (readonly [weight: number, run: () => Promise<unknown>])[] = [
      [30, async () => await this.#publish()],
      [22, async () => await this.#get()],
      [18, async () => await this.#settle()],
      [6, async () => await this.#bind()],
      [3, async () => await this.#unbind()],
      [3, async () => await this.#ch.call('queue.purge', { queue: this.#pick(QUEUES) })],
      [
        3,
        async () =>
          await this.#ch.call('queue.delete', { queue: this.#pick(QUEUES), 'if-unused': this.#chance(0.2), 'if-empty': this.#chance(0.5) }),
      ],
      [5, async () => await this.#ch.declareQueue(this.#pick(QUEUES), this.#chance(0.5) ? {} : this.#queueTable(), this.#queueFlags())],
      [2, async () => await this.#ch.call('exchange.delete', { exchange: this.#pick(EXCHANGES), 'if-unused': this.#chance(0.5) })],
      [3, async () => await this.#ch.declareExchange(this.#pick(EXCHANGES), this.#pick(['direct', 'topic', 'fanout']))],
      [2, async () => await this.#bindExchange()],
      [4, async () => await this.#ch.call('queue.declare', { queue: this.#pick(QUEUES), passive: true })],
      [2, async () => await this.#recover()],
      [2, async () => await this.#reopen()],
    ]
    let at = this.#random() * steps.reduce((sum, [weight]) => sum + weight, 0)
    for (const [weight, run] of steps) {
      at -= weight
      if (at < 0) {
        await run()
        return
      }
    }
  }

  get #ch(): ScriptChannel {
    if (this.#channel === undefined) throw new Error('the conversation has no channel')
    return this.#channel
  }

  async #open(): Promise<void> {
    const connection = this.#channel?.connection.isOpen === true ? this.#channel.connection : await this.#script.connect()
    this.#channelCount++
    this.#channel = await connection.channel(this.#channelCount)
    this.#openTags = []
    this.#confirmCount = 0
    await this.#ch.call('confirm.select')
    await pause(DEAD_LETTER_MS)
  }

  async #publish(): Promise<void> {
    const exchange = this.#pick(['', '', ...EXCHANGES])
    const key = exchange === '' ? this.#pick(QUEUES) : this.#pick(KEYS)
    const properties: Arguments = this.#chance(0.3) ? { priority: Math.floor(this.#random() * 6) } : {}
    const count = this.#chance(0.3) ? 3 : 1
    for (let index = 0; index < count; index++) {
      this.#ch.publish(exchange, key, `m${++this.#publishCount}`, { mandatory: this.#chance(0.3), properties })
    }
    this.#confirmCount += count
    await this.#ch.confirms(this.#confirmCount)
    await pause(DEAD_LETTER_MS)
  }

  async #get(): Promise<void> {
    const noAck = this.#chance(0.2)
    const answer = await this.#ch.get(this.#pick(QUEUES), noAck)
    if (answer?.name === 'basic.get-ok' && !noAck) this.#openTags.push(Number(answer.arguments['delivery-tag']))
  }

  async #settle(): Promise<void> {
    if (this.#openTags.length === 0) return
    const tag = this.#pick(this.#openTags)
    const multiple = this.#chance(0.3)
    const outcome = this.#pick(['ack', 'requeue', 'requeue', 'drop'])
    if (outcome === 'ack') this.#ch.ack(tag, multiple)
    else this.#ch.nack(tag, outcome === 'requeue', multiple)
    this.#openTags = this.#openTags.filter((open) => (multiple ? open > tag : open !== tag))
    await this.#ch.barrier()
    await pause(DEAD_LETTER_MS)
  }

  async #bind(): Promise<void> {
    await this.#ch.bind(this.#pick(QUEUES), this.#pick(EXCHANGES), this.#pick(KEYS))
  }

  async #unbind(): Promise<void> {
    await this.#ch.call('queue.unbind', { queue: this.#pick(QUEUES), exchange: this.#pick(EXCHANGES), 'routing-key': this.#pick(KEYS) })
  }

  async #bindExchange(): Promise<void> {
    const method = this.#chance(0.7) ? 'exchange.bind' : 'exchange.unbind'
    await this.#ch.call(method, { source: this.#pick(EXCHANGES), destination: this.#pick(EXCHANGES), 'routing-key': this.#pick(KEYS) })
  }

  async #recover(): Promise<void> {
    await this.#ch.call('basic.recover', { requeue: true })
    this.#openTags = []
    await pause(DEAD_LETTER_MS)
  }

  async #reopen(): Promise<void> {
    await this.#ch.call('channel.close', { 'reply-code': 200, 'reply-text': 'bye' })
    await this.#open()
  }

  #queueTable(): Table {
    const table: Record<string, Table[string]> = {}
    if (this.#chance(0.4)) {
      table['x-max-length'] = 1 + Math.floor(this.#random() * 3)
      if (this.#refuses && this.#chance(0.6)) table['x-overflow'] = this.#pick(['drop-head', 'reject-publish', 'reject-publish-dlx'])
    } else if (this.#chance(0.5)) {
      // Never with a length: a full queue with priorities drops another message than RabbitMQ's, a documented difference.
      table['x-max-priority'] = 3
    }
    if (!this.#refuses && this.#chance(0.5)) {
      table['x-dead-letter-exchange'] = this.#pick(['', ...EXCHANGES])
      if (this.#chance(0.6)) table['x-dead-letter-routing-key'] = this.#pick([...QUEUES, 'k'])
    }
    return table
  }

  #queueFlags(): Arguments {
    return this.#chance(0.1) ? { durable: true } : {}
  }

  #chance(probability: number): boolean {
    return this.#random() < probability
  }

  #pick<T>(choices: readonly T[]): T {
    return choices[Math.floor(this.#random() * choices.length)] as T
  }
}
