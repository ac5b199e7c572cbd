/**
 * Every bound of the storage engine, in one place, with the tiny twin that makes tests meet each of them.
 *
 * @module
 */

import { assert } from "../world/mod.ts";
import { FRAME_HEADER_BYTES } from "./frame.ts";

/** Bounds of a store. All sizes in bytes. */
export interface StorageLimits {
  /** The first data file's size; files grow with the store up to `fileBytesMax`. */
  fileBytesMin: number;
  fileBytesMax: number;
  /** A new file is about the store's size divided by this: what is reserved and unused stays a small part. */
  fileShare: number;
  /** A log's first extent. Each next one is as large as all before it together. */
  extentBytesMin: number;
  extentBytesMax: number;
  /** The first extent of a run's journal. */
  journalExtentBytesMin: number;
  /** Appends of one cycle are merged into frames of about this size: what one read must check at least. */
  frameBytesTarget: number;
  /** A log with so much to write in a cycle has a write of its own; less goes into the journal. 0: never. */
  homeBytesMin: number;
  /** What the journal holds for all logs together before it is brought home. */
  awayBytesMax: number;
  /** And what of it comes home in one cycle. */
  homingBytesMax: number;
  /** The largest batch that `append` takes, packed. */
  batchBytesMax: number;
  /** `backlogged` is set while more than this waits for a commit. */
  pendingBytesMax: number;
  /**
   * So much is a cycle of its own: it does not wait for what else would come. With a sync there should be more:
   * each costs as much as writing some MiB.
   */
  takeOffBytes: number;
  takeOffSyncedBytes: number;
  /** Size of a staging buffer. */
  chunkBytes: number;
  /** Staging buffers that are kept for the next cycles. */
  chunksKept: number;
  /** One index point is kept for this many bytes of frames. */
  indexStrideBytes: number;
  /** Bytes appended between two index checkpoints: what a restart scans at most. */
  checkpointEveryBytes: number;
  /** Journal bytes between two index checkpoints: at least, and at most, as the checkpoints are small or large. */
  checkpointEveryJournalBytesMin: number;
  checkpointEveryJournalBytes: number;
  /** First read of a tail at recovery. */
  recoveryProbeBytes: number;
  /** Zeroes written ahead of small frames on space that was never written. 0: none. */
  zeroAheadBytes: number;
}

const KIB = 1024;
const MIB = 1024 * KIB;

/** What a store uses unless told otherwise. */
export const DEFAULT_LIMITS: StorageLimits = {
  fileBytesMin: 16 * MIB,
  fileBytesMax: 1024 * MIB,
  fileShare: 32,
  extentBytesMin: 4 * KIB,
  extentBytesMax: 10 * MIB,
  journalExtentBytesMin: 64 * KIB,
  frameBytesTarget: 256 * KIB,
  homeBytesMin: 512 * KIB,
  awayBytesMax: 48 * MIB,
  homingBytesMax: 16 * MIB,
  batchBytesMax: 256 * MIB,
  pendingBytesMax: 64 * MIB,
  takeOffBytes: 1 * MIB,
  takeOffSyncedBytes: 8 * MIB,
  chunkBytes: 4 * MIB,
  chunksKept: 16,
  indexStrideBytes: 64 * KIB,
  checkpointEveryBytes: 256 * MIB,
  checkpointEveryJournalBytesMin: 8 * MIB,
  checkpointEveryJournalBytes: 64 * MIB,
  recoveryProbeBytes: 4 * KIB,
  zeroAheadBytes: MIB,
};

/** Limits so small that a short test reaches all of them. */
export const TINY_LIMITS: StorageLimits = {
  fileBytesMin: 32 * KIB,
  fileBytesMax: 64 * KIB,
  fileShare: 4,
  extentBytesMin: 4 * KIB,
  extentBytesMax: 16 * KIB,
  journalExtentBytesMin: 4 * KIB,
  frameBytesTarget: 1 * KIB,
  homeBytesMin: 2 * KIB,
  awayBytesMax: 12 * KIB,
  homingBytesMax: 3 * KIB,
  batchBytesMax: 96 * KIB,
  pendingBytesMax: 16 * KIB,
  takeOffBytes: 2 * KIB,
  takeOffSyncedBytes: 4 * KIB,
  chunkBytes: 8 * KIB,
  chunksKept: 2,
  indexStrideBytes: 512,
  checkpointEveryBytes: 24 * KIB,
  checkpointEveryJournalBytesMin: 16 * KIB,
  checkpointEveryJournalBytes: 16 * KIB,
  recoveryProbeBytes: 256,
  zeroAheadBytes: 8 * KIB,
};

/** Extents start and end on multiples of this. */
export const EXTENT_ALIGN_BYTES = 4 * KIB;

/** {@link DEFAULT_LIMITS} with some replaced, checked against each other. */
export function resolveLimits(given: Partial<StorageLimits> = {}): StorageLimits {
  const limits = { ...DEFAULT_LIMITS, ...given };
  assert(limits.fileBytesMin <= limits.fileBytesMax, "files: min ≤ max");
  assert(limits.extentBytesMin <= limits.extentBytesMax, "extents: min ≤ max");
  assert(limits.journalExtentBytesMin <= limits.extentBytesMax, "the journal's extents: min ≤ max");
  assert(limits.extentBytesMax <= limits.fileBytesMax, "an extent fits into a file");
  assert(limits.extentBytesMin % EXTENT_ALIGN_BYTES === 0, "extents are aligned");
  assert(limits.fileBytesMin % EXTENT_ALIGN_BYTES === 0, "files are aligned");
  assert(limits.chunkBytes >= 4 * FRAME_HEADER_BYTES, "a staging buffer holds a frame");
  assert(limits.frameBytesTarget <= limits.chunkBytes, "a frame fits into a staging buffer");
  assert(limits.recoveryProbeBytes >= FRAME_HEADER_BYTES, "a probe sees a frame's header");
  return limits;
}

/** The next multiple of {@link EXTENT_ALIGN_BYTES}. */
export function alignExtent(bytes: number): number {
  return Math.ceil(bytes / EXTENT_ALIGN_BYTES) * EXTENT_ALIGN_BYTES;
}
