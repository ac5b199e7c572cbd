/**
 * Every bound of the Raft part, in one place, because they depend on each other.
 *
 * @module
 */

import { assert } from "../world/mod.ts";

/** Longest command of the state machine. */
export const MAX_COMMAND_BYTES = 1024 * 1024;
/** Proposals that wait for an answer on one node. */
export const MAX_WAITING_PROPOSALS = 100_000;
/** Readers that wait on one node. */
export const MAX_WAITING_READS = 100_000;
/** Longest message that is accepted from the network. */
export const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;
/** Largest snapshot of the state machine: metadata is small, and this is held in memory. */
export const MAX_SNAPSHOT_BYTES = 256 * 1024 * 1024;
/** A term above this is not from a group of ours, and would leave none to come. */
export const MAX_TERM = 2 ** 48;
/** What an entry is charged besides its data, so that empty ones are not free. */
export const ENTRY_OVERHEAD_BYTES = 32;

/** Bounds and times of one node's core; times are in ticks. */
export interface CoreLimits {
  /** A follower campaigns after this many to twice as many ticks without a leader. */
  readonly electionTicks: number;
  /** The leader is heard so often. */
  readonly heartbeatTicks: number;
  /** Append messages on their way to one follower. */
  readonly inflightMessages: number;
  /** Bytes of entries on their way to one follower. */
  readonly inflightBytes: number;
  /** Bytes of entries in one append message (one entry may exceed it). */
  readonly appendBytes: number;
  /** Bytes of proposals that wait for a majority. */
  readonly uncommittedBytes: number;
  /** Entries that stay behind a snapshot for followers that lag a little. */
  readonly retainEntries: number;
  /** Bytes of such entries. */
  readonly retainBytes: number;
  /** Bytes of a snapshot in one message. */
  readonly snapshotChunkBytes: number;
  /** Committed entries in one `Ready`. */
  readonly applyEntries: number;
  /** Reads that wait for a confirmation of the leader. */
  readonly pendingReads: number;
  /** A learner this many entries behind the leader may be promoted. */
  readonly promotionLag: number;
}

export const DEFAULT_LIMITS: CoreLimits = {
  electionTicks: 10,
  heartbeatTicks: 3,
  inflightMessages: 64,
  inflightBytes: 8 * 1024 * 1024,
  appendBytes: 512 * 1024,
  uncommittedBytes: 32 * 1024 * 1024,
  retainEntries: 512,
  retainBytes: 8 * 1024 * 1024,
  snapshotChunkBytes: 256 * 1024,
  applyEntries: 2048,
  pendingReads: 10_000,
  promotionLag: 1000,
};

/** Bounds that depend on each other, checked together. */
export function checkLimits(limits: CoreLimits): CoreLimits {
  assert(limits.heartbeatTicks >= 1, "heartbeats are sent");
  assert(limits.electionTicks > limits.heartbeatTicks, "heartbeats come faster than elections");
  assert(limits.appendBytes + MAX_COMMAND_BYTES + 64 * 1024 <= MAX_MESSAGE_BYTES, "appends fit");
  assert(limits.snapshotChunkBytes + 64 * 1024 <= MAX_MESSAGE_BYTES, "snapshot pieces fit");
  assert(limits.inflightMessages >= 1 && limits.inflightBytes >= 1, "windows are open");
  assert(limits.retainEntries >= 0 && limits.applyEntries >= 1, "entries can be kept and applied");
  return limits;
}
