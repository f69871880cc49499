import { closeSync, fdatasyncSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { arch, availableParallelism, cpus, loadavg, release, tmpdir, totalmem, type as systemName } from 'node:os'
import { join } from 'node:path'
import { percentileOf } from './load/percentile.ts'

const SYNCED_WRITES = 100

/** What the figures depend on beside the brokers. */
export interface Machine {
  readonly date: string
  readonly processor: string
  readonly coreCount: number
  readonly memoryGibibytes: number
  readonly system: string
  readonly nodeVersion: string
  readonly folder: string
  /** Median time of one write and its fdatasync, appended to a file. */
  readonly syncedWrite4KibMs: number
  readonly syncedWrite1MibMs: number
  readonly loadAtStart: number
}

const syncedWriteMs = (sizeBytes: number): number => {
  const folder = mkdtempSync(join(tmpdir(), 'waybill-bench-disk-'))
  try {
    const file = openSync(join(folder, 'written'), 'w')
    const bytes = Buffer.alloc(sizeBytes, 0x5a)
    const samples = new Float64Array(SYNCED_WRITES)
    for (let index = 0; index < SYNCED_WRITES; index += 1) {
      const startMs = performance.now()
      writeSync(file, bytes)
      fdatasyncSync(file)
      samples[index] = performance.now() - startMs
    }
    closeSync(file)
    return percentileOf(samples.sort(), 0.5)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Cores this process may use: a container may have fewer than the machine. */
const memoryBytes = (): number => {
  try {
    const limit = Number(readFileSync('/sys/fs/cgroup/memory.max', 'utf8'))
    if (Number.isFinite(limit) && limit > 0) return Math.min(limit, totalmem())
  } catch {
    // No such limit here: the machine's memory counts.
  }
  return totalmem()
}

/** Describes the machine, and measures its disk in the folder the brokers use. */
export const describeMachine = (): Machine => ({
  date: new Date().toISOString(),
  processor: cpus()[0]?.model.trim() ?? 'unknown',
  coreCount: availableParallelism(),
  memoryGibibytes: Math.round(memoryBytes() / 2 ** 30),
  system: `${systemName()} ${release()} ${arch()}`,
  nodeVersion: process.version,
  folder: tmpdir(),
  syncedWrite4KibMs: syncedWriteMs(4096),
  syncedWrite1MibMs: syncedWriteMs(1024 * 1024),
  loadAtStart: loadavg()[0] ?? Number.NaN,
})
