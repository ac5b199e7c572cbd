/**
 * What a Raft node shows of itself: a small status for those who act on it, and the whole state for
 * `METRICS`, the simulator and people with a problem.
 *
 * @module
 */

import type { RaftCore } from "./core.ts";
import type { Role } from "./core_state.ts";
import { type Configuration, isMember, isVoter } from "./membership.ts";
import type { ProgressState } from "./progress.ts";

/** One follower as the leader sees it. */
export interface PeerProgress {
  /** How it is sent to: progress.ts. */
  readonly state: ProgressState;
  /** Last entry known to be durable there. */
  readonly match: number;
  /** Next entry to send. */
  readonly next: number;
  /** Append messages under way. */
  readonly inflightMessages: number;
  /** Bytes of entries under way. */
  readonly inflightBytes: number;
  /** It was heard since the quorum was last checked. */
  readonly recentlyActive: boolean;
  /** While it gets a snapshot: bytes that it has. */
  readonly snapshotOffset: number | null;
}

/** How a node stands now. A value; it doesn't change later. */
export interface RaftStatus {
  /** Of this node. */
  readonly id: number;
  /** What it is in its term. */
  readonly role: Role;
  /** The latest term that it knows. */
  readonly term: number;
  /** `null` while none is known. */
  readonly leader: number | null;
  /** Last entry of the log. */
  readonly lastIndex: number;
  /** Last entry known to be committed. */
  readonly committed: number;
  /** Last entry that the state machine has. */
  readonly applied: number;
  /** The index of the last snapshot, 0 without one. */
  readonly snapshotIndex: number;
  /** The last one in the log, committed or not. */
  readonly config: Configuration;
  /** Whether `config` is committed, as far as this node knows. */
  readonly configCommitted: boolean;
  /** Whether this node is a part of `config`. */
  readonly member: boolean;
  /** Whether it votes there. */
  readonly voter: boolean;
  /** On the leader: every other member; empty elsewhere. */
  readonly progress: ReadonlyMap<number, PeerProgress>;
  /** Why the node stopped working, if it did: only a restart helps. */
  readonly failure: Error | null;
  /**
   * Milliseconds since a majority was certainly heard: on the leader since the sending of the last
   * heartbeat round that a quorum answered (0 for a sole voter), on a follower since the last message of
   * the current leader. `Infinity` when never.
   */
  quorumContactMs(): number;
}

/** The parts of a status that come from the core. */
export function coreStatus(core: RaftCore): Omit<RaftStatus, "failure" | "quorumContactMs"> {
  const { state } = core;
  return {
    id: state.id,
    role: state.role,
    term: state.term,
    leader: core.leader,
    lastIndex: state.log.lastIndex,
    committed: state.log.committed,
    applied: state.log.applied,
    snapshotIndex: state.snapshot?.index ?? 0,
    config: state.config,
    configCommitted: state.configs.index <= state.log.committed,
    member: isMember(state.config, state.id),
    voter: isVoter(state.config, state.id),
    progress: peerProgress(core),
  };
}

function peerProgress(core: RaftCore): ReadonlyMap<number, PeerProgress> {
  const peers = new Map<number, PeerProgress>();
  for (const [id, progress] of core.state.progress) {
    peers.set(id, {
      state: progress.state,
      match: progress.match,
      next: progress.next,
      inflightMessages: progress.inflight.count,
      inflightBytes: progress.inflight.bytes,
      recentlyActive: progress.recentlyActive,
      snapshotOffset: progress.snapshot && progress.snapshotOffset,
    });
  }
  return peers;
}

/** The core's whole state as a value that JSON can hold. */
export function introspectCore(core: RaftCore): Record<string, unknown> {
  const { state } = core;
  const { log } = state;
  return {
    ...coreStatus(core),
    progress: Object.fromEntries(peerProgress(core)),
    vote: state.vote === 0 ? null : state.vote,
    log: {
      baseIndex: log.baseIndex,
      lastIndex: log.lastIndex,
      lastTerm: log.lastTerm,
      committed: log.committed,
      applied: log.applied,
      stable: log.stable,
      entries: log.length,
    },
    configIndex: state.configs.index,
    electionElapsed: state.electionElapsed,
    electionTimeout: state.electionTimeout,
    votes: Object.fromEntries(state.votes),
    transferee: state.transferee === 0 ? null : state.transferee,
    uncommittedBytes: state.uncommittedBytes,
    round: state.round,
    quorumRound: state.quorumRound,
    pendingReads: state.pendingReads.length + state.earlyReads.length,
    incomingSnapshot: state.incoming && {
      index: state.incoming.index,
      receivedBytes: state.incoming.receivedBytes,
      totalBytes: state.incoming.totalBytes,
    },
    snapshotBytes: state.snapshot?.data.length ?? 0,
  };
}

/** Another one where anything has changed that owners of a node are told of. */
export function statusKey(core: RaftCore, failure: Error | null): string {
  const { role, state } = core;
  return `${role} ${state.term} ${state.leader} ${state.configs.index} ` +
    `${state.log.committed} ${state.log.applied} ${failure !== null}`;
}
