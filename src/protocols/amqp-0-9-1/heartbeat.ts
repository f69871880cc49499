/**
 * Heartbeats both ways [AMQP-0-9-1 4.2.7]: one is sent when nothing else was for half the interval; a peer from which nothing came for two
 * intervals is gone. Nothing is expected of a peer that is not being read.
 */
import type { Clock, Timer } from '../../base/clock.ts'
import type { Connection } from '../../net/connection.ts'
import { HEARTBEAT_FRAME } from './grammar.ts'

/** Two looks per interval: two intervals and a half, because the first look may come right after the last sign of life. */
const SILENT_LOOKS_MAX = 5

/** Told of what the heartbeats find. */
export interface HeartbeatListener {
  /** Nothing came for half an interval: what is kept for speed may go. */
  idle(): void
  peerGone(): void
}

/** The heartbeats of one connection. */
export class Heartbeat {
  readonly #net: Connection
  readonly #clock: Clock
  readonly #lookMs: number
  readonly #listener: HeartbeatListener
  #timer: Timer | undefined
  #receivedBefore: number
  #writesBefore: number
  #silentLooks = 0

  /** @param intervalSeconds as negotiated, above 0 */
  constructor(net: Connection, clock: Clock, intervalSeconds: number, listener: HeartbeatListener) {
    this.#net = net
    this.#clock = clock
    this.#lookMs = intervalSeconds * 500
    this.#listener = listener
    this.#receivedBefore = net.receivedSizeBytes
    this.#writesBefore = net.writeCount
    this.#arm()
  }

  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #arm(): void {
    this.#timer = this.#clock.setTimer(this.#lookMs, () => this.#look())
  }

  #look(): void {
    const net = this.#net
    const silent = net.receivedSizeBytes === this.#receivedBefore && net.pausedFor === 0
    this.#silentLooks = silent ? this.#silentLooks + 1 : 0
    this.#receivedBefore = net.receivedSizeBytes
    if (this.#silentLooks >= SILENT_LOOKS_MAX) return this.#listener.peerGone()
    if (this.#silentLooks === 1) this.#listener.idle()
    if (net.writeCount === this.#writesBefore && net.outputSizeBytes === 0) net.send(HEARTBEAT_FRAME)
    this.#writesBefore = net.writeCount
    this.#arm()
  }
}
