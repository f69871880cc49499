/**
 * The connection of `waybill publish` and `waybill consume` to any AMQP 0-9-1 server, with its errors as ours.
 */
import type { ChannelModel } from 'amqplib'
import { WaybillError, type ErrorCode } from '../base/errors.ts'

/** Where a command connects when nothing is said. */
const URL_DEFAULT = 'amqp://guest:guest@127.0.0.1:5672'

/** The address: the flag, else WAYBILL_URL, else this machine. */
export function chooseUrl(flag: string | undefined, environment: NodeJS.ProcessEnv): string {
  return flag ?? (environment['WAYBILL_URL'] || undefined) ?? URL_DEFAULT
}

/** The address for people: without the password. */
function urlWithoutPassword(url: string): string {
  try {
    const parsed = new URL(url)
    parsed.password = ''
    return parsed.href
  } catch {
    return 'the given address'
  }
}

/**
 * Connects.
 * @throws INPUT_INVALID (no address), SERVER_UNREACHABLE (nobody answers, or lets us in)
 */
export async function connectTo(url: string, name: string): Promise<ChannelModel> {
  if (!/^amqps?:\/\/[^/]/.test(url) || !URL.canParse(url)) {
    throw new WaybillError(
      'INPUT_INVALID',
      `expected an address such as "amqp://user:password@host:5672/namespace", found "${urlWithoutPassword(url)}"`,
    )
  }
  const { connect } = await import('amqplib')
  try {
    return await connect(url, { clientProperties: { connection_name: name }, noDelay: true, timeout: 10_000 })
  } catch (error) {
    throw new WaybillError('SERVER_UNREACHABLE', `cannot connect to ${urlWithoutPassword(url)}: ${reasonOf(error)}`, { cause: error })
  }
}

function reasonOf(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code
  if (code === 'ECONNREFUSED') return 'nobody listens there'
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'the host name is not known'
  if (code === 'ETIMEDOUT') return 'no answer'
  // A host with several addresses fails with one error per address and no text of its own.
  if (error instanceof AggregateError) return [...new Set(error.errors.map(reasonOf))].join(', ')
  return (error as Error).message
}

const CODES: Readonly<Record<number, ErrorCode>> = {
  311: 'MESSAGE_TOO_LARGE',
  320: 'CONNECTION_FORCED',
  403: 'ACCESS_REFUSED',
  404: 'NOT_FOUND',
  405: 'RESOURCE_LOCKED',
  406: 'PRECONDITION_FAILED',
}

/** What a server said when it closed a channel or connection, or what became of the network. */
export function serverError(error: Error): WaybillError {
  const { code } = error as { code?: unknown }
  const known = typeof code === 'number' ? CODES[code] : undefined
  if (known !== undefined) return new WaybillError(known, error.message, { cause: error })
  return new WaybillError('SERVER_UNREACHABLE', `the connection was lost: ${error.message}`, { cause: error })
}
