/**
 * A thread that sleeps until each message is due and then wakes the thread that sends it. Timers of the event loop are no finer
 * than a millisecond, and polling would burn the core that the broker needs.
 */
import { parentPort, workerData } from 'node:worker_threads'

/** When the beats are. `startMs` is on the clock of `performance.now()` plus `performance.timeOrigin`. */
export interface MetronomeSettings {
  readonly startMs: number
  readonly intervalMs: number
  readonly beatCount: number
}

/** Waking takes about so long; the sleep is shorter by it. */
const WAKE_MS = 0.06

const beat = ({ startMs, intervalMs, beatCount }: MetronomeSettings): void => {
  const cell = new Int32Array(new SharedArrayBuffer(4))
  for (let index = 0; index < beatCount; index += 1) {
    const leftMs = startMs + index * intervalMs - (performance.timeOrigin + performance.now())
    if (leftMs > WAKE_MS) Atomics.wait(cell, 0, 0, leftMs - WAKE_MS)
    parentPort?.postMessage(index)
  }
}

beat(workerData as MetronomeSettings)
