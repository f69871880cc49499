/**
 * The form of messages whose properties are AMQP 0-9-1 basic properties (amqp-properties.ts), and its translation to the canonical one.
 *
 *     canonical       AMQP 0-9-1
 *     durable         delivery-mode 2 (false: 1)
 *     expirationMs    expiration in decimal digits; an expiration that is not a number is left out
 *     timestampMs     timestamp in whole seconds
 *     headers         field table (defaults of fieldOf)
 *     cluster-id has no canonical place and is left out
 */
import type { MessageFacets } from './facets.ts'
import { findTableEntry } from './field-scan.ts'
import { decodeField } from './field-table.ts'
import { headerValueOf } from './field.ts'
import type { EncodableTable } from './field.ts'
import type { HeaderValue } from './header-value.ts'
import {
  DELIVERY_MODE_PERSISTENT,
  decodeAmqpProperties,
  encodeAmqpProperties,
  patchAmqpProperties,
  scanAmqpProperties,
} from './amqp-properties.ts'
import type { AmqpProperties } from './amqp-properties.ts'
import type { MessageForm, MessageProperties } from './properties.ts'

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** Texts that mean the same in both forms. */
const TEXTS = ['contentType', 'contentEncoding', 'correlationId', 'replyTo', 'messageId', 'type', 'userId', 'appId'] as const

/** The largest number of fifteen digits: longer expirations are not read back. */
const EXPIRATION_MS_MAX = 999_999_999_999_999

const DIGITS = /^[0-9]{1,15}$/

/** The neutral properties of decoded AMQP ones. */
function canonicalOf(source: AmqpProperties): MessageProperties {
  const result: Mutable<MessageProperties> = {
    headers: source.headers?.toMap() ?? new Map<string, HeaderValue>(),
    durable: source.deliveryMode === DELIVERY_MODE_PERSISTENT,
  }
  for (const name of TEXTS) {
    const text = source[name]
    if (text !== undefined) result[name] = text
  }
  if (source.priority !== undefined) result.priority = source.priority
  if (source.expiration !== undefined && DIGITS.test(source.expiration)) result.expirationMs = Number(source.expiration)
  if (source.timestamp !== undefined) result.timestampMs = Number(source.timestamp) * 1000
  return result
}

/** The AMQP properties of neutral ones. */
function amqpPropertiesOf(source: MessageProperties): AmqpProperties<EncodableTable> {
  const result: AmqpProperties<EncodableTable> = { deliveryMode: source.durable ? DELIVERY_MODE_PERSISTENT : 1 }
  for (const name of TEXTS) {
    const text = source[name]
    if (text !== undefined) result[name] = text
  }
  if (source.headers.size > 0) result.headers = source.headers
  if (source.priority !== undefined) result.priority = Math.min(255, Math.max(0, Math.round(source.priority)))
  if (source.expirationMs !== undefined)
    result.expiration = String(Math.min(EXPIRATION_MS_MAX, Math.max(0, Math.round(source.expirationMs))))
  if (source.timestampMs !== undefined) result.timestamp = Math.max(0, Math.floor(source.timestampMs / 1000))
  return result
}

/** AMQP 0-9-1 basic properties as they are on the wire. */
export const AMQP_FORM: MessageForm = {
  tag: 1,
  name: 'amqp-0-9-1',
  scan: scanAmqpProperties,
  findHeader(bytes: Uint8Array, facets: MessageFacets, name: Uint8Array): number {
    if (facets.headersLength <= 0) return -1
    return findTableEntry(bytes, facets.headersOffset, facets.headersOffset + facets.headersLength, name)
  },
  headerValue(bytes: Uint8Array, facets: MessageFacets, offset: number): HeaderValue {
    return headerValueOf(decodeField(bytes, offset, facets.headersOffset + facets.headersLength))
  },
  decode: (bytes, start, end) => canonicalOf(decodeAmqpProperties(bytes, start, end)),
  encode: (properties) => encodeAmqpProperties(amqpPropertiesOf(properties)),
  patch: patchAmqpProperties,
}
