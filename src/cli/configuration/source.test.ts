import assert from 'node:assert/strict'
import { test } from 'node:test'
import { flagSource, overlay, parseFileSource, readEnvironmentSource } from './source.ts'

test('a value and a key are found where they stand in the file', async () => {
  const source = await parseFileSource('w.yaml', 'data: x\nlimits:\n  messageSize: 5\n  "quoted": {a: [1, {b: 2}]}\n')
  assert.equal(source.locate(['limits', 'messageSize'], 'key'), 'w.yaml, line 3, column 3')
  assert.equal(source.locate(['limits', 'messageSize'], 'value'), 'w.yaml, line 3, column 16')
  assert.equal(source.locate(['limits', 'quoted', 'a', '1', 'b'], 'value'), 'w.yaml, line 4, column 25')
  assert.equal(source.locate(['limits', 'absent'], 'value'), 'w.yaml, line 3, column 3', 'what is not there: where it would be')
})

test('text that is no YAML is an error with its place', async () => {
  const broken: [string, RegExp][] = [
    ['data: [1, 2\nlog: x', /^w\.yaml, line \d+, column \d+: /],
    ['a: 1\na: 2\n', /^w\.yaml, line 2, column 1: .*unique/],
    ['- just\n- a list\n', /^w\.yaml, line 1, column 1: expected settings/],
    ['a: &a [*b]\n', /^w\.yaml/],
    ['\tdata: x\n', /^w\.yaml, line 1/],
  ]
  for (const [text, message] of broken)
    await assert.rejects(parseFileSource('w.yaml', text), { code: 'CONFIGURATION_INVALID', message }, text)
})

test('an empty file says nothing', async () => {
  for (const text of ['', '# only a comment\n', '---\n', 'null\n']) assert.deepEqual((await parseFileSource('w.yaml', text)).tree, {})
})

test('aliases that multiply are refused instead of filling the memory', async () => {
  const levels = Array.from({ length: 9 }, (_, i) => `l${i + 1}: &l${i + 1} [${Array.from({ length: 9 }, () => `*l${i}`).join(', ')}]`)
  await assert.rejects(parseFileSource('w.yaml', `l0: &l0 [x]\n${levels.join('\n')}\n`), { code: 'CONFIGURATION_INVALID' })
})

test('variables are read as what their setting is', () => {
  const { source, warnings } = readEnvironmentSource({
    PATH: '/bin',
    WAYBILL_CONFIG: 'x.yaml',
    WAYBILL_DATA: '/d',
    WAYBILL_LISTENERS_AMQP: '5672, 0.0.0.0:5673',
    WAYBILL_LIMITS_CONNECTIONS: '50',
    WAYBILL_GUEST: 'false',
    WAYBILL_USERS: '{"shop":{"password":"x"}}',
    WAYBILL_PORT_5672_TCP: 'tcp://10.0.0.1:5672',
  })
  assert.deepEqual(source.tree, {
    data: '/d',
    listeners: { amqp: ['5672', '0.0.0.0:5673'] },
    limits: { connections: 50 },
    guest: false,
    users: { shop: { password: 'x' } },
  })
  assert.equal(source.locate(['limits', 'connections'], 'value'), 'environment variable WAYBILL_LIMITS_CONNECTIONS')
  assert.deepEqual(warnings.length, 1)
  assert.match(warnings[0] ?? '', /WAYBILL_PORT_5672_TCP: there is no such setting/)
})

test('a misspelt variable of a section is an error with a suggestion', () => {
  assert.throws(() => readEnvironmentSource({ WAYBILL_LIMITS_CONECTIONS: '5' }), {
    code: 'CONFIGURATION_INVALID',
    message: 'environment variable WAYBILL_LIMITS_CONECTIONS: there is no such setting; did you mean WAYBILL_LIMITS_CONNECTIONS?',
  })
})

test('later sources win setting by setting', () => {
  const flags = flagSource([{ path: ['limits', 'connections'], flag: '--connections', value: 2 }])
  assert.deepEqual(overlay({ limits: { connections: 1, frameSize: 8 }, data: 'x' }, flags.tree), {
    limits: { connections: 2, frameSize: 8 },
    data: 'x',
  })
  assert.equal(flags.locate(['limits', 'connections'], 'value'), '--connections')
  assert.equal(flags.locate(['data'], 'value'), undefined)
})

test('a key that is called __proto__ changes nothing but itself', async () => {
  const { tree } = await parseFileSource('w.yaml', '__proto__:\n  data: x\n')
  assert.equal((overlay({}, tree) as { data?: unknown }).data, undefined)
  assert.equal(({} as { data?: unknown }).data, undefined)
})
