/**
 * Random conversations, held with RabbitMQ and with Waybill at the same time. `WAYBILL_SEED=n` tries one seed, `WAYBILL_SEEDS=count` more of them.
 */

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { PeerUnavailable } from '../peers/debian-package.ts'
import { startRabbitmq, type Rabbitmq } from '../peers/rabbitmq.ts'
import { startWaybill, type Waybill } from '../peers/waybill.ts'
import { randomConversation } from './random-conversation.ts'
import { addressOf } from './run.ts'
import { Script } from './script.ts'
import { differences, type Transcript } from './transcript.ts'

const STEP_COUNT = 40
const single = process.env['WAYBILL_SEED']
const seeds =
  single === undefined ? Array.from({ length: Number(process.env['WAYBILL_SEEDS'] ?? 8) }, (_, index) => index + 1) : [Number(single)]

let rabbit: Rabbitmq | PeerUnavailable
let waybill: Waybill | undefined

before(async () => {
  rabbit = await startRabbitmq({ version: '3.10' }).catch((error: unknown) => {
    if (error instanceof PeerUnavailable) return error
    throw error
  })
  if (!(rabbit instanceof PeerUnavailable)) waybill = await startWaybill()
})

after(async () => {
  if (!(rabbit instanceof PeerUnavailable)) await rabbit.stop()
  await waybill?.stop()
})

async function hold(url: string, seed: number): Promise<Transcript> {
  const script = new Script(addressOf(url))
  await randomConversation(script, seed, STEP_COUNT)
  // RabbitMQ 3 does not name the last death yet.
  const plain = (line: string): string => line.replaceAll(/ x-last-death-[a-z]+="[^"]*"/g, '')
  return Object.fromEntries(Object.entries(await script.finish()).map(([stream, lines]) => [stream, lines.map(plain)]))
}

for (const seed of seeds) {
  test(`a random conversation is answered alike: seed ${seed}`, async (t) => {
    if (rabbit instanceof PeerUnavailable || waybill === undefined)
      return t.skip(String(rabbit instanceof PeerUnavailable && rabbit.message))
    const hosts = [rabbit.url, waybill.url] as const
    const compare = async (): Promise<string[]> => {
      const [expected, actual] = await Promise.all(hosts.map(async (url) => await hold(url, seed)))
      return differences(expected ?? {}, actual ?? {})
    }
    // RabbitMQ's dead letters may come later than a busy machine lets the conversation wait for: a seed may have a second try.
    if ((await compare()).length === 0) return
    assert.deepEqual(await compare(), [], `- RabbitMQ, + Waybill, seed ${seed}`)
  })
}
