/**
 * The load process: gets one assignment over the channel to its parent, carries it out, answers and ends.
 * It is a process of its own so that what drives the broker never shares an event loop with what starts and measures it.
 */
import type { Answer, Assignment, Figures } from './job.ts'
import { runBacklogFill, runDrain, runFirstDelivery } from './backlog.ts'
import { runDelayed } from './delayed.ts'
import { runDeclareQueues, runHoldConnections } from './idle.ts'
import { runLatency } from './latency.ts'
import { runNats } from './nats.ts'
import { runRouting } from './routing.ts'
import { runThroughput } from './throughput.ts'

const answer = (message: Answer): void => {
  process.send?.(message)
}

const carryOut = async (assignment: Assignment): Promise<Figures> => {
  const { job } = assignment
  switch (job.kind) {
    case 'throughput':
      return assignment.target.protocol === 'nats' ? await runNats(assignment, job) : await runThroughput(assignment, job)
    case 'latency':
      return await runLatency(assignment, job)
    case 'fill':
      return await runBacklogFill(assignment, job)
    case 'drain':
      return await runDrain(assignment, job)
    case 'first-delivery':
      return await runFirstDelivery(assignment, job)
    case 'declare-queues':
      return await runDeclareQueues(assignment, job)
    case 'hold-connections':
      return await runHoldConnections(assignment, job, () => answer({ holding: true }))
    case 'routing':
      return await runRouting(assignment, job)
    case 'delayed':
      return await runDelayed(assignment, job)
  }
}

// What a socket's callback throws is a finding about the broker: it is told, and the process ends.
process.on('uncaughtException', (error) => {
  answer({ error: error.message })
  process.exitCode = 1
  setTimeout(() => process.exit(1), 100)
})

// Without its parent a load process has nobody to measure for.
process.on('disconnect', () => process.exit())

process.once('message', (assignment: Assignment) => {
  carryOut(assignment)
    .then((figures) => answer({ figures }))
    .catch((error: unknown) => answer({ error: error instanceof Error ? error.message : String(error) }))
    .finally(() => {
      if (process.connected) process.disconnect()
    })
})
