/**
 * Every limit of the server in one place. A limit that an operator may change has a place in the configuration
 * (src/cli/configuration) whose default is the value here.
 */
import { assert } from './assert.ts'

const KIB = 1024
const MIB = 1024 * KIB

/** The limits, with their units in their names. */
export const LIMITS = {
  // Messages.
  messageSizeBytesDefault: 16 * MIB,
  messageSizeBytesMax: 56 * MIB,
  headerNestingMax: 32,
  headerEntriesMax: 4096,
  nameSizeBytesMax: 255,
  delayMsMax: 10 * 366 * 24 * 3600 * 1000,
  // Journal.
  segmentSizeBytes: 64 * MIB,
  chunkSizeBytes: 4 * MIB,
  recordSizeBytesMax: 60 * MIB,
  cacheSizeBytes: 48 * MIB,
  readBlockSizeBytes: 1 * MIB,
  readCacheSizeBytes: 32 * MIB,
  unsyncedSizeBytesMax: 64 * MIB,
  // Connections.
  connectionsMaxDefault: 20_000,
  handshakeTimeoutMs: 10_000,
  /** Connections that have not logged in. One more ends the oldest of them, so that strangers cannot lock out users. */
  handshakesMax: 5_000,
  tlsHandshakesMax: 1_000,
  /** How long a connection that is being closed may take to send its last bytes and see the peer's end. */
  closeTimeoutMs: 5_000,
  keepAliveMs: 60_000,
  frameSizeBytesDefault: 128 * KIB,
  frameSizeBytesMin: 4096,
  /** Before login nothing larger than this is read, whatever was negotiated later. */
  frameSizeBytesBeforeLogin: 4096,
  channelsPerConnectionMax: 2047,
  heartbeatSecondsDefault: 60,
  /** Above this nothing more is delivered to a connection until it has read. */
  outputSizeBytesMax: 1 * MIB,
  /** Above this (replies to requests, which are not held back) its requests are not read any more either. */
  outputSizeBytesPauseInput: 8 * MIB,
  unfinishedContentSizeBytesMax: 256 * MIB,
  /** Requests of one connection that wait until the one before them on their channel is answered; beyond it the connection is not read. */
  heldFramesSizeBytesMax: 1 * MIB,
  // Broker.
  queuesMax: 1_000_000,
  bindingsMax: 2_000_000,
  exchangesMax: 100_000,
  consumersPerChannelMax: 10_000,
  transactionSizeBytesMax: 256 * MIB,
  deliveriesPerTurnMax: 10_000,
  // Settings of queues.
  timeToLiveMsMax: 10 * 365 * 24 * 3600 * 1000,
  priorityMax: 255,
  redeliveryDelayMaxMsDefault: 3600 * 1000,
  redeliveryDelayMultiplierDefault: 2,
  deduplicationWindowMsDefault: 600 * 1000,
  // Policies.
  policiesPerNamespaceMax: 1000,
  policyPatternSizeMax: 1024,
  /** States of the compiled pattern: matching a name takes at most states x characters steps. */
  policyPatternStatesMax: 4096,
} as const

assert(LIMITS.messageSizeBytesMax + MIB <= LIMITS.recordSizeBytesMax, 'a message of the largest size fits a record')
assert(LIMITS.recordSizeBytesMax < LIMITS.segmentSizeBytes, 'a record fits a segment')
assert(LIMITS.chunkSizeBytes <= LIMITS.segmentSizeBytes, 'a chunk fits a segment')
assert(LIMITS.frameSizeBytesMin <= LIMITS.frameSizeBytesBeforeLogin, 'the smallest frame is readable before login')
assert(LIMITS.outputSizeBytesMax < LIMITS.outputSizeBytesPauseInput, 'deliveries stop before requests do')
assert(LIMITS.handshakesMax <= LIMITS.connectionsMaxDefault, 'a flood of strangers stays below the limit of connections')
