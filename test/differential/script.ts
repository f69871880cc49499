/**
 * The language in which the cases are written: connections, channels and the calls on them, against any server.
 * Everything that arrives goes into the transcript; a case only says what is sent and how long to wait for what.
 */

import { setTimeout as pause } from 'node:timers/promises'
import { RawClient, PROTOCOL_HEADER, type Arguments, type Arrival } from '../amqp-0-9-1/raw-client.ts'
import type { Table } from '../amqp-0-9-1/wire-value.ts'
import { NameNormaliser, lineOf, streamOf, textArgument, type Transcript } from './transcript.ts'

/** Where the server under test is. */
export interface ServerAddress {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string
}

/** How a connection is opened; what is absent is what a usual client sends. */
export interface ConnectOptions {
  readonly user?: string
  readonly password?: string
  readonly mechanism?: string
  /** The response of the mechanism, instead of user and password. */
  readonly response?: string | Uint8Array
  readonly virtualHost?: string
  readonly capabilities?: Table
  readonly channelMax?: number
  readonly frameMax?: number
  readonly heartbeat?: number
}

/** How long an answer may take on a busy machine. */
const ANSWER_MS = 20_000

/** How long the end of a socket may take: RabbitMQ waits three seconds before it closes silently. */
const END_MS = 6000

const CAPABILITIES: Table = {
  publisher_confirms: true,
  exchange_exchange_bindings: true,
  'basic.nack': true,
  consumer_cancel_notify: true,
  'connection.blocked': true,
  consumer_priorities: true,
  authentication_failure_close: true,
  per_consumer_qos: true,
}

/** One run of one case. */
export class Script {
  readonly address: ServerAddress
  readonly #connections: ScriptConnection[] = []
  readonly #notes: string[] = []
  readonly queues: Set<string> = new Set()
  readonly exchanges: Set<string> = new Set()

  constructor(address: ServerAddress) {
    this.address = address
  }

