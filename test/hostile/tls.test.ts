/** Strangers at a TLS listener: they say nothing, or what is no TLS; users get in all the time. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { PROTOCOL_HEADER } from '../amqp-0-9-1/raw-client.ts'
import { sparePort } from '../peers/spare-port.ts'
import { Siege } from './siege.ts'

/** More than the server takes through a handshake at the same time. */
const STRANGERS = 1_200
const folder = mkdtempSync(join(tmpdir(), 'waybill-hostile-tls-'))
after(() => rmSync(folder, { recursive: true }))
const [certificate, key] = [join(folder, 'server.crt'), join(folder, 'server.key')]
const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost']
execFileSync('openssl', [...request, '-keyout', key, '-out', certificate], { stdio: 'pipe' })

const port = await sparePort()
const siege = Siege.forFile({ listeners: { amqps: [`127.0.0.1:${port}`] }, tls: { certificate, key } })

/** Connects as a user does. @returns how long it took until the server spoke AMQP */
async function greetedMs(): Promise<number> {
  const startMs = performance.now()
  await new Promise<void>((resolve, reject) => {
    const socket = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false })
    const give = (error: Error): void => {
      socket.destroy()
      reject(error)
    }
    const timer = setTimeout(() => give(new Error('a user is kept out')), 9_000)
    socket.on('error', give)
    socket.on('secureConnect', () => socket.write(PROTOCOL_HEADER))
    socket.on('data', () => {
      clearTimeout(timer)
      socket.destroy()
      resolve()
    })
  })
  return performance.now() - startMs
}

/** Strangers who send this and no more. */
async function strangers(count: number, bytes: Buffer): Promise<Socket[]> {
  const arrivals = Array.from(
    { length: count },
    async () =>
      await new Promise<Socket>((resolve) => {
        const socket = connect({ host: '127.0.0.1', port })
        socket.on('error', () => undefined)
        socket.on('close', () => resolve(socket))
        socket.on('connect', () => {
          socket.write(bytes)
          resolve(socket)
        })
        socket.resume()
      }),
  )
  return await Promise.all(arrivals)
}

const OPENINGS: readonly (readonly [name: string, bytes: Buffer])[] = [
  ['say nothing', Buffer.alloc(0)],
  ['begin a handshake and fall silent', Buffer.from('16030100c8010000c40303', 'hex')],
  ['announce a record of 64 KiB', Buffer.from('160301ffff', 'hex')],
  ['speak AMQP without TLS', PROTOCOL_HEADER],
]

for (const [name, bytes] of OPENINGS) {
  test(`lets users in while ${STRANGERS} strangers ${name}`, async () => {
    await siege().withstand(
      async () => {
        const sockets = await strangers(STRANGERS, bytes)
        assert.ok((await greetedMs()) < 9_000)
        for (const socket of sockets) socket.destroy()
      },
      { peakGrowthSizeBytes: 300 * 2 ** 20, growthSizeBytes: 250 * 2 ** 20 },
    )
  })
}
