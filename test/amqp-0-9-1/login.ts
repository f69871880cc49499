/**
 * The raw client with a connection that is open, as an orderly client makes it.
 */
import { type Arguments, type Arrival, PROTOCOL_HEADER, RawClient } from './raw-client.ts'

/** Where a server is, and who logs in how; what is left out is the usual. */
export interface LoginOptions {
  readonly host: string
  readonly port: number
  readonly user?: string
  readonly password?: string
  readonly virtualHost?: string
  readonly frameMax?: number
  readonly channelMax?: number
  readonly heartbeatSeconds?: number
  readonly timeoutMs?: number
}

const TIMEOUT_MS = 20_000

/** Connects, logs in and opens the virtual host. */
export async function openClient(options: LoginOptions): Promise<RawClient> {
  const client = await RawClient.open(options.host, options.port)
  try {
    await login(client, options)
  } catch (error) {
    client.destroy()
    throw error
  }
  return client
}

/** Everything up to connection.open-ok. */
export async function login(client: RawClient, options: Omit<LoginOptions, 'host' | 'port'> = {}): Promise<void> {
  const timeoutMs = options.timeoutMs ?? TIMEOUT_MS
  client.sendBytes(PROTOCOL_HEADER)
  await arrivalOf(client, 0, 'connection.start', 0, timeoutMs)
  client.sendMethod(0, 'connection.start-ok', startOk(options.user, options.password))
  const tune = await arrivalOf(client, 0, 'connection.tune', 0, timeoutMs)
  const frameMax = options.frameMax ?? Number(tune.arguments['frame-max'])
  client.sendMethod(0, 'connection.tune-ok', {
    'channel-max': options.channelMax ?? Number(tune.arguments['channel-max']),
    'frame-max': frameMax,
    heartbeat: options.heartbeatSeconds ?? 0,
  })
  client.frameMax = frameMax
  client.sendMethod(0, 'connection.open', { 'virtual-host': options.virtualHost ?? '/' })
  await arrivalOf(client, 0, 'connection.open-ok', 0, timeoutMs)
}

/** The arguments of connection.start-ok for a login with a password. */
export function startOk(user = 'guest', password = 'guest'): Arguments {
  const capabilities = {
    authentication_failure_close: true,
    'basic.nack': true,
    'connection.blocked': true,
    consumer_cancel_notify: true,
    publisher_confirms: true,
  }
  return {
    'client-properties': { product: 'waybill tests', capabilities },
    mechanism: 'PLAIN',
    response: `\0${user}\0${password}`,
    locale: 'en_US',
  }
}

/** Sends a method and waits for its answer; an error of the server instead of it is thrown. */
export async function call(
  client: RawClient,
  channel: number,
  name: string,
  values: Arguments = {},
  answer = `${name}-ok`,
  timeoutMs = TIMEOUT_MS,
): Promise<Arrival> {
  const from = client.arrivals.length
  client.sendMethod(channel, name, values)
  return await arrivalOf(client, channel, answer, from, timeoutMs)
}

/** Waits for a method on a channel, among the arrivals from the index `from` on. */
export async function arrivalOf(client: RawClient, channel: number, name: string, from: number, timeoutMs = TIMEOUT_MS): Promise<Arrival> {
  let looked = from
  let found: Arrival | undefined
  const look = (): boolean => {
    while (found === undefined && looked < client.arrivals.length) {
      const arrival = client.arrivals[looked++] as Arrival
      if (arrival.channel === channel && arrival.name === name) found = arrival
      else if (arrival.name === 'connection.close' || (arrival.name === 'channel.close' && arrival.channel === channel)) {
        throw new Error(`expected ${name}, the server said ${arrival.name}: ${arrival.arguments['reply-text'] as string}`)
      }
    }
    return found !== undefined
  }
  await client.until(look, timeoutMs)
  if (found === undefined) throw new Error(`expected ${name}, and ${client.end === 'open' ? 'nothing came' : 'the connection ended'}`)
  return found
}
