import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AmqpWorld } from './amqp-world.ts'

const REPLY_TO = 'amq.rabbitmq.reply-to'

async function requesterAndResponder() {
  const world = await AmqpWorld.start()
  const requester = await world.client()
  const responder = await world.client()
  await responder.call('queue.declare', { queue: 'requests' })
  await responder.call('basic.consume', { queue: 'requests', 'consumer-tag': 'server', 'no-ack': true })
  await requester.call('basic.consume', { queue: REPLY_TO, 'consumer-tag': 'replies', 'no-ack': true })
  requester.publish('requests', 'question', { 'reply-to': REPLY_TO, 'correlation-id': '7' })
  await requester.settle()
  const request = responder.take()[0]
  const address = request?.properties?.['reply-to'] as string
  return { world, requester, responder, address, request }
}

test('an answer goes straight to the channel that asked, and is confirmed to the one that answers', async () => {
  const { requester, responder, address, request } = await requesterAndResponder()
  assert.match(address, /^amq\.rabbitmq\.reply-to\../)
  assert.equal(request?.properties?.['correlation-id'], '7')
  await responder.call('confirm.select')
  responder.publish(address, 'answer', { 'correlation-id': '7' })
  responder.publish('requests', 'not a reply')
  responder.publish(address, 'another')
  const confirms = (await responder.settle()).filter((line) => line !== 'basic.deliver server 2 not a reply')
  assert.deepEqual(confirms, ['basic.ack 1', 'basic.ack 2', 'basic.ack 3'])
  assert.deepEqual(await requester.settle(), ['basic.deliver replies 1 answer', 'basic.deliver replies 2 another'])
})

test('an answer to somebody who is gone is dropped, and given back when it is mandatory', async () => {
  const { requester, responder, address } = await requesterAndResponder()
  await requester.call('basic.cancel', { 'consumer-tag': 'replies' })
  responder.publish(address, 'dropped')
  responder.publish(address, 'given back', {}, { mandatory: true })
  assert.deepEqual(await responder.settle(), ['basic.return 312 NO_ROUTE given back'])
})

test('an answer in a transaction leaves with its commit, or not at all', async () => {
  const { requester, responder, address } = await requesterAndResponder()
  await responder.call('tx.select')
  responder.publish(address, 'taken back')
  await responder.call('tx.rollback')
  responder.publish(address, 'committed')
  await responder.settle()
  assert.deepEqual(await requester.settle(), [])
  assert.deepEqual(await responder.call('tx.commit'), ['tx.commit-ok'])
  assert.deepEqual(await requester.settle(), ['basic.deliver replies 1 committed'])
})

test('an address dies with its channel', async () => {
  const { world, requester, responder, address } = await requesterAndResponder()
  assert.deepEqual(await responder.call('queue.declare', { queue: address, passive: true }), ['queue.declare-ok'])
  requester.raw.destroy()
  await world.settle()
  const lines = await responder.call('queue.declare', { queue: address, passive: true })
  assert.equal(lines[0], `channel.close 404 NOT_FOUND - no queue '${address}' in vhost '/'`)
})
