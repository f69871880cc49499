import { FRAME, encodeHeader, encodeMethod, frame } from '../../amqp-0-9-1/raw-client.ts'
import { ByteSink } from '../../amqp-0-9-1/wire-value.ts'
import { CaseTable } from '../case-table.ts'
import type { Script, ScriptConnection } from '../script.ts'

/** Frames that are wrong or come at the wrong moment. */
export const frameCases: CaseTable = new CaseTable('frame')

const publishMethod = (queue: string): Buffer => encodeMethod('basic.publish', { 'routing-key': queue })
const empty = Buffer.alloc(0)

const UNKNOWN = { difference: 'The client is told what was wrong; RabbitMQ closes the socket without a word because its reader crashes.' }
const HUGE = { difference: 'A message over the limit is refused at its header, before its body is read.' }
const HEADER = { difference: "The mistake is the client's: 501, not the 541 of a crash in the server." }

async function open(s: Script): Promise<ScriptConnection> {
  const ch = await s.channel()
  await ch.declareQueue('q')
  return ch.connection
}

/** A method frame with ids that nobody knows. */
const unknownMethod = (classId: number, methodId: number): Buffer => new ByteSink().unsigned(classId, 2).unsigned(methodId, 2).finish()

frameCases
  .add('a wrong end octet', async (s) => {
    const c = await open(s)
    c.client.sendBytes(frame(FRAME.method, 1, encodeMethod('basic.qos', {}), 0))
    await c.ended()
  })
  .add('a frame type nobody knows', async (s) => {
    const c = await open(s)
    c.client.sendFrame(5, 1, Buffer.from('xx'))
    await c.ended()
  })
  .add('a frame over frame-max', async (s) => {
    const ch = await s.channel({ frameMax: 4096 })
    await ch.declareQueue('q')
    ch.client.sendFrame(FRAME.method, 1, publishMethod('q'))
    ch.client.sendHeader(1, 5000)
    ch.client.sendFrame(FRAME.body, 1, Buffer.alloc(5000))
    await ch.connection.ended()
  })
  .add('a frame of exactly frame-max', async (s) => {
    const ch = await s.channel({ frameMax: 4096 })
    await ch.declareQueue('q')
    ch.client.sendFrame(FRAME.method, 1, publishMethod('q'))
    ch.client.sendHeader(1, 4088)
    ch.client.sendFrame(FRAME.body, 1, Buffer.alloc(4088))
    await ch.getWhenThere('q', true)
  })
  .add('a frame one byte over frame-max', async (s) => {
    const ch = await s.channel({ frameMax: 4096 })
    await ch.declareQueue('q')
    ch.client.sendFrame(FRAME.method, 1, publishMethod('q'))
    ch.client.sendHeader(1, 4089)
    ch.client.sendFrame(FRAME.body, 1, Buffer.alloc(4089))
    await ch.connection.ended()
  })
  .add('an announced frame of two gigabytes', async (s) => {
    const c = await open(s)
    c.client.sendBytes(new ByteSink().unsigned(FRAME.method, 1).unsigned(1, 2).unsigned(0x7fffffff, 4).finish())
    await c.ended()
  })
  .add(
    'an unknown class',
    async (s) => {
      const c = await open(s)
      c.client.sendFrame(FRAME.method, 1, unknownMethod(99, 10))
      await c.ended()
    },
    UNKNOWN,
  )
  .add(
    'an unknown method of a known class',
    async (s) => {
      const c = await open(s)
      c.client.sendFrame(FRAME.method, 1, unknownMethod(50, 99))
      await c.ended()
    },
    UNKNOWN,
  )
  .add(
    'an unknown class on channel zero',
    async (s) => {
      const c = await open(s)
      c.client.sendFrame(FRAME.method, 0, unknownMethod(99, 10))
      await c.ended()
    },
    UNKNOWN,
  )
  .add('a method cut short', async (s) => {
    const c = await open(s)
    c.client.sendFrame(FRAME.method, 1, encodeMethod('queue.declare', { queue: 'some-name' }).subarray(0, 9))
    await c.ended()
  })
  .add('a method with bytes too many', async (s) => {
    const c = await open(s)
    c.client.sendFrame(FRAME.method, 1, Buffer.concat([encodeMethod('basic.qos', {}), Buffer.from('xx')]))
    await c.ended(1000)
  })
  .add('a method frame without a whole id', async (s) => {
    const c = await open(s)
    c.client.sendFrame(FRAME.method, 1, Buffer.from([0, 50]))
    await c.ended()
  })
  .add('an empty method frame', async (s) => {
    const c = await open(s)
    c.client.sendFrame(FRAME.method, 1, empty)
    await c.ended()
  })
  .add(
    'a table with a field type nobody knows',
    async (s) => {
      const c = await open(s)
      const table = new ByteSink().shortString('x').bytes(Buffer.from('?')).unsigned(1, 4).finish()
      c.client.sendFrame(FRAME.method, 1, declareWithTable(table))
      await c.ended()
    },
    UNKNOWN,
  )
  .add('a table longer than its frame', async (s) => {
    const c = await open(s)
    const method = encodeMethod('queue.declare', { queue: 'q' })
    c.client.sendFrame(FRAME.method, 1, Buffer.concat([method.subarray(0, -4), new ByteSink().unsigned(1000, 4).finish()]))
    await c.ended()
  })
  .add(
    'a table value longer than its table',
    async (s) => {
      const c = await open(s)
      const table = new ByteSink().shortString('x').bytes(Buffer.from('S')).unsigned(1000, 4).finish()
      c.client.sendFrame(FRAME.method, 1, declareWithTable(table))
      await c.ended()
    },
    UNKNOWN,
  )
  .add('a queue name that is not UTF-8', async (s) => {
    const c = await open(s)
    const method = encodeMethod('queue.declare', { queue: 'ab' })
    method[7] = 0xff
    c.client.sendFrame(FRAME.method, 1, method)
    await c.ended(500)
  })
  .add('a body without a header', async (s) => {
    const c = await open(s)
    c.client.sendFrame(FRAME.method, 1, publishMethod('q'))
    c.client.sendFrame(FRAME.body, 1, Buffer.from('body'))
    await c.ended()
  })
  .add('a header without a method', async (s) => {
    const c = await open(s)
    c.client.sendHeader(1, 4)
    await c.ended()
  })
  .add('a body without anything before it', async (s) => {
    const c = await open(s)
    c.client.sendFrame(FRAME.body, 1, Buffer.from('body'))
    await c.ended()
  })
  .add('a method where a header is expected', async (s) => {
    const c = await open(s)
    c.client.sendFrame(FRAME.method, 1, publishMethod('q'))
    c.client.sendMethod(1, 'basic.qos')
    await c.ended()
  })
  .add('a method where a body is expected', async (s) => {
    const c = await open(s)
    c.client.sendFrame(FRAME.method, 1, publishMethod('q'))
    c.client.sendHeader(1, 4)
    c.client.sendMethod(1, 'basic.qos')
    await c.ended()
  })
  .add('a header where a body is expected', async (s) => {
    const c = await open(s)
    c.client.sendFrame(FRAME.method, 1, publishMethod('q'))
    c.client.sendHeader(1, 4)
    c.client.sendHeader(1, 4)
    await c.ended()
  })
  .add('a header of another class', async (s) => {
    const c = await open(s)
    c.client.sendFrame(FRAME.method, 1, publishMethod('q'))
    c.client.sendHeader(1, 4, {}, 50)
    await c.ended()
  })
  .add('more body than announced', async (s) => {
    const c = await open(s)
    c.client.sendFrame(FRAME.method, 1, publishMethod('q'))
    c.client.sendHeader(1, 2)
    c.client.sendFrame(FRAME.body, 1, Buffer.from('four'))
    await c.ended(500)
  })
  .add('a body in many small frames and an empty one', async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('q')
    ch.client.sendFrame(FRAME.method, 1, publishMethod('q'))
    ch.client.sendHeader(1, 4)
    ch.client.sendFrame(FRAME.body, 1, Buffer.from('f'))
    ch.client.sendFrame(FRAME.body, 1, empty)
    ch.client.sendFrame(FRAME.body, 1, Buffer.from('our'))
    await ch.getWhenThere('q', true)
  })
  .add('a message without a body needs no body frame', async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('q')
    ch.publish('', 'q', '')
    await ch.getWhenThere('q', true)
  })
  .add(
    'a huge announced body size',
    async (s) => {
      const c = await open(s)
      c.client.sendFrame(FRAME.method, 1, publishMethod('q'))
      c.client.sendHeader(1, 2n ** 40n)
      await c.ended(1000)
    },
    HUGE,
  )
  .add(
    'property flags with a continuation word',
    async (s) => {
      const c = await open(s)
      c.client.sendFrame(FRAME.method, 1, publishMethod('q'))
      const header = new ByteSink().unsigned(60, 2).unsigned(0, 2).unsigned(0, 8).unsigned(1, 2).unsigned(0, 2).finish()
      c.client.sendFrame(FRAME.header, 1, header)
      await c.ended(500)
    },
    HEADER,
  )
  .add(
    'a header cut short',
    async (s) => {
      const c = await open(s)
      c.client.sendFrame(FRAME.method, 1, publishMethod('q'))
      c.client.sendFrame(FRAME.header, 1, encodeHeader(0, { 'message-id': 'abcdef' }, 60).subarray(0, -3))
      await c.ended(1000)
    },
    HEADER,
  )
  .add('a heartbeat on a channel other than zero', async (s) => {
    const c = await open(s)
    c.client.sendFrame(FRAME.heartbeat, 1, empty)
    await c.ended(500)
  })
  .add('a heartbeat with a payload', async (s) => {
    const c = await open(s)
    c.client.sendFrame(FRAME.heartbeat, 0, Buffer.from('x'))
    await c.ended(500)
  })
  .add('a header on channel zero', async (s) => {
    const c = await open(s)
    c.client.sendHeader(0, 4)
    await c.ended()
  })
  .add('a body on channel zero', async (s) => {
    const c = await open(s)
    c.client.sendFrame(FRAME.body, 0, Buffer.from('body'))
    await c.ended()
  })
  .add('a method that only a server sends', async (s) => {
    const c = await open(s)
    c.client.sendMethod(1, 'queue.declare-ok', { queue: 'q' })
    await c.ended()
  })
  .add('a deliver from a client', async (s) => {
    const c = await open(s)
    c.client.sendMethod(1, 'basic.deliver', { 'consumer-tag': 'tag', 'delivery-tag': 1 })
    await c.ended()
  })
  .add('every property and every field type comes back as it was sent', async (s) => {
    const ch = await s.channel()
    await ch.declareQueue('q')
    ch.client.sendFrame(FRAME.method, 1, publishMethod('q'))
    ch.client.sendFrame(FRAME.header, 1, everyProperty())
    await ch.getWhenThere('q', true)
  })

