import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { tableOf } from '../message/field.ts'
import type { Encodable } from '../message/field.ts'
import { parseConsumerArguments } from './consumer-arguments.ts'
import { checkSameExchange, exchangeKindName, parseExchangeDeclaration } from './exchange-arguments.ts'
import type { ExchangeDeclaration } from './exchange-arguments.ts'

const declaration = (kind: string, args: Record<string, Encodable> = {}, rest: Partial<ExchangeDeclaration> = {}): ExchangeDeclaration => ({
  name: 'x',
  namespace: '/',
  kind,
  durable: true,
  autoDelete: false,
  internal: false,
  arguments: tableOf(args),
  ...rest,
})

const refuses = (act: () => unknown, message: string): void => assert.throws(act, { code: 'PRECONDITION_FAILED', message })

describe('parseExchangeDeclaration', () => {
  it('knows four kinds, and the delayed one with any of them inside', () => {
    for (const kind of ['direct', 'topic', 'fanout', 'headers']) {
      const plain = parseExchangeDeclaration(declaration(kind))
      assert.deepEqual([plain.kind, plain.routing, exchangeKindName(plain.kind)], [kind, kind, kind])
      const delayed = parseExchangeDeclaration(declaration('x-delayed-message', { 'x-delayed-type': kind }))
      assert.deepEqual([delayed.kind, delayed.routing, exchangeKindName(delayed.kind)], ['delayed', kind, 'x-delayed-message'])
    }
  })

  it('takes the alternate exchange from the arguments', () => {
    assert.equal(parseExchangeDeclaration(declaration('direct', { 'alternate-exchange': 'other' })).alternate, 'other')
    assert.equal(parseExchangeDeclaration(declaration('direct')).alternate, undefined)
  })

  it('refuses what it does not know', () => {
    const delayed = (type?: Encodable): ExchangeDeclaration => declaration('x-delayed-message', { 'x-delayed-type': type })
    refuses(() => parseExchangeDeclaration(declaration('nonsense')), "unknown exchange type 'nonsense'")
    refuses(() => parseExchangeDeclaration(declaration('')), "invalid exchange type ''")
    refuses(() => parseExchangeDeclaration(declaration('delayed')), "unknown exchange type 'delayed'")
    refuses(() => parseExchangeDeclaration(delayed()), "Invalid argument, 'x-delayed-type' must be an existing exchange type")
    refuses(() => parseExchangeDeclaration(delayed(1)), "Invalid argument, 'x-delayed-type' must be an existing exchange type")
    refuses(() => parseExchangeDeclaration(delayed('none')), "unknown exchange type 'none'")
    refuses(
      () => parseExchangeDeclaration(delayed('x-delayed-message')),
      "Invalid argument, 'x-delayed-message' can't be used for 'x-delayed-type'",
    )
    refuses(
      () => parseExchangeDeclaration(declaration('direct', { 'alternate-exchange': 5 })),
      "invalid type 'signedint' for arg 'alternate-exchange' in exchange 'x' in vhost '/'",
    )
  })
})

describe('checkSameExchange', () => {
  const current = parseExchangeDeclaration(declaration('direct', { 'alternate-exchange': 'a' }))
  const differs = (requested: ExchangeDeclaration, name: string, difference: string): void =>
    refuses(() => checkSameExchange(requested, current), `inequivalent arg '${name}' for exchange 'x' in vhost '/': ${difference}`)
  const same = { 'alternate-exchange': 'a' }

  it('ignores arguments other than the alternate exchange', () => {
    checkSameExchange(declaration('direct', { ...same, other: 1 }), current)
  })

  it('says what differs', () => {
    differs(declaration('fanout', same), 'type', "received 'fanout' but current is 'direct'")
    differs(declaration('x-delayed-message', same), 'type', "received ''x-delayed-message'' but current is 'direct'")
    differs(declaration('direct', same, { durable: false }), 'durable', "received 'false' but current is 'true'")
    differs(declaration('direct', same, { autoDelete: true }), 'auto_delete', "received 'true' but current is 'false'")
    differs(declaration('direct', same, { internal: true }), 'internal', "received 'true' but current is 'false'")
    differs(declaration('direct'), 'alternate-exchange', "received none but current is the value 'a' of type 'longstr'")
    differs(declaration('direct', { 'alternate-exchange': 'b' }), 'alternate-exchange', "received 'b' but current is 'a'")
    refuses(() => checkSameExchange(declaration('nonsense', same), current), "unknown exchange type 'nonsense'")
  })
})

describe('parseConsumerArguments', () => {
  const queue = { name: 'q', namespace: '/', type: 'classic' } as const
  const parse = (args: Record<string, Encodable>): unknown => parseConsumerArguments(tableOf(args), queue)

  it('takes priority and timeout', () => {
    assert.deepEqual(parse({}), { priority: 0, timeoutMs: undefined })
    assert.deepEqual(parse({ 'x-priority': -3, 'x-consumer-timeout': 1000, 'x-cancel-on-ha-failover': true, other: 'x' }), {
      priority: -3,
      timeoutMs: 1000,
    })
  })

  it('refuses what makes no sense', () => {
    refuses(() => parse({ 'x-priority': 'high' }), `invalid arg 'x-priority' for queue 'q' in vhost '/': "expected integer, got longstr"`)
    refuses(() => parse({ 'x-consumer-timeout': -1 }), "invalid arg 'x-consumer-timeout' for queue 'q' in vhost '/': {value_negative,-1}")
    refuses(
      () => parse({ 'x-cancel-on-ha-failover': 1 }),
      "invalid arg 'x-cancel-on-ha-failover' for queue 'q' in vhost '/': {unacceptable_type,signedint}",
    )
    refuses(
      () => parse({ 'x-stream-offset': 'first' }),
      "invalid arg 'x-stream-offset' for queue 'q' in vhost '/' of queue type rabbit_classic_queue",
    )
  })
})
