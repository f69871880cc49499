import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { connect, type Channel, type ChannelModel } from 'amqplib'
import { PeerUnavailable } from '../peers/debian-package.ts'
import { startRabbitmq } from '../peers/rabbitmq.ts'
import { startWaybill } from '../peers/waybill.ts'
import { COMMAND, startWaybillCommand, temporaryFolder, waybill } from './command.ts'

interface Broker {
  readonly url: string
  stop(): Promise<void>
}

const ORDERS = ['{"orderId":1,"totalAmount":1500000.00}', '{"orderId":2}', '{"orderId":3,"text":"línea"}']

/** The same promises on any server. */
function promises(name: string, start: () => Promise<Broker>): void {
  void describe(name, () => {
    let broker: Broker | undefined
    let unavailable: string | undefined
    let connection: ChannelModel | undefined
    let channel: Channel
    let url = ''

    before(async () => {
      try {
        broker = await start()
      } catch (error) {
        if (!(error instanceof PeerUnavailable)) throw error
        unavailable = error.message
        return
      }
      url = broker.url
      connection = await connect(url)
      channel = await connection.createChannel()
    })
    after(async () => {
      await connection?.close()
      await broker?.stop()
    })

    const promise = (title: string, work: (queue: string, folder: string) => Promise<void>): void => {
      void test(title, async (t) => {
        if (unavailable !== undefined) {
          t.skip(unavailable)
          return
        }
        const queue = `q ${title.slice(0, 40)}`
        await channel.assertQueue(queue, { durable: true })
        await work(queue, temporaryFolder(t))
      })
    }

    promise('JSON lines arrive in order, byte by byte, with their properties', async (queue) => {
      const sent = await waybill(['publish', '--url', url, '--key', queue, '--type', 'OrderCreated', '--header', 'shop=web'], {
        input: `${ORDERS.join('\r\n')}\n\n`,
      })
      assert.equal(sent.code, 0, sent.stderr)
      assert.match(sent.stderr, /^waybill: 3 confirmed in /)
      for (const order of ORDERS) {
        const message = await channel.get(queue, { noAck: true })
        assert.ok(message !== false)
        assert.equal(message.content.toString(), order)
        const { type, contentType, deliveryMode, headers, messageId } = message.properties as unknown as Record<string, unknown>
        assert.deepEqual(
          { type, contentType, deliveryMode, headers },
          { type: 'OrderCreated', contentType: 'application/json', deliveryMode: 2, headers: { shop: 'web' } },
        )
        assert.match(String(messageId), /^[0-9a-f-]{36}$/)
      }
    })

    promise('what is consumed is the text that was published, and is gone from the queue', async (queue) => {
      await waybill(['publish', '--key', queue], { input: ORDERS.join('\n'), env: { WAYBILL_URL: url } })
      const taken = await waybill(['consume', '--queue', queue, '--count', '2'], { env: { WAYBILL_URL: url } })
      assert.equal(taken.code, 0, taken.stderr)
      const lines = taken.stdout.trimEnd().split('\n')
      assert.equal(lines.length, 2)
      assert.ok(lines[0]?.includes('"body":{"orderId":1,"totalAmount":1500000.00}'), lines[0])
      assert.equal((JSON.parse(lines[1] as string) as { routingKey: string }).routingKey, queue)
      assert.equal((await channel.checkQueue(queue)).messageCount, 1)
    })

    promise('looking without acknowledging leaves everything in the queue', async (queue) => {
      await waybill(['publish', '--url', url, '--key', queue], { input: ORDERS.join('\n') })
      for (let i = 0; i < 2; i++) {
        const looked = await waybill(['consume', '--url', url, '--queue', queue, '--no-ack', '--idle', '500ms', '--format', 'raw'])
        assert.equal(looked.stdout, `${ORDERS.join('\n')}\n`)
      }
      assert.equal((await channel.checkQueue(queue)).messageCount, 3)
    })

    promise('a line that is no JSON stops with its number, or is passed over', async (queue) => {
      const input = `${ORDERS[0]}\nnot JSON\n${ORDERS[1]}\n`
      const stopped = await waybill(['publish', '--url', url, '--key', queue], { input })
      assert.equal(stopped.code, 65)
      assert.match(stopped.stderr, /^waybill: line 2: expected one JSON value: .*\nwaybill: 1 confirmed, 1 bad in /)
      const skipped = await waybill(['publish', '--url', url, '--key', queue, '--on-error', 'skip'], { input })
      assert.equal(skipped.code, 1)
      assert.match(skipped.stderr, /2 confirmed, 1 bad/)
      const rest = await waybill(['publish', '--url', url, '--key', queue, '--from-line', '3'], { input })
      assert.match(rest.stderr, /^waybill: 1 confirmed/)
      assert.equal((await channel.checkQueue(queue)).messageCount, 4)
    })

    promise('raw input is one message, each file is one message', async (queue, folder) => {
      const bytes = Buffer.from([0, 1, 2, 255, 10, 13, 10])
      assert.equal((await waybill(['publish', '--url', url, '--key', queue, '--raw'], { input: bytes })).code, 0)
      writeFileSync(join(folder, 'a.json'), '{"a": 1}')
      writeFileSync(join(folder, 'b.txt'), 'text')
      const files = await waybill(['publish', '--url', url, '--key', queue, '--on-error', 'skip', '--file', 'a.json', 'absent', 'b.txt'], {
        folder,
      })
      assert.equal(files.code, 1)
      assert.match(files.stderr, /^waybill: absent: cannot be read: .*\nwaybill: 2 confirmed, 1 bad/)
      const output = join(folder, 'output')
      const taken = await waybill(['consume', '--url', url, '--queue', queue, '--count', '3', '--output', output])
      assert.equal(taken.code, 0, taken.stderr)
      assert.deepEqual(
        readdirSync(output).filter((name) => !name.includes('properties')),
        ['000001.bin', '000002.json', '000003.txt'],
      )
      assert.deepEqual(readFileSync(join(output, '000001.bin')), bytes)
      assert.equal(readFileSync(join(output, '000002.json'), 'utf8'), '{"a": 1}')
    })

    promise('files are never overwritten, and what could not be written stays in the queue', async (queue, folder) => {
      await waybill(['publish', '--url', url, '--key', queue], { input: '1\n2\n' })
      writeFileSync(join(folder, '000007.json'), 'old')
      await waybill(['consume', '--url', url, '--queue', queue, '--count', '1', '--output', folder])
      assert.equal(readFileSync(join(folder, '000008.json'), 'utf8'), '1')
      writeFileSync(join(folder, 'file'), '')
      const failed = await waybill(['consume', '--url', url, '--queue', queue, '--count', '1', '--output', join(folder, 'file')])
      assert.equal(failed.code, 74)
      assert.match(failed.stderr, /waybill: .*file cannot be written: /)
      assert.equal((await channel.checkQueue(queue)).messageCount, 1)
    })

    promise('a message that no queue takes is told of, and is no error', async () => {
      const result = await waybill(['publish', '--url', url, '--key', 'nowhere'], { input: '1\n2\n' })
      assert.equal(result.code, 0)
      assert.match(result.stderr, /2 confirmed, 2 of them taken by no queue/)
    })

    promise('a message that no queue takes is an error when it is mandatory', async () => {
      const result = await waybill(['publish', '--url', url, '--key', 'nowhere', '--mandatory'], { input: '1\n' })
      assert.equal(result.code, 1)
      assert.match(result.stderr, /^waybill: line 1: returned by the server: NO_ROUTE/)
      assert.equal((await waybill(['publish', '--url', url, '--key', 'nowhere'], { input: '1\n' })).code, 0)
    })

    promise('an exchange or queue that does not exist is a sentence and exit code 69', async () => {
      const sent = await waybill(['publish', '--url', url, '--exchange', 'absent'], { input: '1\n' })
      assert.equal(sent.code, 69, sent.stderr)
      assert.match(sent.stderr, /no exchange 'absent'/)
      assert.match(sent.stderr, /--from-line 1 goes on there/)
      const taken = await waybill(['consume', '--url', url, '--queue', 'absent'])
      assert.equal(taken.code, 69, taken.stderr)
      assert.match(taken.stderr, /no queue 'absent'/)
    })

    promise('SIGINT ends a consumer with 0, and what was not written goes back', async (queue) => {
      const consumer = startWaybillCommand(['consume', '--url', url, '--queue', queue])
      await waybill(['publish', '--url', url, '--key', queue], { input: ORDERS.join('\n') })
      await consumer.waitFor(/"orderId":3/, 20_000)
      process.kill(consumer.pid, 'SIGINT')
      assert.equal(await consumer.ended, 0, consumer.output())
      assert.match(consumer.output(), /waybill: 3 messages taken/)
      assert.equal((await channel.checkQueue(queue)).messageCount, 0)
    })

    promise('a reader that has seen enough ends the consumer, and what it did not see stays', async (queue) => {
      await waybill(['publish', '--url', url, '--key', queue], {
        input: Array.from({ length: 500 }, (_, i) => `{"i":${i},"fill":"${'x'.repeat(4_000)}"}`).join('\n'),
      })
      const child = spawn(process.execPath, [...COMMAND, 'consume', '--url', url, '--queue', queue], {
        stdio: ['ignore', 'pipe', 'ignore'],
      })
      for await (const chunk of child.stdout) if (String(chunk).includes('"i":0')) break
      const [code] = (await once(child, 'exit')) as [number | null]
      assert.equal(code, 0)
      // The pipe and both ends buffer a part. RabbitMQ takes a moment to put back what was not acknowledged.
      let leftCount = 0
      for (let i = 0; i < 100 && leftCount === 0; i++) ({ messageCount: leftCount } = await channel.checkQueue(queue))
      assert.ok(leftCount > 0 && leftCount < 500, `${leftCount} are left`)
    })

    promise('lines that come slowly are published as they come', async (queue) => {
      const child = spawn(process.execPath, [...COMMAND, 'publish', '--url', url, '--key', queue], { stdio: ['pipe', 'ignore', 'pipe'] })
      const ended = once(child, 'exit')
      let said = ''
      child.stderr.on('data', (chunk) => (said += String(chunk)))
      for (let i = 0; i < 3; i++) {
        child.stdin.write(`${ORDERS[i]}\n`)
        const arrived = async (): Promise<boolean> => child.exitCode !== null || (await channel.checkQueue(queue)).messageCount === i + 1
        while (!(await arrived())) await new Promise((resolve) => setTimeout(resolve, 5))
      }
      child.stdin.end()
      assert.deepEqual(await ended, [0, null], said)
    })

    promise('twenty thousand lines with a small window all arrive, in order', async (queue) => {
      const input = Array.from({ length: 20_000 }, (_, i) => `{"i":${i}}`).join('\n')
      const sent = await waybill(['publish', '--url', url, '--key', queue, '--window', '200', '--no-persistent'], { input })
      assert.equal(sent.code, 0, sent.stderr)
      const taken = await waybill(['consume', '--url', url, '--queue', queue, '--count', '20000', '--format', 'raw'])
      assert.equal(taken.stdout, `${input}\n`)
    })
  })
}

promises('Waybill', startWaybill)
promises('RabbitMQ', () => startRabbitmq({ version: '3.10' }))

test('nobody at the address, a wrong address and a wrong flag are sentences with their exit codes', async () => {
  const nobody = await waybill(['publish', '--url', 'amqp://user:secret@127.0.0.1:1/x'], { input: '1' })
  assert.equal(nobody.code, 69)
  assert.match(nobody.stderr, /^waybill: cannot connect to amqp:\/\/user@127\.0\.0\.1:1\/x: nobody listens there\. /)
  assert.equal((await waybill(['consume', '--url', 'localhost', '--queue', 'q'])).code, 65)
  assert.equal((await waybill(['consume', '--queue', 'q', '--count', 'many'])).code, 65)
  assert.equal((await waybill(['consume'])).code, 64)
  assert.equal((await waybill(['publish', '--colour', 'red'])).code, 64)
})