function declareWithTable(table: Buffer): Buffer {
  const method = encodeMethod('queue.declare', { queue: 'q' })
  return Buffer.concat([method.subarray(0, -4), new ByteSink().longString(table).finish()])
}

function everyProperty(): Buffer {
  const fields = new ByteSink()
  const add = (name: string, type: string, content: Buffer): void => {
    fields.shortString(name).bytes(Buffer.from(type)).bytes(content)
  }
  add('t', 't', Buffer.from([1]))
  add('b', 'b', Buffer.from([0xfb]))
  add('B', 'B', Buffer.from([0xfb]))
  add('s', 's', Buffer.from([0xff, 0xfe]))
  add('u', 'u', Buffer.from([0xff, 0xfe]))
  add('I', 'I', Buffer.from([0xff, 0xff, 0xff, 0xfd]))
  add('i', 'i', Buffer.from([0xff, 0xff, 0xff, 0xfd]))
  add('l', 'l', new ByteSink().unsigned(-4n, 8).finish())
  add('f', 'f', new ByteSink().unsigned(0x3fc00000, 4).finish())
  add('d', 'd', new ByteSink().unsigned(0x3ff8000000000000n, 8).finish())
  add('D', 'D', Buffer.from([2, 0, 0, 1, 0]))
  add('S', 'S', new ByteSink().longString('text').finish())
  add('A', 'A', new ByteSink().longString(new ByteSink().field('a').field(1).finish()).finish())
  add('T', 'T', new ByteSink().unsigned(1_000_000_000, 8).finish())
  add('F', 'F', new ByteSink().table({ inner: { deeper: 'x' } }).finish())
  add('V', 'V', empty)
  add('x', 'x', new ByteSink().longString(Buffer.from([0, 1, 2])).finish())
  const values = new ByteSink().shortString('text/plain').shortString('gzip').longString(fields.finish())
  values.unsigned(2, 1).unsigned(7, 1).shortString('correlation').shortString('reply').shortString('60000').shortString('id-1')
  values.unsigned(1_700_000_000, 8).shortString('OrderCreated').shortString('guest').shortString('app').shortString('cluster')
  return new ByteSink().unsigned(60, 2).unsigned(0, 2).unsigned(0, 8).unsigned(0xfffc, 2).bytes(values.finish()).finish()
}
