/**
 * The login mechanisms: what a response says, or that it says nothing sensible.
 *
 *     PLAIN     = authorisation-identity NUL user NUL password        [RFC 4616; the first must be empty, as in RabbitMQ]
 *     AMQPLAIN  = the entries of a field table (without its size): LOGIN, PASSWORD
 *     EXTERNAL  = anything: the certificate of the TLS connection says who it is
 */
import { ByteWriter } from '../../base/byte-writer.ts'
import { WaybillError } from '../../base/errors.ts'
import type { Credentials } from '../../base/identity.ts'
import { decodeText } from '../../base/text.ts'
import { decodeTable } from '../../message/field-table.ts'
import { textOf } from '../../message/field.ts'

/** The mechanisms offered, in the order of preference. @param certified the client has shown a verified certificate */
export function offeredMechanisms(certified: boolean): string {
  return certified ? 'PLAIN AMQPLAIN EXTERNAL' : 'PLAIN AMQPLAIN'
}

/** @returns undefined when the mechanism is not offered or the response is malformed */
export function parseResponse(mechanism: string, response: Uint8Array, certified: boolean): Credentials | undefined {
  switch (mechanism) {
    case 'PLAIN':
      return parsePlain(response)
    case 'AMQPLAIN':
      return parseAmqPlain(response)
    case 'EXTERNAL':
      return certified ? { kind: 'certificate' } : undefined
    default:
      return undefined
  }
}

function parsePlain(response: Uint8Array): Credentials | undefined {
  const parts = decodeText(response, 0, response.length).split('\0')
  const [identity, user, password] = parts
  if (parts.length !== 3 || identity !== '' || user === undefined || password === undefined) return undefined
  return { kind: 'password', user, password }
}

function parseAmqPlain(response: Uint8Array): Credentials | undefined {
  const writer = new ByteWriter(response.length + 4)
  writer.uint32(response.length)
  writer.raw(response)
  try {
    const table = decodeTable(writer.bytes())
    const user = textOf(table.get('LOGIN'))
    const password = textOf(table.get('PASSWORD'))
    return user === undefined || password === undefined ? undefined : { kind: 'password', user, password }
  } catch (error) {
    if (error instanceof WaybillError) return undefined
    throw error
  }
}
