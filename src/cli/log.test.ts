import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLog, formatLine } from './log.ts'

test('a JSON line becomes a line for people, with its fields', () => {
  const line = JSON.stringify({
    level: 'info',
    time: '2026-03-16T16:30:00.000Z',
    msg: 'login',
    user: 'shop',
    reason: 'two words',
    count: 3,
  })
  assert.equal(formatLine(line), '2026-03-16T16:30:00.000Z info  login user=shop reason="two words" count=3\n')
})

test('what a peer sends cannot forge a line or steer a terminal', () => {
  const lines: string[] = []
  const log = createLog('info', 'text', { write: (text) => lines.push(text) })
  log.info({ user: 'x\n2026 info forged', queue: '\u001b[2J' }, 'refused\u001b]0;title')
  assert.equal(lines.length, 1)
  assert.doesNotMatch((lines[0] as string).slice(0, -1), /[\p{Cc}]/u)
})

test('the level decides what is written, and JSON stays JSON', () => {
  const lines: string[] = []
  const log = createLog('warn', 'json', { write: (text) => lines.push(text) })
  log.info('quiet')
  log.warn({ err: new Error('why') }, 'loud')
  assert.equal(lines.length, 1)
  const parsed = JSON.parse(lines[0] as string) as { level: string; msg: string; err: { stack: string } }
  assert.equal(parsed.level, 'warn')
  assert.equal(parsed.msg, 'loud')
  assert.match(parsed.err.stack, /why/)
})