  /** A socket on which nothing has been said yet. */
  async raw(): Promise<ScriptConnection> {
    const client = await RawClient.open(this.address.host, this.address.port)
    const connection = new ScriptConnection(this, client, this.#connections.length + 1)
    this.#connections.push(connection)
    return connection
  }

  /** A connection through its whole handshake. A refusal is in the transcript. */
  async connect(options: ConnectOptions = {}): Promise<ScriptConnection> {
    const connection = await this.raw()
    await connection.handshake(options)
    return connection
  }

  /** A connection and its channel 1. */
  async channel(options: ConnectOptions = {}): Promise<ScriptChannel> {
    const connection = await this.connect(options)
    return await connection.channel()
  }

  /** Adds something that the case found out itself. */
  note(line: string): void {
    this.#notes.push(line)
  }

  /** Ends the case: everything that was asked for has come; removes what was declared. */
  async finish(): Promise<Transcript> {
    for (const connection of this.#connections) await connection.settle()
    const transcript = this.transcript()
    for (const connection of this.#connections) connection.client.destroy()
    await this.#cleanUp()
    return transcript
  }

  /** What has come so far. */
  transcript(): Transcript {
    const names = new NameNormaliser()
    const transcript: Record<string, readonly string[]> = {}
    for (const connection of this.#connections) connection.collect(transcript, names)
    if (this.#notes.length > 0) transcript['notes'] = this.#notes.map((line) => names.apply(line))
    return transcript
  }

  async #cleanUp(): Promise<void> {
    if (this.queues.size === 0 && this.exchanges.size === 0) return
    const script = new Script(this.address)
    let channel = await script.channel()
    const remove = async (method: string, values: Arguments): Promise<Arrival | undefined> => {
      const answer = await channel.call(method, values)
      if (answer?.name === 'channel.close') channel = await channel.connection.channel()
      return answer
    }
    for (const queue of this.queues) {
      // An exclusive queue goes a moment after its connection, and the next case must not meet it.
      const deadlineMs = Date.now() + ANSWER_MS
      while ((await remove('queue.delete', { queue }))?.arguments['reply-code'] === 405 && Date.now() < deadlineMs) await pause(10)
    }
    for (const exchange of this.exchanges) await remove('exchange.delete', { exchange })
    channel.connection.client.destroy()
  }
}

/** One connection of a case. */
export class ScriptConnection {
  readonly script: Script
  readonly client: RawClient
  readonly #label: string
  readonly #channels = new Map<number, ScriptChannel>()
  /** False: the case itself answers channel.close and connection.close. */
  answersClose = true
  #handshakeArrivals = 0
  #isHidden = false
  #isUp = false
  #expectsEnd = false

  constructor(script: Script, client: RawClient, number: number) {
    this.script = script
    this.client = client
    this.#label = `connection ${number}`
    client.onArrival = (arrival) => {
      if (!this.answersClose) return
      if (arrival.name === 'channel.close') client.sendMethod(arrival.channel, 'channel.close-ok')
      if (arrival.name === 'connection.close') client.sendMethod(0, 'connection.close-ok')
    }
  }

  get isOpen(): boolean {
    const isClosed = this.client.arrivals.some((arrival) => arrival.name === 'connection.close' || arrival.name === 'connection.close-ok')
    return this.#isUp && this.client.end === 'open' && !isClosed
  }

  /** Everything up to connection.open-ok; the usual answers stay out of the transcript. */
  async handshake(options: ConnectOptions = {}): Promise<void> {
    this.client.sendBytes(PROTOCOL_HEADER)
    if ((await this.receive('connection.start')) === undefined) return
    this.login(options)
    const tune = await this.receive('connection.tune')
    if (tune === undefined) return
    this.tuneOk(tune, options)
    this.client.sendMethod(0, 'connection.open', { 'virtual-host': options.virtualHost ?? '/' })
    if ((await this.receive('connection.open-ok')) === undefined) return
    this.#handshakeArrivals = this.client.arrivals.length
    this.#isUp = true
  }

  /** connection.start-ok. */
  login(options: ConnectOptions = {}): void {
    const user = options.user ?? this.script.address.user
    const password = options.password ?? this.script.address.password
    this.client.sendMethod(0, 'connection.start-ok', {
      'client-properties': { product: 'differential test', capabilities: options.capabilities ?? CAPABILITIES },
      mechanism: options.mechanism ?? 'PLAIN',
      response: options.response ?? `\0${user}\0${password}`,
      locale: 'en_US',
    })
  }

  /** connection.tune-ok, with the server's own values where the case names none. */
  tuneOk(tune: Arrival, options: ConnectOptions = {}): void {
    const frameMax = options.frameMax ?? Number(tune.arguments['frame-max'])
    this.client.sendMethod(0, 'connection.tune-ok', {
      'channel-max': options.channelMax ?? Number(tune.arguments['channel-max']),
      'frame-max': frameMax,
      heartbeat: options.heartbeat ?? 0,
    })
    this.client.frameMax = frameMax
  }

  /** Waits for a reply of this name on channel 0; undefined when something else came or the socket ended. */
  async receive(name: string): Promise<Arrival | undefined> {
    const find = (): Arrival | undefined => this.client.arrivals.find((arrival) => arrival.name === name)
    const isOver = (): boolean => this.client.arrivals.some((arrival) => arrival.name === 'connection.close')
    await this.client.until(() => find() !== undefined || isOver(), ANSWER_MS)
    const found = find()
    if (found === undefined) {
      this.#expectsEnd = true
      await this.ended()
    }
    return found
  }

  /** Opens a channel; the usual answer stays out of the transcript. */
  async channel(number: number = this.#channels.size + 1): Promise<ScriptChannel> {
    const channel = new ScriptChannel(this, number, `${this.#label} channel ${number}`)
    this.#channels.set(number, channel)
    const answer = await channel.call('channel.open')
    if (answer?.name === 'channel.open-ok') channel.skipReply()
    return channel
  }

  /** A channel that was not opened. */
  unopened(number: number): ScriptChannel {
    const channel = new ScriptChannel(this, number, `${this.#label} channel ${number}`)
    this.#channels.set(number, channel)
    return channel
  }

  /** Sends a method on channel 0 and waits for the next reply there. */
  async call(name: string, values: Arguments = {}): Promise<Arrival | undefined> {
    const replies = (): Arrival[] => this.client.arrivals.filter((arrival) => arrival.channel === 0 && streamOf(arrival) === 'replies')
    const before = replies().length
    this.client.sendMethod(0, name, values)
    await this.client.until(() => replies().length > before, ANSWER_MS)
    return replies()[before]
  }

  /** Leaves this connection out of the transcript. */
  hide(): void {
    this.#isHidden = true
  }

  /** Leaves the first arrivals of this connection out of the transcript. */
  hideFirst(count: number): void {
    this.#handshakeArrivals = count
    this.#isUp = true
  }

  /** Waits until the server has closed the connection; the transcript says if it did not. */
  async ended(timeoutMs: number = END_MS): Promise<void> {
    this.#expectsEnd = true
    await this.client.until(() => this.client.end !== 'open', timeoutMs)
  }

  /** Closes the connection as a client should: which side then ends the socket first is left open. */
  async close(): Promise<void> {
    await this.call('connection.close', { 'reply-code': 200, 'reply-text': 'bye' })
    this.client.destroy()
    await this.client.until(() => false, ANSWER_MS)
  }

  /** Waits until the server has answered everything on every open channel. */
  async settle(): Promise<void> {
    for (const channel of this.#channels.values()) await channel.barrier()
    if (this.client.arrivals.some((arrival) => arrival.name === 'connection.close') && this.answersClose) await this.ended()
  }

  /** Adds this connection's streams. */
  collect(transcript: Record<string, readonly string[]>, names: NameNormaliser): void {
    if (this.#isHidden) return
    const streams = new Map<string, string[]>()
    const add = (stream: string, line: string): void => {
      const lines = streams.get(stream)
      if (lines === undefined) streams.set(stream, [line])
      else lines.push(line)
    }
    this.client.arrivals.forEach((arrival, index) => {
      if (index < this.#handshakeArrivals && arrival.channel === 0) return
      if (!this.#isUp && (arrival.name === 'connection.start' || arrival.name === 'connection.tune')) return
      const channel = this.#channels.get(arrival.channel)
      const label = channel?.label ?? (arrival.channel === 0 ? this.#label : `${this.#label} channel ${arrival.channel}`)
      if (channel?.isHidden(arrival) === true) return
      const stream = streamOf(arrival)
      if (stream === 'confirms') return
      add(stream === 'replies' ? label : `${label} ${stream}`, names.apply(lineOf(arrival)))
    })
    for (const channel of this.#channels.values()) {
      for (const line of channel.confirmLines()) add(`${channel.label} confirms`, line)
    }
    if (this.client.rest.length > 0) add(this.#label, `bytes ${this.client.rest.toString('hex')}`)
    if (this.#expectsEnd && this.client.end === 'open') add(this.#label, 'the socket stays open')
    // A reset and a close differ only by what the server had not read yet.
    else if (this.client.end !== 'open') add(this.#label, 'the socket is closed')
    for (const [stream, lines] of streams) transcript[stream] = lines
  }
}

/** What a publish may say besides exchange and routing key. */
export interface PublishOptions {
  readonly mandatory?: boolean
  readonly immediate?: boolean
  readonly properties?: Arguments
}

/** One channel of a case. */
export class ScriptChannel {
  readonly connection: ScriptConnection
  readonly number: number
  readonly label: string
  readonly #hidden = new Set<Arrival>()
  #seenReplies = 0
  #seenDeliveries = 0
  #seenReturns = 0
  #seenCancellations = 0

  constructor(connection: ScriptConnection, number: number, label: string) {
    this.connection = connection
    this.number = number
    this.label = label
  }

  get client(): RawClient {
    return this.connection.client
  }

  get isOpen(): boolean {
    const replies = this.#stream('replies')
    const closures = ['channel.close', 'channel.close-ok']
    return this.connection.isOpen && replies.length > 0 && !closures.includes(replies.at(-1)?.name ?? '')
  }

  isHidden(arrival: Arrival): boolean {
    return this.#hidden.has(arrival)
  }

  /** Leaves the last reply out of the transcript. */
  skipReply(): void {
    const last = this.#stream('replies').at(-1)
    if (last !== undefined) this.#hidden.add(last)
  }

  /** Sends a method without waiting. */
  send(name: string, values: Arguments = {}): void {
    this.#track(name, values)
    this.client.sendMethod(this.number, name, values)
  }

  /** Sends a method and waits for the next reply on the channel (or its closure, or the connection's). */
  async call(name: string, values: Arguments = {}): Promise<Arrival | undefined> {
    this.#seenReplies = this.#stream('replies').length
    this.send(name, values)
    return await this.reply()
  }

  /** Waits for the next reply on the channel, or the end of the connection. */
  async reply(timeoutMs: number = ANSWER_MS): Promise<Arrival | undefined> {
    const isOver = (): boolean => this.client.arrivals.some((arrival) => arrival.name === 'connection.close')
    await this.client.until(() => this.#stream('replies').length > this.#seenReplies || isOver(), timeoutMs)
    const reply = this.#stream('replies')[this.#seenReplies]
    if (reply === undefined) {
      if (!isOver() && this.client.end === 'open') this.connection.script.note(`${this.label}: no answer`)
      return undefined
    }
    this.#seenReplies++
    if (reply.name === 'queue.declare-ok') this.connection.script.queues.add(textArgument(reply.arguments, 'queue'))
    return reply
  }

  publish(exchange: string, routingKey: string, body: string | Uint8Array = 'm', options: PublishOptions = {}): void {
    const values = {
      exchange,
      'routing-key': routingKey,
      ...(options.mandatory === true ? { mandatory: true } : {}),
      ...(options.immediate === true ? { immediate: true } : {}),
    }
    this.client.sendPublish(this.number, values, options.properties ?? {}, Buffer.from(body as string))
  }

  async declareQueue(queue: string, table: Table = {}, flags: Arguments = {}): Promise<Arrival | undefined> {
    return await this.call('queue.declare', { queue, arguments: table, ...flags })
  }

  async declareExchange(exchange: string, type: string, table: Table = {}, flags: Arguments = {}): Promise<Arrival | undefined> {
    return await this.call('exchange.declare', { exchange, type, arguments: table, ...flags })
  }

  async bind(queue: string, exchange: string, routingKey: string = '', table: Table = {}): Promise<Arrival | undefined> {
    return await this.call('queue.bind', { queue, exchange, 'routing-key': routingKey, arguments: table })
  }

  async consume(queue: string, tag: string = 'tag', flags: Arguments = {}): Promise<Arrival | undefined> {
    return await this.call('basic.consume', { queue, 'consumer-tag': tag, ...flags })
  }

  async get(queue: string, noAck: boolean = false): Promise<Arrival | undefined> {
    return await this.call('basic.get', { queue, 'no-ack': noAck })
  }

  /** Gets the next message of a queue into which it comes by a way of its own (expiry, dead-lettering): asks until it is there. */
  async getWhenThere(queue: string, noAck: boolean = false): Promise<Arrival | undefined> {
    const deadlineMs = Date.now() + ANSWER_MS
    for (;;) {
      const answer = await this.get(queue, noAck)
      if (answer?.name !== 'basic.get-empty' || Date.now() > deadlineMs) return answer
      this.#hidden.add(answer)
      await pause(20)
    }
  }

  /** Waits until a queue has this many ready messages; says so in the transcript. */
  async untilCount(queue: string, count: number, timeoutMs: number = ANSWER_MS): Promise<void> {
    const deadlineMs = Date.now() + timeoutMs
    for (;;) {
      const answer = await this.call('queue.declare', { queue, passive: true })
      if (answer?.name !== 'queue.declare-ok') return
      this.#hidden.add(answer)
      const found = Number(answer.arguments['message-count'])
      if (found === count || Date.now() > deadlineMs) {
        this.connection.script.note(`${queue} has ${found} ready`)
        return
      }
      await pause(20)
    }
  }

  ack(deliveryTag: number, multiple: boolean = false): void {
    this.send('basic.ack', { 'delivery-tag': deliveryTag, multiple })
  }

  nack(deliveryTag: number, requeue: boolean, multiple: boolean = false): void {
    this.send('basic.nack', { 'delivery-tag': deliveryTag, requeue, multiple })
  }

  reject(deliveryTag: number, requeue: boolean): void {
    this.send('basic.reject', { 'delivery-tag': deliveryTag, requeue })
  }

  /** Waits for this many more deliveries and returns them; fewer when no more came. */
  async deliveries(count: number, timeoutMs: number = ANSWER_MS): Promise<Arrival[]> {
    const wanted = this.#seenDeliveries + count
    await this.client.until(() => this.#stream('deliveries').length >= wanted, timeoutMs)
    const found = this.#stream('deliveries').slice(this.#seenDeliveries, wanted)
    this.#seenDeliveries += found.length
    return found
  }

  async returns(count: number): Promise<Arrival[]> {
    const wanted = this.#seenReturns + count
    await this.client.until(() => this.#stream('returns').length >= wanted, ANSWER_MS)
    const found = this.#stream('returns').slice(this.#seenReturns, wanted)
    this.#seenReturns += found.length
    return found
  }

  async cancellations(count: number): Promise<void> {
    this.#seenCancellations += count
    await this.client.until(() => this.#stream('cancellations').length >= this.#seenCancellations, ANSWER_MS)
  }

  /** Waits until the publishes up to this sequence number are confirmed, one way or the other. */
  async confirms(upTo: number): Promise<void> {
    await this.client.until(() => this.#confirmed().size >= upTo || !this.isOpen, ANSWER_MS)
  }

  /** The outcome of every confirmed publish, in the order of the publishes. */
  confirmLines(): string[] {
    return [...this.#confirmed()].sort(([a], [b]) => a - b).map(([sequence, outcome]) => `${outcome} ${sequence}`)
  }

  /** A moment in which something unwanted could come. There is no condition to wait for when nothing is to happen. */
  async quiet(durationMs: number = 120): Promise<void> {
    await pause(durationMs)
    await this.barrier()
  }

  /** Waits until the server has handled everything sent on this channel; leaves no trace in the transcript. */
  async barrier(): Promise<void> {
    if (!this.isOpen) return
    const answer = await this.call('exchange.declare', { exchange: 'amq.direct', type: 'direct', passive: true })
    if (answer?.name === 'exchange.declare-ok') this.#hidden.add(answer)
  }

  #confirmed(): Map<number, string> {
    const outcomes = new Map<number, string>()
    let lowest = 1
    for (const arrival of this.#stream('confirms')) {
      const tag = Number(arrival.arguments['delivery-tag'])
      const outcome = arrival.name === 'basic.ack' ? 'ack' : 'nack'
      if (arrival.arguments['multiple'] !== true) {
        outcomes.set(tag, outcomes.has(tag) ? 'twice' : outcome)
        continue
      }
      for (let sequence = lowest; sequence <= tag; sequence++) if (!outcomes.has(sequence)) outcomes.set(sequence, outcome)
      lowest = tag + 1
    }
    return outcomes
  }

  #stream(stream: string): Arrival[] {
    return this.client.arrivals.filter((arrival) => arrival.channel === this.number && streamOf(arrival) === stream)
  }

  #track(name: string, values: Arguments): void {
    const { queues, exchanges } = this.connection.script
    if (values['passive'] === true) return
    if (name === 'queue.declare' && values['queue'] !== undefined && values['queue'] !== '') queues.add(textArgument(values, 'queue'))
    if (name === 'exchange.declare') {
      const exchange = textArgument(values, 'exchange')
      if (exchange !== '' && !exchange.startsWith('amq.')) exchanges.add(exchange)
    }
  }
}
