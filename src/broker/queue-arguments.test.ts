import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { LIMITS } from '../base/limits.ts'
import { field, tableOf } from '../message/field.ts'
import type { Encodable } from '../message/field.ts'
import { effectiveSettings } from './effective-settings.ts'
import { checkSameQueue, parseQueueArguments } from './queue-arguments.ts'
import type { ExistingQueue, QueueDeclaration } from './queue-arguments.ts'
import { QUEUE_SETTINGS } from './queue-setting-table.ts'
import type { SettingValues } from './setting-values.ts'

type Table = Record<string, Encodable>

const QUORUM = { 'x-queue-type': 'quorum' }

const declaration = (args: Table, rest: Partial<QueueDeclaration> = {}): QueueDeclaration => ({
  name: 'q',
  namespace: '/',
  durable: true,
  exclusive: false,
  autoDelete: false,
  arguments: tableOf(args),
  ...rest,
})

const refuses = (act: () => unknown, message: string): void => assert.throws(act, { code: 'PRECONDITION_FAILED', message })

describe('parseQueueArguments', () => {
  const accepted: [Table, SettingValues][] = [
    [{}, {}],
    [{ 'x-message-ttl': 0 }, { messageTtlMs: 0 }],
    [{ 'x-message-ttl': field('b', 5) }, { messageTtlMs: 5 }],
    [{ 'x-message-ttl': 315_360_000_000 }, { messageTtlMs: 315_360_000_000 }],
    [{ 'x-expires': 1 }, { expiresMs: 1 }],
    [
      { 'x-max-length': 0, 'x-max-length-bytes': 2n ** 60n },
      { lengthMax: 0, lengthBytesMax: 2 ** 60 },
    ],
    [{ 'x-overflow': 'drop-head' }, { overflow: 'drop-head' }],
    [{ 'x-overflow': 'reject-publish' }, { overflow: 'reject-publish' }],
    [{ 'x-overflow': 'reject-publish-dlx' }, { overflow: 'reject-publish-dead-letter' }],
    [
      { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'k' },
      { deadLetterExchange: '', deadLetterRoutingKey: 'k' },
    ],
    [{ 'x-dead-letter-strategy': 'at-least-once' }, {}],
    [{ 'x-max-priority': 255 }, { priorityMax: 255 }],
    [{ 'x-single-active-consumer': true }, { singleActiveConsumer: true }],
    [{ 'x-delivery-limit': 3 }, { deliveryLimit: 3 }],
    [{ 'x-delivery-limit': -1, ...QUORUM }, { deliveryLimit: -1 }],
    [{ 'x-queue-mode': 'lazy', 'x-queue-version': 2, 'x-queue-master-locator': 'random', 'x-queue-leader-locator': 'balanced' }, {}],
    [{ 'x-max-in-memory-length': 0, 'x-max-in-memory-bytes': 1, 'x-quorum-initial-group-size': 3, ...QUORUM }, {}],
    [{ 'x-consumer-timeout': 1000 }, { consumerTimeoutMs: 1000 }],
    [
      { 'x-redelivery-delay': 100, 'x-redelivery-delay-max': 5000, 'x-redelivery-delay-multiplier': 1.5 },
      { redeliveryDelayMs: 100, redeliveryDelayMaxMs: 5000, redeliveryDelayMultiplier: 1.5 },
    ],
    [{ 'x-deduplication-window': 60_000 }, { deduplicationWindowMs: 60_000 }],
    [{ 'x-message-deduplication': true }, { deduplicationWindowMs: LIMITS.deduplicationWindowMsDefault }],
    [{ 'x-deduplication-window': 5, 'x-message-deduplication': true }, { deduplicationWindowMs: 5 }],
    [{ 'x-message-deduplication': false }, {}],
    [{ 'x-ordering-key': 'customer' }, { orderingKey: 'customer' }],
    [{ 'x-nobody-knows': 'this', other: null }, {}],
  ]
  for (const [args, settings] of accepted) {
    it(`understands ${Object.keys(args).join(', ') || 'nothing'} = ${Object.values(args).map(String).join(', ')}`, () => {
      const parsed = parseQueueArguments(declaration(args))
      assert.deepEqual(parsed.settings, settings)
      assert.equal(parsed.type, args['x-queue-type'] ?? 'classic')
    })
  }

  const of = (name: string): string => `invalid arg '${name}' for queue 'q' in vhost '/'`
  const refused: [Table, string][] = [
    [{ 'x-message-ttl': -1 }, `${of('x-message-ttl')}: {value_negative,-1}`],
    [{ 'x-message-ttl': '1' }, `${of('x-message-ttl')}: "expected integer, got longstr"`],
    [{ 'x-message-ttl': 1.5 }, `${of('x-message-ttl')}: "expected integer, got double"`],
    [{ 'x-message-ttl': true }, `${of('x-message-ttl')}: "expected integer, got bool"`],
    [{ 'x-message-ttl': {} }, `${of('x-message-ttl')}: "expected integer, got table"`],
    [{ 'x-message-ttl': 315_360_000_001 }, `${of('x-message-ttl')}: {value_too_large,315360000001}`],
    [{ 'x-expires': 0 }, `${of('x-expires')}: {value_zero,0}`],
    [{ 'x-expires': -1 }, `${of('x-expires')}: {value_negative,-1}`],
    [{ 'x-max-length': -1 }, `${of('x-max-length')}: {value_negative,-1}`],
    [{ 'x-max-length-bytes': -(2n ** 60n) }, `${of('x-max-length-bytes')}: {value_negative,-1152921504606846976}`],
    [{ 'x-overflow': 'explode' }, `${of('x-overflow')}: invalid_overflow`],
    [{ 'x-overflow': 5 }, `${of('x-overflow')}: {unacceptable_type,signedint}`],
    [{ 'x-dead-letter-exchange': 5 }, "invalid type 'signedint' for arg 'x-dead-letter-exchange' in queue 'q' in vhost '/'"],
    [{ 'x-dead-letter-routing-key': 'k' }, `${of('x-dead-letter-routing-key')}: routing_key_but_no_dlx_defined`],
    [
      { 'x-dead-letter-routing-key': 5, 'x-dead-letter-exchange': 'x' },
      `${of('x-dead-letter-routing-key')}: {unacceptable_type,signedint}`,
    ],
    [{ 'x-dead-letter-strategy': 'never' }, `${of('x-dead-letter-strategy')}: invalid_dlx_strategy`],
    [{ 'x-max-priority': 256 }, `${of('x-max-priority')}: {max_value_exceeded,256}`],
    [{ 'x-max-priority': 5, ...QUORUM }, `${of('x-max-priority')} of queue type rabbit_quorum_queue`],
    [{ 'x-single-active-consumer': 1 }, `${of('x-single-active-consumer')}: {unacceptable_type,signedint}`],
    [{ 'x-delivery-limit': '3' }, `${of('x-delivery-limit')}: "expected integer, got longstr"`],
    [{ 'x-queue-mode': 'fast' }, `${of('x-queue-mode')}: "unsupported queue mode 'fast'"`],
    [{ 'x-queue-mode': 'lazy', ...QUORUM }, `${of('x-queue-mode')} of queue type rabbit_quorum_queue`],
    [{ 'x-queue-version': 3 }, `${of('x-queue-version')}: "unsupported queue version '3'"`],
    [{ 'x-queue-type': 'stream' }, `${of('x-queue-type')}: "unsupported queue type 'stream'"`],
    [{ 'x-queue-type': '' }, `${of('x-queue-type')}: "unsupported queue type ''"`],
    [{ 'x-queue-type': 1 }, `${of('x-queue-type')}: {unacceptable_type,signedint}`],
    [{ 'x-queue-leader-locator': 'near' }, `${of('x-queue-leader-locator')}: invalid_queue_locator_arg`],
    [{ 'x-quorum-initial-group-size': 0, ...QUORUM }, `${of('x-quorum-initial-group-size')}: {value_zero,0}`],
    [{ 'x-quorum-initial-group-size': 3 }, `${of('x-quorum-initial-group-size')} of queue type rabbit_classic_queue`],
    [{ 'x-max-in-memory-length': 3 }, `${of('x-max-in-memory-length')} of queue type rabbit_classic_queue`],
    [{ 'x-max-age': '1h' }, `${of('x-max-age')} of queue type rabbit_classic_queue`],
    [{ 'x-initial-cluster-size': 1, ...QUORUM }, `${of('x-initial-cluster-size')} of queue type rabbit_quorum_queue`],
    [{ 'x-consumer-timeout': -5 }, `${of('x-consumer-timeout')}: {value_negative,-5}`],
    [{ 'x-redelivery-delay': -1 }, `${of('x-redelivery-delay')}: {value_negative,-1}`],
    [{ 'x-redelivery-delay-max': 5 }, `${of('x-redelivery-delay-max')}: no_redelivery_delay_defined`],
    [{ 'x-redelivery-delay': 5, 'x-redelivery-delay-multiplier': 0.5 }, `${of('x-redelivery-delay-multiplier')}: {value_too_small,0.5}`],
    [
      { 'x-redelivery-delay': 5, 'x-redelivery-delay-multiplier': 'twice' },
      `${of('x-redelivery-delay-multiplier')}: "expected number, got longstr"`,
    ],
    [{ 'x-deduplication-window': 0 }, `${of('x-deduplication-window')}: {value_zero,0}`],
    [{ 'x-message-deduplication': 'yes' }, `${of('x-message-deduplication')}: {unacceptable_type,longstr}`],
    [{ 'x-ordering-key': '' }, `${of('x-ordering-key')}: value_empty`],
  ]
  for (const [args, message] of refused) {
    it(`refuses ${Object.keys(args).join(', ')} = ${Object.values(args).map(String).join(', ')}`, () => {
      refuses(() => parseQueueArguments(declaration(args)), message)
    })
  }

  it('refuses a quorum queue that is exclusive, automatically deleted or not durable', () => {
    const refusal = (property: string): string => `invalid property '${property}' for queue 'q' in vhost '/'`
    refuses(() => parseQueueArguments(declaration(QUORUM, { autoDelete: true })), refusal('auto-delete'))
    refuses(() => parseQueueArguments(declaration(QUORUM, { exclusive: true })), refusal('exclusive-owner'))
    refuses(() => parseQueueArguments(declaration(QUORUM, { durable: false })), refusal('non-durable'))
  })

  it('names the namespace that the queue is in', () => {
    refuses(
      () => parseQueueArguments(declaration({ 'x-expires': 0 }, { name: 'a b', namespace: 'shop' })),
      "invalid arg 'x-expires' for queue 'a b' in vhost 'shop': {value_zero,0}",
    )
  })
})

