/**
 * What a node is told: its configuration, with the bounds that belong together asserted together.
 *
 * @module
 */

import type { Durability, StorageLimits } from "../storage/mod.ts";
import { type Address, assert } from "../world/mod.ts";

/** Everything that `startNode` needs to know besides its world. */
export interface NodeConfig {
  /** 1 to 2^31 − 1, unique in the cluster. */
  nodeId: number;
  /** Where other nodes reach this one; port 0 lets the system choose. */
  raft: Address;
  /** The host that others are told, where it differs from the one that is bound. */
  raftAdvertiseHost: string;
  /** Where clients reach this node. */
  client: Address;
  /** Any member of the cluster to join; without it an empty directory becomes a cluster of one. */
  join: Address | null;
  /** Wished replicas of a new segment. */
  replicationFactor: number;
  durability: Durability;
  /** Entries at which an open segment is sealed. */
  maxSegmentEntries: number;
  /** Payload bytes at which an open segment is sealed. */
  maxSegmentBytes: number;
  /** How often full segments are looked for besides at the append that fills them, milliseconds. */
  monitorCheckMs: number;
  /** How long the leader of a segment may be silent before others seal its segments, milliseconds. */
  failoverMs: number;
  /** How long a node may be silent before what it holds is copied to others, milliseconds. */
  repairAfterMs: number;
  /**
   * How much of what is held is read through each second in search of rot, bytes; 0: nothing.
   * {@link SCRUB_BYTES_PER_SECOND_DEFAULT} unless given.
   */
  scrubBytesPerSecond?: number;
  /** Largest frame that a client may send, bytes. */
  maxFrameBytes: number;
  /** For `METRICS` and handshakes. */
  version: string;
  /** Bounds that no flag sets: a simulation makes them so small that it meets each of them. */
  bounds?: NodeBounds;
}

/** See {@link NodeConfig.bounds}. What is left out is as usual. */
export interface NodeBounds {
  storage?: Partial<StorageLimits>;
  /** What a store holds back, bytes (storage/reserve.ts); nothing where only `storage` is given. */
  reserve?: { bytes: number; aheadBytes: { min: number; max: number } };
  /** Entries of the metadata log between two snapshots of it. */
  raftSnapshotEntries?: number;
  /** Bytes of records in one message to another replica; more where one append is longer. */
  messageBytes?: number;
}

/** Largest node id. */
export const NODE_ID_MAX = 2 ** 31 - 1;
/** What `failoverMs` is unless told otherwise: several signs of life (one each 250 ms) fit into it. */
export const FAILOVER_MS_DEFAULT = 1000;
/** What `repairAfterMs` is unless told otherwise: a restart or an upgrade is no reason to copy everything. */
export const REPAIR_AFTER_MS_DEFAULT = 60_000;
/** What `scrubBytesPerSecond` is unless told otherwise: 86 GB a day. */
export const SCRUB_BYTES_PER_SECOND_DEFAULT = 1_000_000;
/** How often a lease that ended is looked at besides at changes of metadata, milliseconds (DESIGN.md §6). */
export const LEASE_CHECK_MS = 100;
/** How long after the last word of a Raft majority a node may still append, milliseconds. */
export const LEASE_MS = 1500;
/** Longest that a request may wait for a leader, a seal or a majority before its `ERR`, milliseconds. */
export const REQUEST_TIMEOUT_MS = 5000;
/** Longest that another node may take to read or copy a whole segment, milliseconds. */
export const COMPLETE_TIMEOUT_MS = 60_000;
/** Longest that a planned stop waits for the others to have heard of it, milliseconds. */
export const LEAVE_TIMEOUT_MS = 500;
/** Longest that it waits then for its segments to be handed over, milliseconds. */
export const HANDOVER_TIMEOUT_MS = 2000;
/** Longest that it waits then for another node to lead Raft, milliseconds. */
export const TRANSFER_TIMEOUT_MS = 1000;
/** Longest that it waits then for requests to be answered, milliseconds. */
export const DRAIN_TIMEOUT_MS = 1000;
/** Longest that it waits then for the segments that it got meanwhile to be handed over, milliseconds. */
export const LAST_HANDOVER_TIMEOUT_MS = 1000;
/** Longest that it waits then for its last answers to arrive, milliseconds. */
export const FAREWELL_TIMEOUT_MS = 2000;
/** All of these together: who kills what hasn't stopped after ten seconds leaves two for what is written then. */
const STOP_MS_MAX = 8000;
/** Payload bytes in the answer to one take or read between nodes, bytes. */
export const READ_BYTES_MAX = 1024 * 1024;
/** Entries in the answer to one take. */
export const TAKE_ENTRIES_MAX = 4096;

/** Throws where a configuration contradicts itself: flags are checked before, so this is a bug. */
export function checkConfig(config: NodeConfig): void {
  assert(config.nodeId >= 1 && config.nodeId <= NODE_ID_MAX, "the node id is in range");
  assert(config.maxSegmentEntries >= 1, "a segment holds at least one entry");
  assert(config.replicationFactor >= 1, "a segment has at least one replica");
  assert(config.failoverMs < config.repairAfterMs, "leaders are replaced before replicas are");
  assert(LEASE_CHECK_MS < LEASE_MS, "a lease is looked at more often than it ends");
  assert(LEASE_MS < REQUEST_TIMEOUT_MS, "a request outlives the lease that it may wait for");
  const stopMs = LEAVE_TIMEOUT_MS + HANDOVER_TIMEOUT_MS + TRANSFER_TIMEOUT_MS + DRAIN_TIMEOUT_MS +
    LAST_HANDOVER_TIMEOUT_MS + FAREWELL_TIMEOUT_MS;
  assert(stopMs < STOP_MS_MAX, "a stop is over before anybody loses patience");
}
