/**
 * An owner of a storage that does what the broker does (messages, settlements gathered until the commit, checkpoints, copying forward) and
 * knows at any time what the storage must still hold. It works on any disk.
 */
import assert from 'node:assert/strict'
import type { WaybillError } from '../../src/base/errors.ts'
import type { Log, Position, RecoveryHandler, RecoveryReport, Storage, StorageOwner, Victim } from '../../src/storage/storage.ts'

const MESSAGE = 1
const SETTLED = 2
const COPIED = 3

/** One record that was appended, whether or not it became durable. */
interface Written {
  readonly kind: number
  readonly position: Position
  readonly end: Position
  /** The message that the record is, settles or copies: the index of its first record. */
  readonly message: number
  readonly payload: Buffer
}

/** Content of a message: its number, then bytes that follow from it. */
export function messagePayload(number: number, sizeBytes: number): Buffer {
  const payload = Buffer.alloc(Math.max(8, sizeBytes))
  for (let i = 8; i < payload.length; i++) payload[i] = (number * 31 + i * 7) & 0xff
  payload.writeUInt32LE(number, 0)
  payload.writeUInt32LE(payload.length, 4)
  return payload
}

/** Appends one record. */
export function append(log: Log, kind: number, payload: Uint8Array): Position {
  const position = log.reserve(kind, payload.length)
  log.buffer.set(payload, log.offset)
  log.seal()
  return position
}

/** The payload of the record that was located last, copied. */
export function foundPayload(log: Log): Buffer {
  return Buffer.from(log.foundBuffer.subarray(log.foundOffset, log.foundOffset + log.foundSizeBytes))
}

/** The state of a model, and the checks of a storage against it. */
export class StorageModel implements StorageOwner, RecoveryHandler {
  storage: Storage | undefined
  /** Everything that was ever appended and not lost by a crash, in order. */
  written: Written[] = []
  /** How many records there were at the end of each commit. */
  commitEnds: number[] = [0]
  /** Messages that are not settled: number to position. */
  live = new Map<number, Position>()
  #gathered: number[] = []
  #nextMessage = 0
  announced: Position = 0
  pressures: string[] = []
  failures: WaybillError[] = []
  checkpointsAsked = 0
  compactionsAsked = 0
  /** What recovery gave. */
  #recoveredCount = 0
  #recoveredLive = new Map<number, Position>()
  #recoveredNext = 0
  report: RecoveryReport | undefined

  get journal(): Log {
    return (this.storage as Storage).journal
  }

  publish(sizeBytes: number): number {
    const number = this.#nextMessage++
    const position = this.#append(MESSAGE, number, messagePayload(number, sizeBytes))
    this.journal.retain(position)
    this.live.set(number, position)
    return number
  }

  /** Settles a message; the record of it is appended with the next commit. */
  settle(number: number): void {
    this.journal.release(this.live.get(number) as Position)
    this.live.delete(number)
    this.#gathered.push(number)
  }