describe('checkSameQueue', () => {
  const existing = (args: Table, rest: Partial<ExistingQueue> = {}): ExistingQueue => ({ ...declaration(args), ...rest })
  const differs = (requested: ExistingQueue, current: ExistingQueue, difference: string): void => {
    const [name, rest] = difference.split('|') as [string, string]
    refuses(() => checkSameQueue(requested, current), `inequivalent arg '${name}' for queue 'q' in vhost '/': ${rest}`)
  }

  it('takes integers of any width as the same, and ignores arguments that nobody knows', () => {
    checkSameQueue(existing({ 'x-message-ttl': field('l', 5), unknown: 1 }), existing({ 'x-message-ttl': field('b', 5) }))
  })

  it('takes no type as classic', () => {
    checkSameQueue(existing({}), existing({ 'x-queue-type': 'classic' }))
    checkSameQueue(existing({ 'x-queue-type': 'classic' }), existing({}))
    differs(existing(QUORUM), existing({}), "x-queue-type|received 'quorum' but current is 'classic'")
    differs(existing({}), existing(QUORUM), "x-queue-type|received 'classic' but current is 'quorum'")
  })

  it('says which property differs', () => {
    differs(existing({}, { durable: false }), existing({}), "durable|received 'false' but current is 'true'")
    differs(existing({}, { autoDelete: true }), existing({}), "auto_delete|received 'true' but current is 'false'")
  })

  it('says which argument differs', () => {
    differs(existing({ 'x-message-ttl': 2 }), existing({ 'x-message-ttl': 1 }), "x-message-ttl|received '2' but current is '1'")
    differs(
      existing({}),
      existing({ 'x-message-ttl': field('l', 1) }),
      "x-message-ttl|received none but current is the value '1' of type 'long'",
    )
    differs(
      existing({ 'x-overflow': 'drop-head' }),
      existing({}),
      "x-overflow|received the value 'drop-head' of type 'longstr' but current is none",
    )
    differs(
      existing({ 'x-single-active-consumer': true }),
      existing({ 'x-single-active-consumer': false }),
      "x-single-active-consumer|received 'true' but current is 'false'",
    )
  })

  it('compares every argument that a queue can have', () => {
    for (const row of QUEUE_SETTINGS.filter((candidate) => candidate.by !== 'policy')) {
      assert.throws(() => checkSameQueue(existing({ [`x-${row.key}`]: 1 }), existing({})), { code: 'PRECONDITION_FAILED' }, row.key)
    }
  })
})

