/** The limits that a storage works by; tests make them small. */
import { assert } from '../base/assert.ts'
import { LIMITS } from '../base/limits.ts'
import { COMMIT_HEAD_SIZE, recordSize } from './record.ts'

const MIB = 1024 * 1024

/** Sizes that decide how a storage uses disk and memory. */
export interface StorageLimits {
  /** Size of a journal segment. A folder keeps the one that it was created with. */
  readonly segmentSizeBytes: number
  readonly recordSizeBytesMax: number
  /** Chunks begin small and grow to the largest under load. */
  readonly chunkSizeBytesMin: number
  readonly chunkSizeBytes: number
  /** Recent records that are kept in memory although something refers to them. */
  readonly cacheSizeBytes: number
  readonly readBlockSizeBytes: number
  readonly readCacheSizeBytes: number
  /** More bytes than this not yet on the disk: publishers pause. */
  readonly unsyncedSizeBytesMax: number
  /** A checkpoint is due when this much was written after the last one (or four times its size, if that is more). */
  readonly checkpointTailSizeBytes: number
  /** How far ahead of the journal's end the disk's blocks are allocated, and in which steps. */
  readonly allocationAheadSizeBytes: number
  readonly allocationStepSizeBytes: number
  /** Dead segments that are kept for the next ones. */
  readonly spareSegmentsMax: number
  /** Chunk size of the memory log. */
  readonly memoryChunkSizeBytes: number
}

/** The limits of a server. */
const STORAGE_LIMITS: StorageLimits = {
  segmentSizeBytes: LIMITS.segmentSizeBytes,
  recordSizeBytesMax: LIMITS.recordSizeBytesMax,
  chunkSizeBytesMin: MIB / 4,
  chunkSizeBytes: LIMITS.chunkSizeBytes,
  cacheSizeBytes: LIMITS.cacheSizeBytes,
  readBlockSizeBytes: LIMITS.readBlockSizeBytes,
  readCacheSizeBytes: LIMITS.readCacheSizeBytes,
  unsyncedSizeBytesMax: LIMITS.unsyncedSizeBytesMax,
  checkpointTailSizeBytes: 256 * MIB,
  allocationAheadSizeBytes: 8 * MIB,
  allocationStepSizeBytes: MIB / 4,
  spareSegmentsMax: 5,
  memoryChunkSizeBytes: MIB,
}

/** Completes limits and checks that they go together. */
export function storageLimits(overrides: Partial<StorageLimits> = {}): StorageLimits {
  const limits = { ...STORAGE_LIMITS, ...overrides }
  assert(limits.segmentSizeBytes % 4096 === 0, 'a segment is a multiple of 4 KiB')
  assert(recordSize(limits.recordSizeBytesMax) + COMMIT_HEAD_SIZE <= limits.segmentSizeBytes, 'a record fits a segment')
  assert(limits.chunkSizeBytesMin <= limits.chunkSizeBytes, 'chunks grow')
  assert(limits.chunkSizeBytes % 8 === 0 && limits.chunkSizeBytesMin % 8 === 0, 'a chunk is a multiple of 8')
  assert(limits.memoryChunkSizeBytes % 8 === 0 && limits.readBlockSizeBytes % 8 === 0, 'blocks are multiples of 8')
  return limits
}
