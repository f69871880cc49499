import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ReplyLine } from './reply-line.ts'

test('answers leave in their order, each not before its change is on the disk', () => {
  const sent: string[] = []
  const line = new ReplyLine((frame) => sent.push(Buffer.from(frame).toString()))
  assert.equal(line.waiting, false)
  for (const [name, position] of [
    ['a', 100],
    ['b', 0],
    ['c', 300],
    ['d', 0],
  ] as const)
    line.add(Buffer.from(name), position)
  line.advance(99)
  assert.deepEqual(sent, [])
  line.advance(100)
  assert.deepEqual(sent, ['a', 'b'])
  assert.equal(line.waiting, true)
  line.advance(1000)
  assert.deepEqual(sent, ['a', 'b', 'c', 'd'])
  assert.equal(line.waiting, false)
})

test('answers that nobody will read are forgotten', () => {
  const line = new ReplyLine(() => assert.fail('nothing is sent'))
  line.add(Buffer.from('a'), 1)
  line.clear()
  line.advance(10)
  assert.equal(line.waiting, false)
})
