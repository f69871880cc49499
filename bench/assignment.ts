import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Answer, Assignment, Figures } from './load/job.ts'

const LOAD_PROCESS = fileURLToPath(new URL('./load/main.ts', import.meta.url))

/** A load process that carries out one assignment. */
export interface RunningAssignment {
  /** Resolves when the job holds its connections. */
  readonly holding: Promise<void>
  readonly figures: Promise<Figures>
  /** Lets a job that holds connections go. */
  release(): void
}

/** Starts a load process for one assignment. Both promises reject when the job fails or the process dies. */
export const startAssignment = (assignment: Assignment): RunningAssignment => {
  const child: ChildProcess = fork(LOAD_PROCESS, [], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const holding = Promise.withResolvers<void>()
  const figures = Promise.withResolvers<Figures>()
  const fail = (error: Error): void => {
    holding.reject(error)
    figures.reject(error)
  }
  // Each caller waits for one of the two; the other's rejection is not an accident.
  holding.promise.catch(() => undefined)
  figures.promise.catch(() => undefined)
  child.on('message', (answer: Answer) => {
    if ('holding' in answer) holding.resolve()
    else if ('error' in answer) fail(new Error(`${assignment.job.kind}: ${answer.error}`))
    else figures.resolve(answer.figures)
  })
  child.on('error', fail)
  child.on('exit', (code) => fail(new Error(`${assignment.job.kind}: the load process ended with ${code ?? 'a signal'}`)))
  child.send(assignment)
  return { holding: holding.promise, figures: figures.promise, release: () => child.send('release') }
}

/** Carries out one assignment in a process of its own. */
export const runAssignment = async (assignment: Assignment): Promise<Figures> => await startAssignment(assignment).figures
