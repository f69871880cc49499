/** One case: a conversation with a server, and where Waybill means to answer otherwise. */

import type { Script } from './script.ts'

/** What a case is given besides its name. */
export interface CaseOptions {
  /**
   * Why Waybill's transcript differs from RabbitMQ's on purpose, as docs/protocol-mapping.md says it.
   * What Waybill answers instead is recorded in `recorded/waybill.json` and compared just as strictly.
   */
  readonly difference?: string
}

/** A named case. */
export interface DifferentialCase extends CaseOptions {
  readonly name: string
  readonly run: (script: Script) => Promise<void>
}

/** Collects the cases of one area. */
export class CaseTable {
  readonly area: string
  readonly cases: DifferentialCase[] = []

  constructor(area: string) {
    this.area = area
  }

  /** Adds a case; its name begins with the area. */
  add(name: string, run: (script: Script) => Promise<void>, options: CaseOptions = {}): this {
    const full = `${this.area}: ${name}`
    if (this.cases.some((existing) => existing.name === full)) throw new Error(`two cases are called ${full}`)
    this.cases.push({ name: full, run, ...options })
    return this
  }
}
