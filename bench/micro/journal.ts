/**
 * What the journal costs: nanoseconds per record in memory, then records and megabytes per second on the real disk (reserve, seal,
 * retain, group commit, locate, release: everything a message asks of it): `node bench/micro/journal.ts [folder]`.
 * With `--trace-gc` it shows that records leave no garbage.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { tmpdir } from 'node:os'
import { SystemClock } from '../../src/base/clock.ts'
import { SystemRandom } from '../../src/base/random.ts'
import { checksum, checksumShort } from '../../src/storage/checksum.ts'
import { FileDisk } from '../../src/storage/file-disk.ts'
import { openStorage } from '../../src/storage/file-storage.ts'
import { allocateMemory } from '../../src/storage/record.ts'
import type { Log, Storage, StorageOwner } from '../../src/storage/storage.ts'

const RING_SIZE = 1 << 21
const ROUNDS = 7

const folder = mkdtempSync(join(process.argv[2] ?? tmpdir(), 'waybill-journal-'))
const clock = new SystemClock()

function say(name: string, value: number, unit: string): void {
  process.stdout.write(`${name.padEnd(52)} ${value.toFixed(value < 100 ? 1 : 0).padStart(10)} ${unit}\n`)
}

function bestNs(count: number, run: (count: number) => void): number {
  run(count)
  let best = Infinity
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now()
    run(count)
    best = Math.min(best, ((performance.now() - start) * 1e6) / count)
  }
  return best
}

function measureChecksums(): void {
  const memory = allocateMemory(64 * 1024)
  for (const sizeBytes of [40, 100, 160, 240, 1024, 16 * 1024]) {
    const count = Math.max(2000, Math.floor(20_000_000 / sizeBytes))
    let sum = 0
    const native = bestNs(count, (times) => {
      for (let i = 0; i < times; i++) sum ^= checksum(memory.words, memory.buffer, 8, 8 + sizeBytes, i)
    })
    const short = bestNs(count, (times) => {
      for (let i = 0; i < times; i++) sum ^= checksumShort(memory.words, memory.buffer, 8, 8 + sizeBytes, i)
    })
    say(`checksum of ${sizeBytes} B, as records have it`, native, `ns (in JavaScript ${short.toFixed(1)} ns, ${sum === 0 ? '' : 'done'})`)
  }
}

/** Publishes and consumes as fast as the disk lets it, with at most a window of records in between. */
class Pump implements StorageOwner {
  readonly #storage: Storage
  readonly #log: Log
  readonly #payload: Buffer
  readonly #window: number
  readonly #total: number
  readonly #ring = new Float64Array(RING_SIZE)
  readonly #finished: () => void
  #head = 0
  #tail = 0
  commitCount = 0

  constructor(storage: Storage, sizeBytes: number, total: number, window: number, finished: () => void) {
    this.#storage = storage
    this.#log = storage.journal
    this.#payload = Buffer.alloc(sizeBytes, 7)
    this.#window = window
    this.#total = total
    this.#finished = finished
  }

  publish(): void {
    const log = this.#log
    const payload = this.#payload
    for (let count = 0; this.#head < this.#total && this.#head - this.#tail < this.#window && count < 500; count++) {
      const position = log.reserve(1, payload.length)
      payload.copy(log.buffer, log.offset)
      log.seal()
      log.retain(position)
      this.#ring[this.#head++ & (RING_SIZE - 1)] = position
    }
    this.#storage.commit()
    if (this.#tail < this.#total) setImmediate(() => this.publish())
  }

  beforeCommit(): void {}

  committed(watermark: number): void {
    this.commitCount++
    const log = this.#log
    while (this.#tail < this.#head) {
      const position = this.#ring[this.#tail & (RING_SIZE - 1)] as number
      if (position >= watermark) break
      if (!log.locate(position)) throw new Error(`record ${position} is not in memory`)
      log.release(position)
      this.#tail++
    }
    if (this.#tail === this.#total) this.#finished()
  }

  pressure(): void {}

  failed(error: Error): void {
    throw error
  }

  checkpointDue(): void {
    void this.#storage.checkpoint([Buffer.from('state')])
  }

  compactionDue(): void {}
}

async function measureDisk(sizeBytes: number, total: number, window: number): Promise<void> {
  const storage = await openStorage({ disk: new FileDisk(folder), clock, random: new SystemRandom() })
  await storage.recover({ checkpointPart: () => undefined, record: () => undefined })
  let start = 0
  let pump: Pump | undefined
  await new Promise<void>((resolve) => {
    pump = new Pump(storage, sizeBytes, total, window, resolve)
    storage.start(pump)
    start = performance.now()
    pump.publish()
  })
  const seconds = (performance.now() - start) / 1000
  const commits = pump?.commitCount ?? 0
  const megabytes = (total * sizeBytes) / 1e6 / seconds
  say(
    `${sizeBytes} B, window ${window}`,
    total / seconds,
    `records/s, ${megabytes.toFixed(0)} MB/s, ${(commits / seconds).toFixed(0)} commits/s`,
  )
  await storage.close([Buffer.from('state')])
}

/** The memory log runs the same code around each record but for the checksum and the disk. */
async function measureMemory(): Promise<void> {
  const storage = await openStorage({ disk: new FileDisk(join(folder, 'memory')), clock, random: new SystemRandom() })
  await storage.recover({ checkpointPart: () => undefined, record: () => undefined })
  const positions = new Float64Array(1000)
  const measure = (name: string, log: Log): void => {
    const ns = bestNs(20_000, (count) => {
      for (let i = 0; i < count; i++) {
        const position = log.reserve(1, 160)
        log.seal()
        log.retain(position)
        positions[i % 1000] = position
        if (i % 1000 === 999) for (let j = 0; j < 1000; j++) log.release(positions[j] as number)
      }
    })
    say(name, ns, 'ns')
  }
  measure('journal: reserve, seal, retain, release of 160 B', storage.journal)
  measure('memory log: the same', storage.memory)
  await storage.close([])
}

try {
  measureChecksums()
  await measureMemory()
  await measureDisk(100, 4_000_000, 1000)
  await measureDisk(100, 6_000_000, 10_000)
  await measureDisk(1024, 1_500_000, 10_000)
  await measureDisk(16 * 1024, 60_000, 2000)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
