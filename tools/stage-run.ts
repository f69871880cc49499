/**
 * Runs the test files of one stage with Node's own runner, one process per file, and counts what they say.
 */

import { globSync } from 'node:fs'
import { join, relative } from 'node:path'
import { run } from 'node:test'
import type { TestEvent } from 'node:test/reporters'
import type { Stage } from './stages.ts'

/** A test that failed, or a reason why the stage as a whole did. */
export interface Failure {
  readonly file: string
  readonly name: string
  readonly detail: string
}

/** A test that was left out, with the reason it gave. */
export interface Skip {
  readonly file: string
  readonly name: string
  readonly reason: string
}

/** What a stage came to. */
export interface StageResult {
  readonly stage: string
  readonly passedCount: number
  readonly failures: readonly Failure[]
  readonly skips: readonly Skip[]
  readonly durationMs: number
}

/** What a run of a stage may be given besides its row in the table. */
export interface StageRunOptions {
  readonly root: string
  /** Files to run instead of the stage's own. */
  readonly files?: readonly string[]
  /** Only tests whose name matches run. */
  readonly namePattern?: string
  /** Environment of the test processes. */
  readonly environment: Readonly<Record<string, string | undefined>>
  /** How many files may run at once. */
  readonly parallelFileCount: number
  /** Called with every line to show while the stage runs. */
  readonly report: (line: string) => void
}

/** How much of a failing file's own output is shown. */
const OUTPUT_LINES_SHOWN = 60

/** The test files of a stage, sorted, without those of dependencies. */
export function stageFiles(stage: Stage, root: string): string[] {
  const found = new Set<string>()
  for (const pattern of stage.files) {
    for (const path of globSync(pattern, { cwd: root })) found.add(join(root, path))
  }
  return [...found].sort()
}

/** Runs one stage to its end or its time limit. Never rejects: what goes wrong is a failure in the result. */
export async function runStage(stage: Stage, options: StageRunOptions): Promise<StageResult> {
  const files = options.files ?? stageFiles(stage, options.root)
  const tally = new Tally(options)
  const started = performance.now()
  if (files.length === 0) {
    tally.fail(stage.files.join(', '), stage.name, 'no test file matches, so this stage proves nothing')
  } else {
    await runFiles(stage, files, tally, options)
  }
  return {
    stage: stage.name,
    passedCount: tally.passedCount,
    failures: tally.failures,
    skips: tally.skips,
    durationMs: performance.now() - started,
  }
}

async function runFiles(stage: Stage, files: readonly string[], tally: Tally, options: StageRunOptions): Promise<void> {
  const limit = AbortSignal.timeout(stage.timeLimitMs)
  const stream = run({
    files: [...files],
    cwd: options.root,
    isolation: 'process',
    concurrency: options.parallelFileCount,
    env: { ...options.environment, ...stage.environment },
    signal: limit,
    ...(options.namePattern === undefined ? {} : { testNamePatterns: [options.namePattern] }),
  })
  try {
    for await (const event of stream as AsyncIterable<TestEvent>) tally.take(event)
  } catch (error) {
    if (!limit.aborted) tally.fail('', stage.name, describe(error))
  }
  if (limit.aborted) tally.fail('', stage.name, `stopped after its time limit of ${stage.timeLimitMs / 1000} s`)
  if (tally.passedCount + tally.failures.length + tally.skips.length === 0) tally.fail('', stage.name, 'no test ran')
}

interface TestVerdict {
  readonly name: string
  readonly file?: string | undefined
  readonly skip?: string | boolean | undefined
  readonly todo?: string | boolean | undefined
  readonly details: { readonly type?: string | undefined; readonly error?: unknown }
}

/** Adds up the events of a run. */
class Tally {
  passedCount = 0
  readonly failures: Failure[] = []
  readonly skips: Skip[] = []
  readonly #outputs = new Map<string, string[]>()
  readonly #options: StageRunOptions

  constructor(options: StageRunOptions) {
    this.#options = options
  }

  take(event: TestEvent): void {
    switch (event.type) {
      case 'test:pass':
        this.#pass(event.data)
        break
      case 'test:fail':
        this.#fail(event.data)
        break
      case 'test:stdout':
      case 'test:stderr':
        this.#keep(event.data.file ?? '', event.data.message)
        break
      default:
    }
  }

  fail(file: string, name: string, detail: string): void {
    const failure = { file: this.#shorten(file), name, detail }
    this.failures.push(failure)
    this.#options.report(`FAILED ${failure.name}${failure.file === '' ? '' : ` (${failure.file})`}\n${indent(failure.detail)}`)
    const output = this.#outputs.get(file)
    if (output === undefined) return
    this.#outputs.delete(file)
    this.#options.report(indent(['it printed:', ...output].join('\n')))
  }

  #pass(verdict: TestVerdict): void {
    const file = verdict.file ?? ''
    // A suite groups tests and is none itself; a file without any test is reported as a test named after it.
    if (verdict.details.type === 'suite') return
    if (isFileItself(verdict)) {
      if (this.#options.namePattern === undefined) this.fail(file, verdict.name, 'the file holds no test')
      return
    }
    if (verdict.todo !== undefined && verdict.todo !== false) this.fail(file, verdict.name, 'marked as to be done')
    else if (verdict.skip !== undefined && verdict.skip !== false) {
      const reason = typeof verdict.skip === 'string' && verdict.skip !== '' ? verdict.skip : 'no reason given'
      this.skips.push({ file: this.#shorten(file), name: verdict.name, reason })
    } else this.passedCount += 1
  }

  #fail(verdict: TestVerdict): void {
    const error = verdict.details.error
    // A suite, or a test with subtests, fails with its children, which are counted already.
    if (error instanceof Error && 'failureType' in error && error.failureType === 'subtestsFailed') return
    this.fail(verdict.file ?? '', verdict.name, describe(error))
  }

  #keep(file: string, message: string): void {
    const lines = this.#outputs.get(file) ?? []
    lines.push(...message.split('\n').filter((line) => line !== ''))
    this.#outputs.set(file, lines.slice(-OUTPUT_LINES_SHOWN))
  }

  #shorten(file: string): string {
    const path = file === '' ? '' : relative(this.#options.root, file)
    return path.startsWith('..') ? file : path
  }
}

function isFileItself(verdict: TestVerdict): boolean {
  return verdict.file !== undefined && (verdict.name === verdict.file || verdict.file.endsWith(`/${verdict.name}`))
}

/** The error with its stack, without the frames of Node's test runner. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause
  if (typeof cause === 'string') return cause
  const { stack, message } = cause instanceof Error ? cause : error
  const lines = (stack ?? message).split('\n').filter((line) => !/^ +at .*\(?node:internal\/|^ +at Test\.runInAsyncScope/.test(line))
  return lines.join('\n').trimEnd()
}

function indent(text: string): string {
  return text.replaceAll(/^/gm, '    ')
}
