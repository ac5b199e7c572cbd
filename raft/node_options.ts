/**
 * What a Raft node is made from.
 *
 * @module
 */

import type { LogStore } from "../storage/types.ts";
import type { Clock, Logger, Random } from "../world/mod.ts";
import type { CoreLimits } from "./limits.ts";
import type { RaftStatus } from "./status.ts";

export const DEFAULT_TICK_MS = 50;
/** A snapshot is taken after so many applied entries … */
export const DEFAULT_SNAPSHOT_ENTRIES = 1024;
/** … or so many bytes of them; later when the state is large (snapshot_policy.ts). */
export const DEFAULT_SNAPSHOT_BYTES = 4 * 1024 * 1024;

/** What the group agrees on: a deterministic function of its commands. It must not throw. */
export interface StateMachine {
  /** Applies one committed command; the value is handed to the proposer on this node. */
  apply(index: number, command: Uint8Array): unknown;
  /** All of its state, at most 256 MiB. */
  snapshot(): Uint8Array;
  /** Becomes what `snapshot` described; an empty one is the state before the first command. It
   * covers every command up to `index`. */
  restore(snapshot: Uint8Array, index: number): void;
  /**
   * The snapshot up to `index`, restored or taken before, is on this node's disk: a later process of it begins
   * there, or further on. (A restored one may be called that only some time after `restore`.)
   */
  snapshotIsDurable?(index: number): void;
}

/** What {@link RaftNode.open} needs: an identity, a world, and what to do with commands. */
export interface RaftOptions {
  /** 1 to 4294967295. */
  id: number;
  /** Its log `raft/log` belongs to this node. */
  store: LogStore;
  /** Ticks and deadlines are measured by it. */
  clock: Clock;
  /** Election timeouts and read requests are drawn from it. */
  random: Random;
  /** Told what people should know. */
  logger: Logger;
  /** Gets every committed command, in order. */
  stateMachine: StateMachine;
  /** Best effort; the message may be lost, doubled or late, but not changed. */
  send(to: number, message: Uint8Array): void;
  /** With an empty log: become the sole voter of a new group. Otherwise wait to be added. */
  bootstrap?: boolean;
  /** Milliseconds of a tick, 50 unless given; a leader is missed after 10 to 20 of them. */
  tickMs?: number;
  /** Entries between two snapshots. */
  snapshotEntries?: number;
  /** Bytes of entries between two snapshots. */
  snapshotBytes?: number;
  /** Bounds of the core, for tests and tuning. */
  limits?: Partial<CoreLimits>;
  /** After anything that `RaftStatus` shows has changed. It must not call back into the node at once. */
  onStatus?(status: RaftStatus): void;
}

/** How long to wait, milliseconds. */
export interface WaitOptions {
  /** Milliseconds until the wait is given up. */
  timeoutMs: number;
}
