import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { LIMITS } from '../base/limits.ts'
import { Policy, PolicySet } from './policy.ts'
import type { PolicyDefinition } from './policy.ts'

const definition = (rest: Partial<PolicyDefinition> = {}): PolicyDefinition => ({
  name: 'p',
  pattern: '.*',
  definition: { 'message-ttl': 1000 },
  ...rest,
})

const refuses = (act: () => unknown, message: string): void => assert.throws(act, { code: 'PRECONDITION_FAILED', message })

describe('Policy', () => {
  it('understands every setting of queues and exchanges', () => {
    const policy = new Policy(
      definition({
        definition: {
          'message-ttl': 1,
          expires: 2,
          'max-length': 3,
          'max-length-bytes': 4,
          overflow: 'reject-publish-dlx',
          'dead-letter-exchange': 'dlx',
          'dead-letter-routing-key': 'k',
          'dead-letter-strategy': 'at-least-once',
          'delivery-limit': -1,
          'alternate-exchange': 'other',
          'consumer-timeout': 5,
          'queue-mode': 'lazy',
          'queue-version': 2,
          'queue-leader-locator': 'balanced',
          'redelivery-delay': 6,
          'redelivery-delay-max': 7,
          'redelivery-delay-multiplier': 1.5,
          'deduplication-window': 8,
          'ordering-key': 'customer',
        },
      }),
      'policy',
    )
    assert.deepEqual(policy.settings, {
      messageTtlMs: 1,
      expiresMs: 2,
      lengthMax: 3,
      lengthBytesMax: 4,
      overflow: 'reject-publish-dead-letter',
      deadLetterExchange: 'dlx',
      deadLetterRoutingKey: 'k',
      deliveryLimit: -1,
      consumerTimeoutMs: 5,
      redeliveryDelayMs: 6,
      redeliveryDelayMaxMs: 7,
      redeliveryDelayMultiplier: 1.5,
      deduplicationWindowMs: 8,
      orderingKey: 'customer',
    })
    assert.equal(policy.alternateExchange, 'other')
  })

  it('may give a routing key without naming the dead letter exchange: that may be an argument', () => {
    assert.deepEqual(new Policy(definition({ definition: { 'dead-letter-routing-key': 'k' } }), 'policy').settings, {
      deadLetterRoutingKey: 'k',
    })
  })

  it('survives being recorded as JSON', () => {
    const policy = new Policy(definition({ applyTo: 'queues', priority: -3 }), 'policy')
    const again = new Policy(JSON.parse(JSON.stringify(policy)) as PolicyDefinition, 'policy')
    assert.deepEqual(again.toJSON(), policy.toJSON())
    assert.deepEqual(again.settings, policy.settings)
  })

  const refused: [Partial<PolicyDefinition>, string][] = [
    [{ definition: { 'message-ttl': -1 } }, "policy 'p': -1 is not a valid message TTL"],
    [{ definition: { 'message-ttl': '5' } }, `policy 'p': <<"5">> is not a valid message TTL`],
    [
      { definition: { 'message-ttl': { tag: 'I', raw: null, value: 'x' } } },
      `policy 'p': {"tag":"I","raw":null,"value":"x"} is not a valid message TTL`,
    ],
    [{ definition: { 'max-length': 1.5 } }, "policy 'p': 1.5 is not a valid maximum length"],
    [{ definition: { expires: 0 } }, "policy 'p': 0 is not a valid queue expiry"],
    [{ definition: { overflow: 'explode' } }, `policy 'p': <<"explode">> is not a valid overflow value`],
    [{ definition: { 'alternate-exchange': 1 } }, "policy 'p': 1 is not a valid alternate exchange name"],
    [{ definition: { 'max-priority': 5 } }, `policy 'p': [{<<"max-priority">>,5}] are not recognised policy settings`],
    [{ definition: { 'ha-mode': 'all' } }, `policy 'p': [{<<"ha-mode">>,<<"all">>}] are not recognised policy settings`],
    [{ definition: {} }, "policy 'p': no policy provided"],
    [{ priority: 1.5 }, "policy 'p': the priority must be an integer"],
    [
      { applyTo: 'everything' },
      "apply-to 'everything' unrecognised; should be one of: 'queues', 'classic_queues', 'quorum_queues', 'streams', 'exchanges', or 'all'",
    ],
    [{ pattern: '(' }, 'the pattern ( has a missing ) at character 2, which is not offered'],
  ]
  for (const [rest, message] of refused) {
    it(`is refused: ${message}`, () => refuses(() => new Policy(definition(rest), 'policy'), message))
  }

  it('of an operator sets limits and nothing else', () => {
    const limits = { expires: 1, 'message-ttl': 1, 'max-length': 1, 'max-length-bytes': 1, 'delivery-limit': 1, overflow: 'drop-head' }
    assert.equal(new Policy(definition({ definition: limits }), 'operator').settings.deliveryLimit, 1)
    for (const key of ['dead-letter-exchange', 'alternate-exchange', 'ordering-key']) {
      assert.throws(() => new Policy(definition({ definition: { [key]: 'x' } }), 'operator'), /not recognised policy settings/, key)
    }
  })

  it('applies to what it says', () => {
    const applied = (applyTo: string): boolean[] => {
      const policy = new Policy(definition({ pattern: '^orders', applyTo }), 'policy')
      assert.equal(policy.appliesToQueue('payments', 'classic') || policy.appliesToExchange('payments'), false)
      return [policy.appliesToQueue('orders', 'classic'), policy.appliesToQueue('orders', 'quorum'), policy.appliesToExchange('orders')]
    }
    assert.deepEqual(applied('all'), [true, true, true])
    assert.deepEqual(applied('queues'), [true, true, false])
    assert.deepEqual(applied('classic_queues'), [true, false, false])
    assert.deepEqual(applied('quorum_queues'), [false, true, false])
    assert.deepEqual(applied('exchanges'), [false, false, true])
    assert.deepEqual(applied('streams'), [false, false, false])
  })
})

