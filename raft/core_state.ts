/**
 * Everything that one node's core knows, and the few moves that all its parts share: sending, changing
 * role, appending. The rules for each kind of message stand in the files beside it (election.ts,
 * replication.ts …) as functions of this state; core.ts is the face.
 *
 * @module
 */

import { assert, type Random } from "../world/mod.ts";
import { ConfigHistory } from "./config_history.ts";
import type { CoreLimits } from "./limits.ts";
import {
  type Configuration,
  EMPTY_CONFIGURATION,
  isMember,
  isVoter,
  members,
} from "./membership.ts";
import type { Entry, EntryKind, HardState, Message, ReadGrant, Snapshot } from "./messages.ts";
import { Progress } from "./progress.ts";
import { entryBytes, RaftLog } from "./raft_log.ts";
import type { SafetyRules } from "./rules.ts";

/** What a node is in its term; a `preCandidate` asks whether a campaign would be heard. */
export type Role = "follower" | "preCandidate" | "candidate" | "leader";

/** Nobody, where a node id is expected. */
export const NOBODY = 0;

/** What a node finds on its disk. */
export interface RestoredState {
  /** Term, vote and what is known to be committed. */
  readonly hardState: HardState;
  /** The last snapshot, taken or installed. */
  readonly snapshot: Snapshot | null;
  /** Consecutive; they follow the snapshot, or start at 1. */
  readonly entries: readonly Entry[];
}

/** A read that waits for the leader to be confirmed. */
export interface PendingRead {
  readonly from: number;
  readonly requestId: number;
  readonly index: number;
  /** The first round that was sent after the read arrived. */
  readonly round: number;
}

/** A snapshot that is coming in, piece by piece. */
export interface IncomingSnapshot {
  readonly leaderTerm: number;
  readonly index: number;
  readonly indexTerm: number;
  readonly totalBytes: number;
  readonly pieces: Uint8Array[];
  receivedBytes: number;
}

/** Of any message, without the fields that the state fills in. */
type Unsent<M> = M extends Message ? Omit<M, "from" | "term"> & { term?: number } : never;

export class CoreState {
  readonly id: number;
  readonly limits: CoreLimits;
  readonly rules: SafetyRules;
  readonly #random: Random;

  term: number;
  vote: number;
  leader = NOBODY;
  role: Role = "follower";

  readonly log: RaftLog;
  readonly configs: ConfigHistory;
  /** The last snapshot, taken here or installed: what lagging followers get. */
  snapshot: Snapshot | null;

  /** Ticks since a leader was heard (leader: since the quorum was last checked). */
  electionElapsed = 0;
  heartbeatElapsed = 0;
  electionTimeout = 0;
  /** Answers to the election that runs. */
  votes = new Map<number, boolean>();
  /** The election that runs was asked for by the old leader. */
  transferElection = false;

  /** On the leader: every other member. */
  progress = new Map<number, Progress>();
  /** On the leader: who shall lead next; proposals wait for it. */
  transferee = NOBODY;
  /** On the leader: bytes that wait for a majority. */
  uncommittedBytes = 0;
  /** On the leader: the last heartbeat round that was sent. */
  round = 0;
  /** On the leader: the last round that a quorum answered. */
  quorumRound = 0;
  pendingReads: PendingRead[] = [];
  /** Reads that arrived before this leader committed an entry of its own. */
  earlyReads: { from: number; requestId: number }[] = [];

  incoming: IncomingSnapshot | null = null;

  messages: Message[] = [];
  messagesWhenDurable: Message[] = [];
  readGrants: ReadGrant[] = [];
  /** To be persisted with the next `Ready`. */
  unsavedSnapshot: { snapshot: Snapshot; installed: boolean } | null = null;
  /** To be installed in the state machine with the next `Ready`. */
  uninstalled: Snapshot | null = null;

  constructor(options: {
    id: number;
    random: Random;
    limits: CoreLimits;
    rules: SafetyRules;
    restored: RestoredState;
  }) {
    const { hardState, snapshot, entries } = options.restored;
    this.id = options.id;
    this.limits = options.limits;
    this.rules = options.rules;
    this.#random = options.random;
    this.term = hardState.term;
    this.vote = hardState.vote;
    this.snapshot = snapshot;
    const base = snapshot ?? { index: 0, term: 0 };
    this.log = new RaftLog(base, {
      entries,
      committed: Math.max(hardState.committed, base.index),
      applied: base.index,
    });
    this.configs = new ConfigHistory(
      { index: base.index, config: snapshot?.config ?? EMPTY_CONFIGURATION },
      entries,
    );
    assert(this.log.lastTerm <= this.term, "the term is as new as the log");
    this.resetElectionTimer();
    // A whole cluster that starts should not wait for a full timeout; pre-votes keep a single node that
    // restarts from doing harm with the shorter one.
    this.electionTimeout = Math.max(
      this.limits.heartbeatTicks + 1,
      this.electionTimeout - this.limits.electionTicks + 1,
    );
  }

