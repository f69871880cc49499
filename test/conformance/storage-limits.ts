/** Limits so small that a short test crosses chunks, segments and caches many times. */
import type { StorageLimits } from '../../src/storage/limits.ts'

export const SMALL_LIMITS: StorageLimits = {
  segmentSizeBytes: 32 * 1024,
  recordSizeBytesMax: 12 * 1024,
  chunkSizeBytesMin: 1024,
  chunkSizeBytes: 8 * 1024,
  cacheSizeBytes: 16 * 1024,
  readBlockSizeBytes: 2048,
  readCacheSizeBytes: 8 * 1024,
  unsyncedSizeBytesMax: 256 * 1024,
  checkpointTailSizeBytes: 24 * 1024,
  allocationAheadSizeBytes: 8 * 1024,
  allocationStepSizeBytes: 4096,
  spareSegmentsMax: 3,
  memoryChunkSizeBytes: 4096,
}