  /** What the broker would write as its state. */
  checkpointParts(): Buffer[] {
    this.#appendGathered()
    const live = [...this.live]
    const parts: Buffer[] = [Buffer.from(JSON.stringify({ count: this.written.length, next: this.#nextMessage }))]
    for (let i = 0; i < live.length; i += 50) parts.push(Buffer.from(JSON.stringify(live.slice(i, i + 50))))
    return parts
  }

  beforeCommit(): void {
    this.#appendGathered()
    this.commitEnds.push(this.written.length)
  }

  committed(watermark: Position): void {
    assert.ok(watermark >= this.announced, 'the watermark only grows')
    assert.equal(watermark, this.storage?.watermark)
    this.announced = watermark
  }

  pressure(paused: boolean, reason: string): void {
    this.pressures.push(`${paused ? 'pause' : 'go on'}: ${reason}`)
  }

  failed(error: WaybillError): void {
    this.failures.push(error)
  }

  checkpointDue(): void {
    this.checkpointsAsked++
  }

  compactionDue(victim: Victim): void {
    this.compactionsAsked++
    for (const [number, position] of this.live) if (position >= victim.start && position < victim.end) this.#copyForward(number, position)
  }

  checkpointPart(part: Buffer): void {
    const value = JSON.parse(part.toString()) as { count: number; next: number } | [number, Position][]
    if (Array.isArray(value)) {
      for (const [number, position] of value) this.#recoveredLive.set(number, position)
    } else {
      this.#recoveredCount = value.count
      this.#recoveredNext = value.next
    }
  }

  record(kind: number, position: Position, buffer: Buffer, _view: DataView, offset: number, sizeBytes: number): void {
    const payload = Buffer.from(buffer.subarray(offset, offset + sizeBytes))
    const expected = this.written[this.#recoveredCount]
    assert.ok(expected !== undefined, 'nothing is invented')
    assert.deepEqual([kind, position], [expected.kind, expected.position], 'records come back in order at their positions')
    assert.ok(payload.equals(expected.payload), 'a record comes back with its bytes')
    this.#recoveredCount++
    if (kind === MESSAGE) this.#recoveredNext = expected.message + 1
    if (kind === SETTLED) this.#recoveredLive.delete(expected.message)
    else if (kind === MESSAGE || this.#recoveredLive.has(expected.message)) this.#recoveredLive.set(expected.message, position)
  }

  /** Recovers an opened storage, checks what it gave, and starts it. */
  async recover(storage: Storage): Promise<RecoveryReport> {
    const confirmed = this.written.filter((record) => record.end <= this.announced).length
    this.#recoveredCount = 0
    this.#recoveredNext = 0
    this.#recoveredLive = new Map()
    this.report = await storage.recover(this)
    assert.ok(this.#recoveredCount >= confirmed, `all ${confirmed} confirmed records are there, not only ${this.#recoveredCount}`)
    assert.ok(this.commitEnds.includes(this.#recoveredCount), 'a commit is whole or absent')
    assert.ok(storage.watermark >= this.announced, 'the watermark stays')
    this.written.length = this.#recoveredCount
    this.commitEnds = this.commitEnds.filter((count) => count <= this.#recoveredCount)
    this.#checkLive()
    this.live = this.#recoveredLive
    this.#nextMessage = this.#recoveredNext
    this.#gathered = []
    this.announced = storage.watermark
    this.storage = storage
    for (const position of this.live.values()) storage.journal.retain(position)
    storage.start(this)
    return this.report
  }

  /** Reads all live messages, in random or written order, and compares them. */
  async readAllLive(order: readonly number[] = [...this.live.keys()]): Promise<void> {
    for (const number of order) {
      const position = this.live.get(number)
      if (position === undefined) continue
      if (!this.journal.locate(position)) {
        await new Promise<void>((resolve, reject) => {
          this.journal.load(position, (error) => {
            if (error !== null) return reject(error)
            // It may have been settled or copied forward meanwhile.
            if (this.live.get(number) === position && !this.journal.locate(position)) return reject(new Error('loaded, but not located'))
            resolve()
          })
        })
        if (this.live.get(number) !== position || !this.journal.locate(position)) continue
      }
      const payload = foundPayload(this.journal)
      assert.ok(payload.equals(messagePayload(number, payload.readUInt32LE(4))), `message ${number} reads as it was written`)
    }
  }

  #checkLive(): void {
    const expected = new Set<number>()
    for (const { kind, message } of this.written) {
      if (kind === MESSAGE) expected.add(message)
      if (kind === SETTLED) expected.delete(message)
    }
    assert.deepEqual([...this.#recoveredLive.keys()].sort(ascending), [...expected].sort(ascending), 'what waits is what was not settled')
  }

  #append(kind: number, message: number, payload: Buffer): Position {
    const position = append(this.journal, kind, payload)
    this.written.push({ kind, position, end: this.journal.end, message, payload })
    return position
  }

  #appendGathered(): void {
    for (const number of this.#gathered) {
      const payload = Buffer.alloc(4)
      payload.writeUInt32LE(number)
      this.#append(SETTLED, number, payload)
    }
    this.#gathered = []
  }

  #copyForward(number: number, position: Position): void {
    const copy = (): void => {
      if (this.live.get(number) !== position || !this.journal.locate(position)) return
      const payload = foundPayload(this.journal)
      const copied = this.#append(COPIED, number, payload)
      this.journal.retain(copied)
      this.journal.release(position)
      this.live.set(number, copied)
      this.storage?.commit()
    }
    this.journal.load(position, (error) => {
      if (error === null) copy()
      else this.failures.push(error)
    })
  }
}

function ascending(a: number, b: number): number {
  return a - b
}
