/**
 * A protocol as the server runs it: the server gives it connections, and tells it when to end.
 */
import type { Connection, ConnectionHandler } from './connection.ts'

/** See the head of this file. */
export interface Protocol {
  /** For messages to people: "AMQP 0-9-1". */
  readonly name: string
  /** Serves a new connection. */
  accept(connection: Connection): ConnectionHandler
  /**
   * The server will end: from now on nothing is delivered and nothing new is accepted (publications stop being read),
   * while deliveries that are out can still be settled.
   */
  drain(): void
  /** Deliveries that are out and not settled, over all connections. While draining the server waits for zero, for a bounded time. */
  readonly unsettledCount: number
  /** Tells every client that the server ends it (AMQP: CONNECTION_FORCED 320 with this text) and closes the connections in order. */
  closeConnections(reason: string): void
}
