/**
 * Runs cases against one server and prints what it answers:
 *
 *     node test/differential/main.ts --url amqp://guest:guest@127.0.0.1:5672 [--case TEXT]
 *     node test/differential/main.ts --rabbitmq 3.10 [--case TEXT] [--record]
 *
 * `--case` chooses the cases whose names contain the text. With `--rabbitmq VERSION` a private server is started for it, and with
 * `--record` its transcripts are written to recorded/. `--compare FILE` prints only where the server differs from a recording.
 */

import { parseArgs } from 'node:util'
import { startRabbitmq, type RabbitmqVersion } from '../peers/rabbitmq.ts'
import { ALL_CASES } from './cases/all.ts'
import { readRecording, recordingName, writeRecording } from './recording.ts'
import { runCase } from './run.ts'
import { addressOf } from './run.ts'
import { differences, type Transcript } from './transcript.ts'

const { values } = parseArgs({
  options: {
    url: { type: 'string' },
    rabbitmq: { type: 'string' },
    case: { type: 'string' },
    record: { type: 'boolean', default: false },
    as: { type: 'string' },
    compare: { type: 'string' },
  },
})

const rabbit = values.rabbitmq === undefined ? undefined : await startRabbitmq({ version: values.rabbitmq as RabbitmqVersion })
const url = rabbit?.url ?? values.url
if (url === undefined) throw new Error('say --url amqp://... or --rabbitmq VERSION')
const chosen = ALL_CASES.filter((each) => values.case === undefined || each.name.includes(values.case))
const expected = values.compare === undefined ? undefined : await readRecording(values.compare)
const transcripts: Record<string, Transcript> = {}
let differing = 0
for (const each of chosen) {
  const startedMs = performance.now()
  const transcript = await runCase(each, addressOf(url))
  const tookMs = Math.round(performance.now() - startedMs)
  transcripts[each.name] = transcript
  if (expected === undefined) {
    console.log(`\n${each.name}   (${tookMs} ms)`)
    for (const [stream, lines] of Object.entries(transcript)) {
      console.log(`  ${stream}`)
      for (const line of lines) console.log(`    ${line}`)
    }
    continue
  }
  const lines = differences(expected[each.name] ?? {}, transcript)
  if (lines.length === 0) continue
  differing++
  console.log(`\n${each.name}   (${tookMs} ms)`)
  for (const line of lines) console.log(`  ${line}`)
}
if (expected !== undefined) console.log(`\n${chosen.length - differing} agree, ${differing} differ`)
const recordAs = values.as ?? (rabbit === undefined ? undefined : recordingName('rabbitmq', rabbit.version))
await rabbit?.stop()
if (values.record) {
  if (recordAs === undefined) throw new Error('say under which name to record: --as NAME')
  // Waybill's own answers are recorded only where they differ on purpose.
  const kept = chosen.filter((each) => recordAs !== 'waybill' || each.difference !== undefined).map((each) => each.name)
  await writeRecording(recordAs, Object.fromEntries(kept.map((name) => [name, transcripts[name] ?? {}])), values.case === undefined)
}
