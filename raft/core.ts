/**
 * The Raft core as a value machine: `tick`, `step`, `propose` and the like go in, `takeReady` says what
 * the world has to do. It does no I/O, reads no clock and makes no promise; the same inputs, with the
 * same random numbers, give the same outputs.
 *
 * @module
 */

import { assert, type Random, unreachable } from "../world/mod.ts";
import { encodeConfiguration } from "./config_history.ts";
import { CoreState, NOBODY, type RestoredState, type Role } from "./core_state.ts";
import {
  campaign,
  handleTimeoutNow,
  handleVoteReply,
  handleVoteRequest,
  isLeaseHeld,
  onOwnVoteDurable,
  tickElection,
} from "./election.ts";
import { broadcastHeartbeat, checkQuorum, handleHeartbeat } from "./heartbeat.ts";
import { checkLimits, type CoreLimits, DEFAULT_LIMITS, MAX_COMMAND_BYTES } from "./limits.ts";
import { configurationOf, type MembershipChange } from "./membership.ts";
import { type ChangeResult, proposeChange } from "./membership_change.ts";
import type { Completion, Entry, HardState, Message, Persist, Ready } from "./messages.ts";
import { entryBytes } from "./raft_log.ts";
import { confirmReads, handleRead, handleReadRequest } from "./read_index.ts";
import {
  flushAppends,
  handleAppend,
  handleAppendReply,
  handleHeartbeatReply,
  maybeCommit,
  maybeHandOver,
} from "./replication.ts";
import { RAFT_RULES, type SafetyRules } from "./rules.ts";
import { handleSnapshotChunk, handleSnapshotReply, tickSnapshots } from "./snapshot_transfer.ts";

/** What a core is made from. */
export interface CoreOptions {
  /** 1 to 4294967295. */
  readonly id: number;
  /** Election timeouts are drawn from it. */
  readonly random: Random;
  /** What the disk holds. */
  readonly restored: RestoredState;
  /** What is not given is as in {@link DEFAULT_LIMITS}. */
  readonly limits?: Partial<CoreLimits>;
  /** For the simulator, which plants bugs. */
  readonly rules?: SafetyRules;
}

/** Where proposals went, or why they went nowhere. */
export type Proposal =
  | { readonly ok: true; readonly firstIndex: number; readonly term: number }
  | { readonly ok: false; readonly reason: "notLeader" | "transferring" | "tooLarge" | "busy" };

/** What a new group starts from: one committed entry that says who votes. Equal on all first nodes. */
export function bootstrapState(voters: readonly number[]): RestoredState {
  return {
    hardState: { term: 1, vote: NOBODY, committed: 1 },
    snapshot: null,
    entries: [{
      index: 1,
      term: 1,
      kind: "config",
      data: encodeConfiguration(configurationOf(voters)),
    }],
  };
}

/** What a node starts from that waits to be added to a group. */
export const EMPTY_STATE: RestoredState = {
  hardState: { term: 0, vote: NOBODY, committed: 0 },
  snapshot: null,
  entries: [],
};

/** One member's part in Raft, without effects: see the head of this file. */
export class RaftCore {
  readonly #state: CoreState;
  #saved: HardState;