  get config(): Configuration {
    return this.configs.current;
  }

  /**
   * Whether this node may campaign: it votes in a configuration that may still count. Not only in the
   * last one (thesis §4.2.2): a leader that removes itself appends the configuration without it, and is
   * cut off; the others still need its vote for the joint one, but its log is longer, so it can't be
   * given. If it didn't campaign, nobody could win.
   */
  get electable(): boolean {
    return this.configs.since(this.log.committed).some((config) => isVoter(config, this.id));
  }

  /** Sends when the core is next asked; for what promises nothing about this node's disk. */
  send(message: Unsent<Message>): void {
    this.messages.push({ ...message, from: this.id, term: message.term ?? this.term } as Message);
  }

  /** Sends once all that was changed before is durable: votes, and acknowledgements of entries. */
  sendWhenDurable(message: Unsent<Message>): void {
    this.messagesWhenDurable.push(
      { ...message, from: this.id, term: message.term ?? this.term } as Message,
    );
  }

  /** Entries up to `index` are here; the leader may count on it once they are durable. */
  acknowledge(to: number, index: number): void {
    this.sendWhenDurable({
      type: "AppendReply",
      to,
      rejected: false,
      index,
      hintIndex: 0,
      hintTerm: 0,
    });
  }

  /** `leader` is {@link NOBODY} while it isn't known. */
  becomeFollower(term: number, leader: number): void {
    assert(term >= this.term, "terms never go back");
    if (term > this.term) {
      this.term = term;
      this.vote = NOBODY;
    }
    this.role = "follower";
    this.#leaveRole();
    this.leader = leader;
  }

  becomePreCandidate(): void {
    // Neither the term nor the vote changes: that is the point of it (thesis §9.6).
    this.role = "preCandidate";
    this.#leaveRole();
  }

  becomeCandidate(): void {
    this.term++;
    this.vote = this.id;
    this.role = "candidate";
    this.#leaveRole();
  }

  becomeLeader(): void {
    assert(this.role === "candidate", "only a candidate becomes leader");
    this.role = "leader";
    this.#leaveRole();
    this.leader = this.id;
    this.uncommittedBytes = 0;
    for (let i = this.log.committed + 1; i <= this.log.lastIndex; i++) {
      this.uncommittedBytes += entryBytes(this.log.entryAt(i)!);
    }
    this.followConfig();
    // An entry of its own term, by which everything before it can be committed (thesis §6.4).
    this.appendOwn("noop", new Uint8Array(0));
  }

  #leaveRole(): void {
    this.leader = NOBODY;
    this.resetElectionTimer();
    this.heartbeatElapsed = 0;
    this.votes = new Map();
    this.transferElection = false;
    this.progress = new Map();
    this.transferee = NOBODY;
    this.round = 0;
    this.quorumRound = 0;
    // Who asked will ask again; nothing was promised.
    this.pendingReads = [];
    this.earlyReads = [];
  }

  /** A new random timeout from now on (thesis §3.4). */
  resetElectionTimer(): void {
    this.electionElapsed = 0;
    this.electionTimeout = this.limits.electionTicks +
      this.#random.below(this.limits.electionTicks);
  }

  /** As the leader: one entry at the end of the log. */
  appendOwn(kind: EntryKind, data: Uint8Array): Entry {
    const entry: Entry = { index: this.log.lastIndex + 1, term: this.term, kind, data };
    this.uncommittedBytes += entryBytes(entry);
    this.appendEntries([entry]);
    return entry;
  }

  appendEntries(entries: readonly Entry[]): void {
    this.log.append(entries);
    let changed = false;
    for (const entry of entries) if (this.configs.onAppend(entry)) changed = true;
    if (changed) this.followConfig();
  }

  truncateFrom(index: number): void {
    this.log.truncateFrom(index);
    this.configs.onTruncate(index);
  }

  /** As the leader: progress for exactly the other members. */
  followConfig(): void {
    if (this.role !== "leader") return;
    for (const id of this.progress.keys()) {
      if (!isMember(this.config, id)) this.progress.delete(id);
    }
    for (const id of members(this.config)) {
      if (id !== this.id && !this.progress.has(id)) {
        this.progress.set(
          id,
          new Progress({ next: this.log.lastIndex + 1, match: 0, limits: this.limits }),
        );
      }
    }
    if (this.transferee !== NOBODY && !this.config.voters.includes(this.transferee)) {
      this.transferee = NOBODY;
    }
  }

  /** As the leader: the last entry that is durable on a member, itself included. */
  matchOf(id: number): number {
    return id === this.id ? this.log.stable : this.progress.get(id)?.match ?? 0;
  }
}
