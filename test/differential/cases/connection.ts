import { PROTOCOL_HEADER } from '../../amqp-0-9-1/raw-client.ts'
import { ByteSink } from '../../amqp-0-9-1/wire-value.ts'
import { CaseTable } from '../case-table.ts'
import { text, textArgument } from '../transcript.ts'

/** Negotiation, authentication, opening and closing of connections. */
export const connectionCases: CaseTable = new CaseTable('connection')

connectionCases
  .add('start announces version 0-9, the mechanisms, the locale and the capabilities', async (s) => {
    const c = await s.raw()
    c.client.sendBytes(PROTOCOL_HEADER)
    const start = await c.receive('connection.start')
    const given = start?.arguments ?? {}
    const server = given['server-properties'] as Record<string, unknown>
    s.note(`version ${text(given['version-major'])}-${text(given['version-minor'])}`)
    s.note(
      `mechanisms ${textArgument(given, 'mechanisms')
        .split(' ')
        .filter((name) => name !== 'EXTERNAL')
        .sort()
        .join(' ')}`,
    )
    s.note(`locales ${text(given['locales'])}`)
    s.note(`capabilities ${text(server['capabilities'])}`)
    c.client.destroy()
    c.hide()
  })
  .add(
    'a protocol header of AMQP 0-8 is answered with the one that is spoken',
    async (s) => {
      const c = await s.raw()
      c.client.sendBytes(Buffer.from('AMQP\x01\x01\x08\x00', 'latin1'))
      await c.ended()
    },
    { difference: 'AMQP 0-8 is not spoken.' },
  )
  .add('another protocol is answered with the header that is spoken', async (s) => {
    const c = await s.raw()
    c.client.sendBytes(Buffer.from('GET / HTTP/1.1\r\n\r\n', 'latin1'))
    await c.ended()
  })
  .add('AMQP with another revision is answered with the header that is spoken', async (s) => {
    const c = await s.raw()
    c.client.sendBytes(Buffer.from('AMQP\0\0\x09\x02', 'latin1'))
    await c.ended()
  })
  .add('AMQP 1.0 is answered with the header that is spoken', async (s) => {
    const c = await s.raw()
    c.client.sendBytes(Buffer.from('AMQP\0\x01\0\0', 'latin1'))
    await c.ended()
  })
  .add('tune proposes channel-max, frame-max and heartbeat', async (s) => {
    const c = await s.raw()
    c.client.sendBytes(PROTOCOL_HEADER)
    await c.receive('connection.start')
    c.login()
    const tune = await c.receive('connection.tune')
    s.note(`tune ${text(tune?.arguments['channel-max'])} ${text(tune?.arguments['frame-max'])} ${text(tune?.arguments['heartbeat'])}`)
    c.client.destroy()
    c.hide()
  })
  .add('PLAIN with a wrong password closes the connection with 403 when the client understands it', async (s) => {
    await s.connect({ password: 'wrong' })
  })
  .add('PLAIN with an unknown user closes the connection with 403', async (s) => {
    await s.connect({ user: 'nobody-here' })
  })
  .add('PLAIN with a wrong password only closes the socket when the client did not announce authentication_failure_close', async (s) => {
    await s.connect({ password: 'wrong', capabilities: {} })
  })
  .add('a malformed PLAIN response is refused', async (s) => {
    await s.connect({ response: 'guest' })
  })
  .add('an empty PLAIN response is refused', async (s) => {
    await s.connect({ response: '' })
  })
  .add('PLAIN with an authorisation identity is accepted', async (s) => {
    const c = await s.connect({ response: `other\0${s.address.user}\0${s.address.password}` })
    await c.channel()
    s.note(c.isOpen ? 'open' : 'refused')
  })
  .add('AMQPLAIN logs in', async (s) => {
    const c = await s.connect({ mechanism: 'AMQPLAIN', response: amqPlain(s.address.user, s.address.password) })
    s.note(c.isOpen ? 'open' : 'refused')
  })
  .add('AMQPLAIN with a wrong password is refused', async (s) => {
    await s.connect({ mechanism: 'AMQPLAIN', response: amqPlain(s.address.user, 'wrong') })
  })
  .add('AMQPLAIN without a password is refused', async (s) => {
    await s.connect({ mechanism: 'AMQPLAIN', response: new ByteSink().shortString('LOGIN').field(s.address.user).finish() })
  })
  .add('an unknown mechanism is refused', async (s) => {
    await s.connect({ mechanism: 'SCRAM-SHA-512' })
  })
  .add('an unknown virtual host is refused', async (s) => {
    await s.connect({ virtualHost: 'nowhere' })
  })
  .add('an empty virtual host name is refused', async (s) => {
    await s.connect({ virtualHost: '' })
  })
  .add('tune-ok with a larger channel-max than proposed is refused', async (s) => {
    await s.connect({ channelMax: 65_535 })
  })
  .add('tune-ok with channel-max zero takes the proposed one', async (s) => {
    const c = await s.connect({ channelMax: 0 })
    await c.channel(2047)
    s.note(c.isOpen ? 'open' : 'refused')
  })
  .add('tune-ok with a larger frame-max than proposed is refused', async (s) => {
    await s.connect({ frameMax: 1 << 20 })
  })
  .add('tune-ok with a frame-max under 4096 is refused', async (s) => {
    await s.connect({ frameMax: 4095 })
  })
  .add('tune-ok with frame-max 4096 is accepted and holds for deliveries', async (s) => {
    const ch = await s.channel({ frameMax: 4096 })
    await ch.declareQueue('q')
    ch.publish('', 'q', 'x'.repeat(10_000))
    await ch.getWhenThere('q', true)
  })
  .add('tune-ok with frame-max zero is unlimited or as proposed', async (s) => {
    const ch = await s.channel({ frameMax: 0 })
    await ch.declareQueue('q')
    s.note(ch.isOpen ? 'open' : 'refused')
  })
  .add('one channel more than the negotiated channel-max is refused', async (s) => {
    const c = await s.connect({ channelMax: 2 })
    await c.channel(1)
    await c.channel(2)
    await c.channel(3)
    await c.ended()
  })
  .add('channel-max is a number of channels, not the highest channel number', async (s) => {
    const c = await s.connect({ channelMax: 2 })
    await c.unopened(9).call('channel.open')
  })
  .add('start-ok twice is out of place', async (s) => {
    const c = await s.raw()
    c.client.sendBytes(PROTOCOL_HEADER)
    await c.receive('connection.start')
    c.login()
    await c.receive('connection.tune')
    c.login()
    await c.ended()
    c.hideFirst(2)
  })
  .add('open before tune-ok is out of place', async (s) => {
    const c = await s.raw()
    c.client.sendBytes(PROTOCOL_HEADER)
    await c.receive('connection.start')
    c.login()
    await c.receive('connection.tune')
    c.client.sendMethod(0, 'connection.open', { 'virtual-host': '/' })
    await c.ended()
    c.hideFirst(2)
  })
  .add('a channel opened before the connection is open is out of place', async (s) => {
    const c = await s.raw()
    c.client.sendBytes(PROTOCOL_HEADER)
    await c.receive('connection.start')
    c.client.sendMethod(1, 'channel.open')
    await c.ended()
    c.hideFirst(1)
  })
  .add('open twice is out of place', async (s) => {
    const c = await s.connect()
    await c.call('connection.open', { 'virtual-host': '/' })
    await c.ended()
  })
  .add('close is answered and ends the socket', async (s) => {
    const c = await s.connect()
    await c.channel()
    await c.close()
  })
  .add('close before open is answered', async (s) => {
    const c = await s.raw()
    c.client.sendBytes(PROTOCOL_HEADER)
    await c.receive('connection.start')
    c.login()
    const tune = await c.receive('connection.tune')
    if (tune !== undefined) c.tuneOk(tune)
    await c.call('connection.close', { 'reply-code': 200, 'reply-text': 'bye' })
    await c.ended()
    c.hideFirst(2)
  })
  .add('update-secret is answered', async (s) => {
    const c = await s.connect()
    await c.call('connection.update-secret', { 'new-secret': 'guest', reason: 'rotation' })
    await c.channel()
    s.note(c.isOpen ? 'open' : 'closed')
  })
  .add('update-secret takes any secret from a user with a password', async (s) => {
    const c = await s.connect()
    await c.call('connection.update-secret', { 'new-secret': 'something else', reason: 'rotation' })
    const ch = await c.channel()
    await ch.declareQueue('q')
  })
  .add('a close-ok that nobody asked for', async (s) => {
    const c = await s.connect()
    c.client.sendMethod(0, 'connection.close-ok')
    await c.ended()
  })
  .add('heartbeats come when they are negotiated', async (s) => {
    const c = await s.connect({ heartbeat: 1 })
    await c.client.until(() => c.client.heartbeats >= 2, 4000)
    s.note(c.client.heartbeats >= 2 ? 'heartbeats came' : 'no heartbeats')
  })
  .add('a client that stays silent for two heartbeats is dropped', async (s) => {
    const c = await s.connect({ heartbeat: 1 })
    await c.ended(6000)
  })
  .add('an exclusive queue goes when its connection closes', async (s) => {
    const first = await s.channel()
    await first.declareQueue('exclusive-q', {}, { exclusive: true })
    await first.connection.close()
    const second = await s.channel()
    await second.call('queue.declare', { queue: 'exclusive-q', passive: true })
  })

function amqPlain(user: string, password: string): Buffer {
  return new ByteSink().shortString('LOGIN').field(user).shortString('PASSWORD').field(password).finish()
}
