/**
 * How received messages are written: one JSON line each, the bare body, or a form for people.
 *
 *     {"exchange":"","routingKey":"orders","redelivered":false,"properties":{"messageId":"..."},"body":{"orderId":1}}
 *
 * `body` is there when the message is JSON: the same text, so that 1500000.00 stays what it is. Other text is `bodyText`, other bytes
 * are `bodyBase64`.
 */
import { isUtf8 } from 'node:buffer'
import { inspect } from 'node:util'
import type { ConsumeMessage } from 'amqplib'

/** The forms. */
export const MESSAGE_FORMATS = ['json', 'raw', 'pretty'] as const
/** One of the forms. */
export type MessageFormat = (typeof MESSAGE_FORMATS)[number]

const NEWLINE = Buffer.from('\n')

/** The bytes to write for a message. */
export function formatMessage(message: ConsumeMessage, format: MessageFormat): Buffer {
  if (format === 'raw') return Buffer.concat([message.content, NEWLINE])
  if (format === 'pretty') return Buffer.from(prettyText(message))
  const { exchange, routingKey, redelivered } = message.fields
  const head = JSON.stringify({ exchange, routingKey, redelivered, properties: propertiesOf(message) }, jsonValue)
  return Buffer.from(`${head.slice(0, -1)},${bodyMember(message)}}\n`)
}

/** The properties that are set. */
export function propertiesOf(message: ConsumeMessage): Record<string, unknown> {
  const set: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(message.properties as unknown as Record<string, unknown>)) {
    if (value === undefined || (key === 'headers' && Object.keys(value as object).length === 0)) continue
    set[key] = value
  }
  return set
}

/** True when the body is JSON by its type, or has no type and parses. */
export function isJson(message: ConsumeMessage): boolean {
  const type: unknown = message.properties.contentType
  if (typeof type === 'string' && !/^application\/(.+\+)?json\b/i.test(type)) return false
  if (!isUtf8(message.content) || message.properties.contentEncoding !== undefined) return false
  try {
    JSON.parse(message.content.toString())
    return true
  } catch {
    return false
  }
}

function bodyMember(message: ConsumeMessage): string {
  // Line ends in JSON are white space between its parts: within texts they are escaped.
  if (isJson(message))
    return `"body":${message.content
      .toString()
      .replace(/[\r\n]+/g, ' ')
      .trim()}`
  if (isUtf8(message.content)) return `"bodyText":${JSON.stringify(message.content.toString())}`
  return `"bodyBase64":${JSON.stringify(message.content.toString('base64'))}`
}

/** Bytes in headers come as buffers; a number too large for JSON as text. */
function jsonValue(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString()
  if (typeof value === 'object' && value !== null && 'type' in value && value.type === 'Buffer' && 'data' in value) {
    return { base64: Buffer.from(value.data as number[]).toString('base64') }
  }
  return value
}

function prettyText(message: ConsumeMessage): string {
  const { exchange, routingKey, redelivered } = message.fields
  const lines = [
    `${exchange === '' ? '(default exchange)' : printable(exchange)} -> ${printable(routingKey)}${redelivered ? ' (redelivered)' : ''}`,
  ]
  for (const [key, value] of Object.entries(propertiesOf(message)))
    lines.push(`  ${key}: ${inspect(value, { depth: 8, breakLength: 120 })}`)
  const body = isJson(message)
    ? indentJson(message.content.toString())
    : isUtf8(message.content)
      ? printable(message.content.toString())
      : message.content.toString('base64')
  return `${lines.join('\n')}\n${body}\n\n`
}

/** Indented, unless parsing would change a number. */
function indentJson(text: string): string {
  const value: unknown = JSON.parse(text)
  return JSON.stringify(value) === text.replace(/\s+/g, '') || !/\d/.test(text) ? JSON.stringify(value, undefined, 2) : printable(text)
}

/** Control characters of a sender must not steer the terminal of the reader. */
function printable(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]/gu, (c) =>
    c === '\n' || c === '\t' ? c : `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
