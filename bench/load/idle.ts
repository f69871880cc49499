import { once } from 'node:events'
import { LoadConnection } from './connection.ts'
import type { Assignment, DeclareQueuesJob, Figures, HoldConnectionsJob } from './job.ts'

const QUEUES_PER_ANSWER = 500
const CONNECTIONS_AT_ONCE = 20
const SMALL_READ_BUFFER_BYTES = 4096

/** Declares durable queues, and leaves them there. */
export const runDeclareQueues = async (assignment: Assignment, job: DeclareQueuesJob): Promise<Figures> => {
  const control = await LoadConnection.open(assignment.target)
  await control.openChannel(1)
  const startMs = performance.now()
  for (let index = 0; index < job.queueCount; index += 1) {
    control.declareQueueNoWait(1, `bench-idle-${index}`, job.queueArguments)
    // An answer now and then keeps the two sides together.
    if (index % QUEUES_PER_ANSWER === QUEUES_PER_ANSWER - 1) await control.countReady(1, `bench-idle-${index}`)
  }
  await control.countReady(1, `bench-idle-${job.queueCount - 1}`)
  const seconds = (performance.now() - startMs) / 1000
  await control.close()
  return { queuesPerSecond: job.queueCount / seconds }
}

/** Opens connections with a channel each, says that it holds them, and lets go when the parent speaks again. */
export const runHoldConnections = async (assignment: Assignment, job: HoldConnectionsJob, holding: () => void): Promise<Figures> => {
  const connections: LoadConnection[] = []
  const openOne = async (): Promise<void> => {
    const connection = await LoadConnection.open(assignment.target, SMALL_READ_BUFFER_BYTES)
    await connection.openChannel(1)
    connections.push(connection)
  }
  const startMs = performance.now()
  while (connections.length < job.connectionCount) {
    const count = Math.min(CONNECTIONS_AT_ONCE, job.connectionCount - connections.length)
    await Promise.all(Array.from({ length: count }, openOne))
  }
  const seconds = (performance.now() - startMs) / 1000
  const released = once(process, 'message')
  holding()
  await released
  for (const connection of connections) connection.destroy()
  return { connectionsPerSecond: job.connectionCount / seconds }
}