  /** Starts from what the disk holds. */
  constructor(options: CoreOptions) {
    this.#state = new CoreState({
      id: options.id,
      random: options.random,
      limits: checkLimits({ ...DEFAULT_LIMITS, ...options.limits }),
      rules: options.rules ?? RAFT_RULES,
      restored: options.restored,
    });
    this.#saved = options.restored.hardState;
  }

  /** Read it as you like, change nothing. */
  get state(): Readonly<CoreState> {
    return this.#state;
  }
  /** What it is in its term. */
  get role(): Role {
    return this.#state.role;
  }
  /** The latest term that it knows. */
  get term(): number {
    return this.#state.term;
  }
  /** `null` while nobody is known to lead. */
  get leader(): number | null {
    return this.#state.leader === NOBODY ? null : this.#state.leader;
  }

  /** Time has passed: call it at a steady pace. */
  tick(): void {
    const state = this.#state;
    if (state.role !== "leader") return tickElection(state);
    if (++state.electionElapsed >= state.limits.electionTicks) {
      state.electionElapsed = 0;
      // A successor that hasn't taken over by now won't: proposals go on here (thesis §3.10).
      state.transferee = NOBODY;
      checkQuorum(state);
      if ((state.role as Role) !== "leader") return;
    }
    tickSnapshots(state);
    if (++state.heartbeatElapsed >= state.limits.heartbeatTicks) {
      broadcastHeartbeat(state);
      confirmReads(state);
    }
  }

  /** Campaigns now instead of waiting for the timeout. */
  campaign(): void {
    if (this.#state.role !== "leader" && this.#state.electable) campaign(this.#state, "preVote");
  }

  /** One message from the network; those that mean nothing here are passed over. */
  step(message: Message): void {
    const state = this.#state;
    if (message.to !== state.id || message.from === state.id) return;
    if (message.term > state.term) {
      if (!this.#meetNewTerm(message)) return;
    } else if (message.term < state.term) {
      return this.#answerOldTerm(message);
    }
    this.#dispatch(message);
  }

  /** Whether the message is to be handled. */
  #meetNewTerm(message: Message): boolean {
    const state = this.#state;
    switch (message.type) {
      case "VoteRequest":
        if (isLeaseHeld(state, message)) return false;
        if (message.preVote) return true;
        state.becomeFollower(message.term, NOBODY);
        return true;
      case "VoteReply":
        // A granted pre-vote names the term that would come; nobody is in it yet.
        if (message.preVote && message.granted) return message.term === state.term + 1;
        state.becomeFollower(message.term, NOBODY);
        return true;
      case "AppendRequest":
      case "Heartbeat":
      case "SnapshotChunk":
        state.becomeFollower(message.term, message.from);
        return true;
      default:
        state.becomeFollower(message.term, NOBODY);
        return true;
    }
  }

  #answerOldTerm(message: Message): void {
    const state = this.#state;
    switch (message.type) {
      case "AppendRequest":
      case "Heartbeat":
      case "SnapshotChunk":
        // A leader of the past, or one whom this node has overtaken while it was cut off. It has to learn
        // of the term: with leases held, this node's votes are passed over and it could never come back.
        return state.send({
          type: "AppendReply",
          to: message.from,
          rejected: true,
          index: 0,
          hintIndex: 0,
          hintTerm: 0,
        });
      case "VoteRequest":
        return state.send({
          type: "VoteReply",
          to: message.from,
          preVote: message.preVote,
          granted: false,
        });
      case "ReadReply":
        // What was committed when an old leader was confirmed is no less committed now.
        return this.#grantRead(message.requestId, message.index);
      default:
        return;
    }
  }

  #dispatch(message: Message): void {
    const state = this.#state;
    const isLeader = state.role === "leader";
    switch (message.type) {
      case "VoteRequest":
        return handleVoteRequest(state, message);
      case "VoteReply":
        return handleVoteReply(state, message);
      case "AppendRequest":
        if (this.#follow(message.from)) handleAppend(state, message);
        return;
      case "Heartbeat":
        if (this.#follow(message.from)) handleHeartbeat(state, message);
        return;
      case "SnapshotChunk":
        if (this.#follow(message.from)) handleSnapshotChunk(state, message);
        return;
      case "AppendReply":
        if (isLeader) handleAppendReply(state, message);
        return;
      case "HeartbeatReply":
        if (isLeader) handleHeartbeatReply(state, message);
        return;
      case "SnapshotReply":
        if (isLeader) handleSnapshotReply(state, message);
        return;
      case "TimeoutNow":
        if (!isLeader) handleTimeoutNow(state);
        return;
      case "ReadRequest":
        if (isLeader) handleReadRequest(state, message);
        return;
      case "ReadReply":
        return this.#grantRead(message.requestId, message.index);
      default:
        unreachable(message);
    }
  }

  /** A leader of this term was heard. False when this node thinks that it leads the term itself. */
  #follow(leader: number): boolean {
    const state = this.#state;
    // Can't be among nodes that keep their promises: a node id that is used twice, most likely.
    if (state.role === "leader") return false;
    if (state.role !== "follower" || state.leader !== leader) {
      state.becomeFollower(state.term, leader);
    }
    state.electionElapsed = 0;
    return true;
  }

  #grantRead(requestId: number, index: number): void {
    this.#state.readGrants.push({ requestId, index });
  }

  /** Appends commands, all or none, if this node leads. */
  propose(commands: readonly Uint8Array[]): Proposal {
    const state = this.#state;
    if (state.role !== "leader") return { ok: false, reason: "notLeader" };
    if (state.transferee !== NOBODY) return { ok: false, reason: "transferring" };
    const entries: Entry[] = [];
    let bytes = 0;
    for (const data of commands) {
      if (data.length > MAX_COMMAND_BYTES) return { ok: false, reason: "tooLarge" };
      const entry: Entry = {
        index: state.log.lastIndex + 1 + entries.length,
        term: state.term,
        kind: "command",
        data,
      };
      entries.push(entry);
      bytes += entryBytes(entry);
    }
    // With nothing waiting, a batch over the bound is let in: it could never be otherwise.
    if (
      state.uncommittedBytes > 0 &&
      state.uncommittedBytes + bytes > state.limits.uncommittedBytes
    ) {
      return { ok: false, reason: "busy" };
    }
    const firstIndex = state.log.lastIndex + 1;
    state.uncommittedBytes += bytes;
    state.log.append(entries);
    return { ok: true, firstIndex, term: state.term };
  }

  /** As the leader: begins a membership change; the index of its entry, or why it can't be. */
  changeMembership(change: MembershipChange): ChangeResult {
    if (this.#state.role !== "leader") {
      return { ok: false, reason: "this node does not lead", mayRetry: false };
    }
    if (this.#state.transferee !== NOBODY) {
      return { ok: false, reason: "a transfer of leadership is under way", mayRetry: true };
    }
    return proposeChange(this.#state, change);
  }

  /** As the leader: lets voter `to` take over. Ends by itself within an election timeout. */
  transferLeadership(to: number): string | null {
    const state = this.#state;
    if (state.role !== "leader") return "this node does not lead";
    if (to === state.id) return null;
    if (!state.config.voters.includes(to)) return `node ${to} is not a voter`;
    state.transferee = to;
    state.electionElapsed = 0;
    maybeHandOver(state);
    return null;
  }

  /** Asks for a read index; a grant comes with a `Ready`, or none does: then ask again. */
  readIndex(requestId: number): boolean {
    const state = this.#state;
    if (state.role === "leader") return handleRead(state, { from: state.id, requestId });
    if (state.leader === NOBODY) return false;
    state.send({ type: "ReadRequest", to: state.leader, requestId });
    return true;
  }

  /** The state machine's snapshot after `index`, which is applied. The log before it may go. */
  compact(index: number, data: Uint8Array): void {
    const state = this.#state;
    assert(index <= state.log.applied, "a snapshot is of what is applied");
    const term = state.log.termAt(index);
    // Overtaken by a snapshot from the leader.
    if (term === undefined || index <= (state.snapshot?.index ?? 0)) return;
    const snapshot = { index, term, config: state.configs.at(index), data };
    state.snapshot = snapshot;
    const { retainEntries: entries, retainBytes: bytes } = state.limits;
    state.log.compactTo(state.log.retentionIndex(index, { entries, bytes }));
    state.configs.onCompact(state.log.baseIndex);
    state.unsavedSnapshot = {
      snapshot,
      installed: state.unsavedSnapshot?.installed ?? false,
    };
  }

  /** The disk has finished a write. */
  onPersisted(completion: Completion): void {
    const state = this.#state;
    if (completion.term !== state.term) return;
    state.log.stableTo({ index: completion.index, term: completion.indexTerm });
    if (state.role === "candidate") onOwnVoteDurable(state);
    else if (state.role === "leader") maybeCommit(state);
  }

  /** What is to be done now; `null` when nothing is. Call it until then. */
  takeReady(): Ready | null {
    const state = this.#state;
    if (state.role === "leader") flushAppends(state);
    const persist = this.#takePersist();
    const install = state.uninstalled;
    state.uninstalled = null;
    const committed = state.log.takeCommitted(state.limits.applyEntries);
    const { messages, messagesWhenDurable, readGrants: reads } = state;
    if (
      persist === null && install === null && committed.length === 0 && messages.length === 0 &&
      messagesWhenDurable.length === 0 && reads.length === 0
    ) return null;
    state.messages = [];
    state.messagesWhenDurable = [];
    state.readGrants = [];
    return { persist, messages, messagesWhenDurable, install, committed, reads };
  }

  #takePersist(): Persist | null {
    const state = this.#state;
    const { log } = state;
    const entries = log.handOut();
    const unsaved = state.unsavedSnapshot;
    state.unsavedSnapshot = null;
    const isNewTermOrVote = state.term !== this.#saved.term || state.vote !== this.#saved.vote;
    if (!isNewTermOrVote && entries.length === 0 && unsaved === null) return null;
    // The committed index rides along; it is not worth a sync of its own.
    const isNew = isNewTermOrVote || log.committed !== this.#saved.committed;
    if (isNew) {
      this.#saved = { term: state.term, vote: state.vote, committed: log.committed };
    }
    return {
      hardState: isNew || unsaved !== null ? this.#saved : null,
      entries,
      snapshot: unsaved && { ...unsaved, keepFrom: log.baseIndex + 1 },
      completion: { term: state.term, index: log.lastIndex, indexTerm: log.lastTerm },
    };
  }
}
