/**
 * `npm test`: runs every stage of the table in stages.ts and ends with one line of counts.
 *
 *   npm test                             everything
 *   npm test -- unit crash               some stages
 *   npm test -- src/base/text.test.ts    some files
 *   npm test -- unit --name 'ring'       only tests whose name matches
 *   npm test -- crash --limit 60         another time limit for each stage, in seconds
 *   npm test -- --list                   the stages and what each proves
 */

import { randomUUID } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { ensureDebianPackages } from '../test/peers/debian-package.ts'
import { runStage, type StageResult } from './stage-run.ts'
import { STAGES, type Stage } from './stages.ts'

const ROOT = resolve(import.meta.dirname, '..')

/** Marks every process of this run, so that whatever a test left behind can be found and ended. */
const RUN_MARK = `WAYBILL_TEST_RUN=${randomUUID()}`

/** What the command line says about every stage. */
interface Choice {
  readonly namePattern: string | undefined
  readonly timeLimitMs: number | undefined
}

interface Job {
  readonly stage: Stage
  readonly files?: readonly string[]
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

/** The stages (and, for paths, a stage of just these files) that the words of the command line name. */
function chooseJobs(words: readonly string[]): Job[] | string {
  if (words.length === 0) return STAGES.map((stage) => ({ stage }))
  const jobs: Job[] = []
  const files: string[] = []
  for (const word of words) {
    const stage = STAGES.find((candidate) => candidate.name === word)
    if (stage !== undefined) jobs.push({ stage })
    else if (word.endsWith('.ts')) files.push(resolve(process.env['INIT_CWD'] ?? ROOT, word))
    else return `there is no stage "${word}"; the stages are: ${STAGES.map((candidate) => candidate.name).join(', ')}`
  }
  if (files.length > 0) {
    jobs.push({ stage: { name: 'files', promise: '', files, parallelFileCount: 2, timeLimitMs: 15 * 60_000 }, files })
  }
  return jobs
}

/** Installs what the stages need from the system, one after the other, because package tools hold a lock. */
async function installPackages(jobs: readonly Job[]): Promise<void> {
  const names = [...new Set(jobs.flatMap((job) => job.stage.debianPackages ?? []))]
  for (const name of names) {
    await ensureDebianPackages(name).catch((error: unknown) => {
      say(`cannot be had here: ${error instanceof Error ? error.message : String(error)}`)
    })
  }
}

/** Runs the jobs in order, side by side as long as their files fit the processors. */
async function runJobs(jobs: readonly Job[], choice: Choice): Promise<StageResult[]> {
  const processorCount = availableParallelism()
  const waiting = [...jobs]
  const results: StageResult[] = []
  const running = new Set<Promise<void>>()
  let freeCount = processorCount
  while (waiting.length > 0 || running.size > 0) {
    const index = waiting.findIndex((job) => Math.min(job.stage.parallelFileCount, processorCount) <= freeCount)
    const [job] = index < 0 ? [] : waiting.splice(index, 1)
    if (job === undefined) {
      await Promise.race(running)
      continue
    }
    const width = Math.min(job.stage.parallelFileCount, processorCount)
    freeCount -= width
    const work = runJob(job, width, choice).then((result) => {
      results.push(result)
      freeCount += width
      running.delete(work)
    })
    running.add(work)
  }
  return results
}

async function runJob(job: Job, parallelFileCount: number, choice: Choice): Promise<StageResult> {
  const [markName = '', markValue = ''] = RUN_MARK.split('=')
  say(`[${job.stage.name}] starts`)
  const result = await runStage(
    { ...job.stage, timeLimitMs: choice.timeLimitMs ?? job.stage.timeLimitMs },
    {
      root: ROOT,
      environment: { ...process.env, [markName]: markValue },
      parallelFileCount,
      report: (line) => say(`[${job.stage.name}] ${line}`),
      ...(job.files === undefined ? {} : { files: job.files }),
      ...(choice.namePattern === undefined ? {} : { namePattern: choice.namePattern }),
    },
  )
  say(`[${job.stage.name}] ${counts([result])} in ${(result.durationMs / 1000).toFixed(1)} s`)
  return result
}

function counts(results: readonly StageResult[]): string {
  const passed = results.reduce((sum, result) => sum + result.passedCount, 0)
  const failed = results.reduce((sum, result) => sum + result.failures.length, 0)
  const skipped = results.reduce((sum, result) => sum + result.skips.length, 0)
  return `${passed} passed, ${failed} failed${skipped === 0 ? '' : `, ${skipped} skipped`}`
}

/** Ends processes that carry the mark of this run and outlived their test; only Linux lets us see the mark. */
function endLeftovers(): string[] {
  if (process.platform !== 'linux') return []
  const ended: string[] = []
  for (const entry of readdirSync('/proc')) {
    const pid = Number(entry)
    if (!Number.isInteger(pid) || pid === process.pid) continue
    try {
      if (!readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes(RUN_MARK)) continue
      const command = readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ').trim()
      if (command === '') continue
      process.kill(pid, 'SIGKILL')
      ended.push(command)
    } catch {
      // The process ended meanwhile, or belongs to somebody else.
    }
  }
  return ended
}

function summarize(results: readonly StageResult[], leftovers: readonly string[]): void {
  say('')
  for (const result of results) {
    for (const skip of result.skips) say(`skipped: [${result.stage}] ${skip.name} (${skip.file}): ${skip.reason}`)
  }
  for (const command of leftovers) say(`ended a process that outlived its test: ${command}`)
  for (const result of results) {
    for (const failure of result.failures) {
      say(`failed: [${result.stage}] ${failure.name}${failure.file === '' ? '' : ` (${failure.file})`}`)
    }
  }
  say('')
  const width = Math.max(...results.map((result) => result.stage.length))
  for (const result of results) {
    say(`${result.stage.padEnd(width)}  ${(result.durationMs / 1000).toFixed(1).padStart(6)} s  ${counts([result])}`)
  }
  say(counts(results))
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { list: { type: 'boolean' }, name: { type: 'string' }, limit: { type: 'string' } },
  })
  if (values.list === true) {
    for (const stage of STAGES) say(`${stage.name.padEnd(14)} ${stage.promise}`)
    return 0
  }
  const jobs = chooseJobs(positionals)
  if (typeof jobs === 'string') {
    process.stderr.write(`waybill: ${jobs}\n`)
    return 64
  }
  await installPackages(jobs)
  const timeLimitMs = values.limit === undefined ? undefined : Number(values.limit) * 1000
  const results = await runJobs(jobs, { namePattern: values.name, timeLimitMs })
  summarize(results, endLeftovers())
  return results.some((result) => result.failures.length > 0) ? 1 : 0
}

process.exitCode = await main()
