/**
 * What goes into the Raft core and what comes out of it: entries, messages, `Ready`.
 *
 * @module
 */

import type { Configuration } from "./membership.ts";

/** `command`: the state machine's; `noop`: a new leader's first entry (thesis §6.4); `config`: membership. */
export type EntryKind = "command" | "noop" | "config";

/** One entry of the replicated log. Never changed after it was made. */
export interface Entry {
  readonly index: number;
  readonly term: number;
  readonly kind: EntryKind;
  readonly data: Uint8Array;
}

/** What must survive a crash besides entries and snapshots (paper, figure 2). */
export interface HardState {
  readonly term: number;
  /** Whom this node voted for in `term`; 0: nobody. */
  readonly vote: number;
  /** Not needed for safety; lets a restarted node apply what it knew to be committed. */
  readonly committed: number;
}

/** The state machine's state after `index`, with what the log must know about that place. */
export interface Snapshot {
  readonly index: number;
  readonly term: number;
  /** The configuration as of `index`. */
  readonly config: Configuration;
  readonly data: Uint8Array;
}

interface Envelope {
  readonly from: number;
  readonly to: number;
  /** The sender's term; for a pre-vote and its grant the term that would be campaigned for. */
  readonly term: number;
}

/** Asks for a vote, or whether one would be given (`preVote`, thesis §9.6). */
export interface VoteRequest extends Envelope {
  readonly type: "VoteRequest";
  readonly preVote: boolean;
  /** The leader asked for this election: its lease is no reason to refuse (thesis §4.2.3). */
  readonly transfer: boolean;
  readonly lastIndex: number;
  readonly lastTerm: number;
}

export interface VoteReply extends Envelope {
  readonly type: "VoteReply";
  readonly preVote: boolean;
  readonly granted: boolean;
}

/** AppendEntries of the paper's figure 2; empty to probe or to tell the committed index. */
export interface AppendRequest extends Envelope {
  readonly type: "AppendRequest";
  readonly prevIndex: number;
  readonly prevTerm: number;
  readonly committed: number;
  readonly entries: readonly Entry[];
}

/**
 * `rejected: false`: everything up to `index` equals the leader's log and is durable here.
 * `rejected: true`: there is no entry (`index`, its term) here; the follower's log is worth trying at
 * `hintIndex`, whose term is `hintTerm`.
 */
export interface AppendReply extends Envelope {
  readonly type: "AppendReply";
  readonly rejected: boolean;
  readonly index: number;
  readonly hintIndex: number;
  readonly hintTerm: number;
}

/**
 * Keeps followers from campaigning, and asks them to confirm the leader (`round`, thesis §6.4). `committed`: not more
 * than the receiver has acknowledged to this leader. Who has less than that has lost it.
 */
export interface Heartbeat extends Envelope {
  readonly type: "Heartbeat";
  readonly committed: number;
  readonly round: number;
}

export interface HeartbeatReply extends Envelope {
  readonly type: "HeartbeatReply";
  readonly round: number;
}

/** One piece of a snapshot (paper, figure 13). */
export interface SnapshotChunk extends Envelope {
  readonly type: "SnapshotChunk";
  readonly index: number;
  readonly indexTerm: number;
  readonly config: Configuration;
  readonly totalBytes: number;
  readonly offset: number;
  readonly data: Uint8Array;
}

/** Which piece the receiver wants next; nothing about durability. */
export interface SnapshotReply extends Envelope {
  readonly type: "SnapshotReply";
  readonly index: number;
  readonly nextOffset: number;
}

/** Leadership transfer: campaign at once (thesis §3.10). */
export interface TimeoutNow extends Envelope {
  readonly type: "TimeoutNow";
}

/** A follower asks for a read index on behalf of its readers (thesis §6.4). */
export interface ReadRequest extends Envelope {
  readonly type: "ReadRequest";
  readonly requestId: number;
}

export interface ReadReply extends Envelope {
  readonly type: "ReadReply";
  readonly requestId: number;
  readonly index: number;
}

export type Message =
  | VoteRequest
  | VoteReply
  | AppendRequest
  | AppendReply
  | Heartbeat
  | HeartbeatReply
  | SnapshotChunk
  | SnapshotReply
  | TimeoutNow
  | ReadRequest
  | ReadReply;

/**
 * Says which write finished; `RaftCore.onPersisted` takes it back. The ABA story that it guards against:
 * a follower has entry (index 5, term 1) on its way to disk. A leader of term 2 replaces it by (5, 2),
 * also on its way; then a leader of term 3, which has (5, 1), replaces it again. Now the first write
 * finishes. Index and entry term fit what the log holds, but on disk (5, 2) may still come: were the
 * entry taken as durable, a crash would turn an acknowledged (5, 1) into (5, 2). So a completion
 * also names the node's term when it was handed out: a log is cut at most once in a term (one leader
 * never contradicts itself), so with that term unchanged and the last entry as it was, all of it is. A
 * completion that is dropped is no loss: the new term, or the new entries, were handed out after it and
 * their completion covers everything before.
 */
export interface Completion {
  /** The node's term when the write was handed out. */
  readonly term: number;
  /** Last entry of the log when the write was handed out. */
  readonly index: number;
  /** Term of that entry. */
  readonly indexTerm: number;
}

/** One write for the disk. Writes are done in the order in which they were handed out. */
export interface Persist {
  readonly hardState: HardState | null;
  /** Consecutive; the first one may stand before the end of what is on disk, and then cuts it. */
  readonly entries: readonly Entry[];
  readonly snapshot: PersistSnapshot | null;
  readonly completion: Completion;
}

export interface PersistSnapshot {
  readonly snapshot: Snapshot;
  /** From the leader: all entries on disk are void. Otherwise taken here: entries behind it stay. */
  readonly installed: boolean;
  /** Entries before this index are no longer wanted once the snapshot is durable. */
  readonly keepFrom: number;
}

/** A read that may be answered once the state machine has applied `index`. */
export interface ReadGrant {
  readonly requestId: number;
  readonly index: number;
}

/** What the world has to do now, in any order but as each field says. */
export interface Ready {
  /** To be made durable; `onPersisted(persist.completion)` when it is. */
  readonly persist: Persist | null;
  /** May leave at once. */
  readonly messages: readonly Message[];
  /** May leave when this `persist` and all before it are durable. */
  readonly messagesWhenDurable: readonly Message[];
  /** The state machine starts over from here, before `committed`. */
  readonly install: Snapshot | null;
  /** To be applied, in order. The core counts them as applied from now on. */
  readonly committed: readonly Entry[];
  readonly reads: readonly ReadGrant[];
}