describe('effectiveSettings', () => {
  it('of nothing are the defaults', () => {
    assert.deepEqual(effectiveSettings({}), {
      messageTtlMs: undefined,
      expiresMs: undefined,
      lengthMax: undefined,
      lengthBytesMax: undefined,
      overflow: 'drop-head',
      deadLetterExchange: undefined,
      deadLetterRoutingKey: undefined,
      priorityMax: undefined,
      deliveryLimit: undefined,
      singleActiveConsumer: false,
      redeliveryBackoff: undefined,
      deduplicationWindowMs: undefined,
      orderingKey: undefined,
      consumerTimeoutMs: undefined,
    })
  })

  it('take the smallest time to live, expiry and lengths of arguments, policy and operator policy', () => {
    for (const property of ['messageTtlMs', 'expiresMs', 'lengthMax', 'lengthBytesMax', 'deliveryLimit'] as const) {
      const of = (a?: number, b?: number, c?: number): number | undefined => {
        const values = (value: number | undefined): SettingValues => (value === undefined ? {} : { [property]: value })
        return effectiveSettings(values(a), values(b), values(c))[property]
      }
      assert.deepEqual([of(1, 2, 3), of(2, 1, 3), of(3, 2, 1)], [1, 1, 1])
      assert.deepEqual([of(1), of(undefined, 1), of(undefined, undefined, 1)], [1, 1, 1])
      assert.deepEqual([of(2, 1), of(2, undefined, 1), of(undefined, 2, 1), of(0, 5)], [1, 1, 1, 0])
    }
  })

  it('take any delivery limit before none', () => {
    assert.equal(effectiveSettings({ deliveryLimit: -1 }).deliveryLimit, undefined)
    assert.equal(effectiveSettings({ deliveryLimit: -1 }, { deliveryLimit: 5 }).deliveryLimit, 5)
    assert.equal(effectiveSettings({ deliveryLimit: 7 }, { deliveryLimit: 5 }, { deliveryLimit: -1 }).deliveryLimit, 5)
  })

  it('take everything else from the arguments before the policy', () => {
    const args: SettingValues = { deadLetterExchange: 'a', overflow: 'drop-head', orderingKey: 'a' }
    const policy: SettingValues = { deadLetterExchange: 'p', deadLetterRoutingKey: 'p', overflow: 'reject-publish', orderingKey: 'p' }
    const merged = effectiveSettings(args, policy)
    assert.deepEqual(
      [merged.deadLetterExchange, merged.deadLetterRoutingKey, merged.overflow, merged.orderingKey],
      ['a', 'p', 'drop-head', 'a'],
    )
    assert.equal(effectiveSettings({}, policy, { overflow: 'drop-head' }).overflow, 'drop-head')
  })

  it('back off as far as was set, else twofold up to an hour', () => {
    assert.deepEqual(effectiveSettings({ redeliveryDelayMs: 100 }).redeliveryBackoff, { fromMs: 100, maxMs: 3_600_000, multiplier: 2 })
    const policy: SettingValues = { redeliveryDelayMaxMs: 50, redeliveryDelayMultiplier: 3 }
    assert.deepEqual(effectiveSettings({ redeliveryDelayMs: 100 }, policy).redeliveryBackoff, { fromMs: 100, maxMs: 100, multiplier: 3 })
    assert.equal(effectiveSettings({ redeliveryDelayMs: 0 }).redeliveryBackoff, undefined)
    assert.equal(effectiveSettings({}, policy).redeliveryBackoff, undefined)
  })

  it('ignore priorities when the highest is 0', () => {
    assert.equal(effectiveSettings({ priorityMax: 0 }).priorityMax, undefined)
    assert.equal(effectiveSettings({ priorityMax: 9 }).priorityMax, 9)
  })
})