describe('PolicySet', () => {
  it('has the matching policy of the highest priority in force, of equal ones the first by name', () => {
    const set = new PolicySet('policy')
    set.set(definition({ name: 'low' }))
    set.set(definition({ name: 'b', pattern: '^a', priority: 5 }))
    set.set(definition({ name: 'a', pattern: '^a', priority: 5, applyTo: 'exchanges' }))
    set.set(definition({ name: 'none', pattern: '^z', priority: 9 }))
    assert.equal(set.forQueue('abc', 'classic')?.name, 'b')
    assert.equal(set.forExchange('abc')?.name, 'a')
    assert.equal(set.forQueue('xyz', 'quorum')?.name, 'low')
    assert.deepEqual(
      set.policies.map((policy) => policy.name),
      ['none', 'a', 'b', 'low'],
    )
    assert.equal(set.delete('low'), true)
    assert.equal(set.delete('low'), false)
    assert.equal(set.forQueue('xyz', 'quorum'), undefined)
  })

  it('replaces a policy of the same name, and keeps it when the new one is not valid', () => {
    const set = new PolicySet('operator')
    set.set(definition({ pattern: '^a' }))
    assert.throws(() => set.set(definition({ pattern: '(' })), { code: 'PRECONDITION_FAILED' })
    assert.equal(set.forQueue('a', 'classic')?.pattern, '^a')
    set.set(definition({ pattern: '^b' }))
    assert.equal(set.policies.length, 1)
    assert.equal(set.forQueue('a', 'classic'), undefined)
  })

  it('is bounded', () => {
    const set = new PolicySet('policy')
    for (let i = 0; i < LIMITS.policiesPerNamespaceMax; i++) set.set(definition({ name: `p${i}` }))
    assert.throws(() => set.set(definition({ name: 'one more' })), { code: 'RESOURCE_ERROR' })
    set.set(definition({ name: 'p0', priority: 1 }))
  })
})
