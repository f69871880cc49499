/**
 * What a server answered, as lines that two servers' answers can be compared by.
 *
 * Each connection and channel has several streams, because only inside one of them is the order a promise:
 * replies (with closures), deliveries, returns, confirms (expanded and sorted: a server may join them) and cancellations.
 * Names that the server makes up are numbered in the order of their first appearance.
 */

import type { Arguments, Arrival } from '../amqp-0-9-1/raw-client.ts'
import { Typed, type FieldValue, type Table } from '../amqp-0-9-1/wire-value.ts'

/** The streams of one case by name; a stream that stayed empty is absent. */
export interface Transcript {
  readonly [stream: string]: readonly string[]
}

/** Replaces names that differ from run to run. One instance serves one run of one case. */
export class NameNormaliser {
  readonly #names = new Map<string, string>()
  readonly #counts = new Map<string, number>()

  apply(text: string): string {
    return text
      .replaceAll(/amq\.rabbitmq\.reply-to\.[A-Za-z0-9+/=._-]+/g, (name) => this.#number(name, 'reply-to'))
      .replaceAll(/amq\.gen-[A-Za-z0-9+/=_-]+/g, (name) => this.#number(name, 'queue'))
      .replaceAll(/amq\.ctag-[A-Za-z0-9+/=_-]+/g, (name) => this.#number(name, 'tag'))
  }

  #number(name: string, kind: string): string {
    let replacement = this.#names.get(name)
    if (replacement === undefined) {
      const count = (this.#counts.get(kind) ?? 0) + 1
      this.#counts.set(kind, count)
      replacement = `<${kind} ${count}>`
      this.#names.set(name, replacement)
    }
    return replacement
  }
}

/** The stream of its channel that an arrival belongs to. */
export function streamOf(arrival: Arrival): 'replies' | 'deliveries' | 'returns' | 'confirms' | 'cancellations' | 'notices' {
  switch (arrival.name) {
    case 'basic.deliver':
      return 'deliveries'
    case 'basic.return':
      return 'returns'
    case 'basic.ack':
    case 'basic.nack':
      return 'confirms'
    case 'basic.cancel':
      return 'cancellations'
    case 'connection.blocked':
    case 'connection.unblocked':
      return 'notices'
    default:
      return 'replies'
  }
}

/** One arrival as one line. */
export function lineOf(arrival: Arrival): string {
  const given = arrival.arguments
  if (arrival.name === 'channel.close' || arrival.name === 'connection.close') {
    return `${arrival.name} ${text(given['reply-code'])} ${JSON.stringify(given['reply-text'])} for ${text(given['class-id'])}.${text(given['method-id'])}`
  }
  const parts = [arrival.name]
  for (const [name, value] of Object.entries(given)) {
    if (value === false || name === 'cluster-id' || name.startsWith('reserved')) continue
    parts.push(value === true ? name : `${name}=${text(value)}`)
  }
  if (arrival.properties !== undefined) parts.push(`{${propertiesText(arrival.properties)}}`)
  if (arrival.body !== undefined) parts.push(bodyText(arrival.body))
  return parts.join(' ')
}

function propertiesText(properties: Arguments): string {
  return Object.entries(properties)
    .map(([name, value]) => `${name}=${text(value)}`)
    .join(' ')
}

function bodyText(body: Buffer): string {
  return body.length > 64 ? `<${body.length} bytes>` : JSON.stringify(body.toString('utf8'))
}

/** A value with its type letters, fields in the order of their names. */
export function text(value: unknown): string {
  if (value instanceof Typed) return typedText(value)
  if (value instanceof Uint8Array) return `<${Buffer.from(value).toString('hex')}>`
  if (typeof value === 'object' && value !== null) return tableText(value as Table)
  if (typeof value === 'string') return JSON.stringify(value)
  return String(value)
}

function typedText({ type, value }: Typed): string {
  if (type === 'S' || type === 'F') return text(value)
  if (type === 'A') return `[${(value as readonly FieldValue[]).map((element) => text(element)).join(' ')}]`
  // The time of an event differs from run to run; that it is a time is the promise.
  if (type === 'T' && Math.abs(Number(value) - Date.now() / 1000) < 3600) return 'T:<now>'
  return `${type}:${text(value)}`
}

function tableText(table: Table): string {
  const fields = Object.keys(table).sort()
  return `{${fields.map((name) => `${name}=${text(table[name])}`).join(' ')}}`
}

/** An argument that must be text, or nothing when it is absent. */
export function textArgument(given: Arguments | undefined, name: string): string {
  const value = given?.[name]
  return typeof value === 'string' ? value : ''
}

/** Where two transcripts differ, as lines for a person; empty when they agree. */
export function differences(expected: Transcript, actual: Transcript): string[] {
  const result: string[] = []
  for (const stream of new Set([...Object.keys(expected), ...Object.keys(actual)])) {
    const wanted = expected[stream] ?? []
    const found = actual[stream] ?? []
    if (wanted.length === found.length && wanted.every((line, index) => line === found[index])) continue
    result.push(`${stream}:`)
    for (let index = 0; index < Math.max(wanted.length, found.length); index++) {
      if (wanted[index] === found[index]) result.push(`    ${wanted[index] ?? ''}`)
      else {
        if (wanted[index] !== undefined) result.push(`  - ${wanted[index]}`)
        if (found[index] !== undefined) result.push(`  + ${found[index]}`)
      }
    }
  }
  return result
}
