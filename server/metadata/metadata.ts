/**
 * Metadata as the rest of a node uses it: read the local state, propose through whoever leads Raft,
 * wait for a change.
 *
 * @module
 */

import { OutcomeUnknownError as RaftOutcomeUnknownError, type RaftNode } from "../../raft/mod.ts";
import { type Clock, sleep } from "../../world/mod.ts";
import { OutcomeUnknownError, RefusedError, UnavailableError } from "../errors.ts";
import { METHOD, type ProposeReply, readProposeReply } from "../messages.ts";
import { type Peers, PeerUnavailableError, RemoteError } from "../network/mod.ts";
import { type Command, GIVE_UP_FORMAT, TRIM_FORMAT } from "./command.ts";
import { encodeCommand } from "./command_codec.ts";
import type { MetadataMachine } from "./machine.ts";
import type { MetadataState, Outcome } from "./state.ts";
import { TopicWaiters } from "./topic_waiters.ts";

/** How long to wait before asking again where Raft has no leader, milliseconds. */
const RETRY_MS = 30;

/** One per node. */
export class Metadata {
  readonly #machine: MetadataMachine;
  readonly #raft: RaftNode;
  readonly #peers: Peers;
  readonly #clock: Clock;
  readonly #waiters: TopicWaiters;
  #refresh: Promise<void> | null = null;

  constructor(parts: { machine: MetadataMachine; raft: RaftNode; peers: Peers; clock: Clock }) {
    this.#machine = parts.machine;
    this.#raft = parts.raft;
    this.#peers = parts.peers;
    this.#clock = parts.clock;
    this.#waiters = new TopicWaiters(parts.clock);
    this.#machine.subscribe((change) => {
      if (change === null) this.#waiters.wakeAll();
      else if (change.kind === "topic") this.#waiters.wake(change.topic);
    });
  }

  /** As of the last command that was applied here. */
  get state(): MetadataState {
    return this.#machine.state;
  }

  /**
   * Has `command` committed and applied here too, through this node or the Raft leader. Commands may be
   * sent twice when an answer is lost: they are made to have one effect.
   *
   * @throws {RefusedError} when the state machine refuses it.
   * @throws {UnavailableError} when no Raft leader took it within `timeoutMs`.
   * @throws {OutcomeUnknownError} when one took it and did not answer in time.
   */
  async propose(command: Command, options: { timeoutMs: number }): Promise<void> {
    const deadlineMs = this.#clock.nowMs() + options.timeoutMs;
    const { format } = this.state;
    if (format < formatFor(command)) {
      const why = "not all nodes of the cluster run a version that can do this yet";
      const hint = command.kind === "giveUpNode"
        ? ": remove the node without accept-loss first, and ask again some seconds later"
        : "";
      throw new RefusedError(`${why}${hint}`);
    }
    const bytes = encodeCommand(command, format);
    let isSent = false;
    for (;;) {
      const timeoutMs = deadlineMs - this.#clock.nowMs();
      if (timeoutMs <= 0) {
        throw isSent ? unanswered(options.timeoutMs) : leaderless(options.timeoutMs);
      }
      try {
        const outcome = await this.#proposeOnce(bytes, timeoutMs);
        if (outcome === "unanswered") isSent = true;
        else if (outcome !== "no leader") {
          if (!outcome.ok) throw new RefusedError(outcome.reason);
          return;
        }
      } catch (error) {
        if (error instanceof RefusedError) throw error;
        if (!(error instanceof PeerUnavailableError)) isSent = true;
      }
      await sleep(this.#clock, RETRY_MS);
    }
  }

  /**
   * A proposal that another node sent here, because it takes this one for the Raft leader. Never sent
   * on, so that two nodes with stale views can't play ping-pong.
   */
  async proposeHere(command: Uint8Array, timeoutMs: number): Promise<ProposeReply> {
    if (this.#raft.status.role !== "leader") return { kind: "notLeader" };
    const { index, result } = await this.#raft.propose(command, { timeoutMs });
    return { kind: "applied", index, outcome: result as Outcome };
  }

  /**
   * Brings the local state up to everything that was committed when it was called. Calls that come
   * while one has not been sent yet share it.
   */
  refresh(options: { timeoutMs: number }): Promise<void> {
    this.#refresh ??= Promise.resolve().then(() => {
      this.#refresh = null;
      return this.#raft.readIndex(options).then(() => {});
    });
    return this.#refresh;
  }

  /** Resolves at the next change of the topic, or `timeoutMs` from now: look at the state again. */
  changeOf(topic: string, timeoutMs: number): Promise<void> {
    return this.#waiters.wait(topic, timeoutMs);
  }

  async #proposeOnce(
    bytes: Uint8Array,
    timeoutMs: number,
  ): Promise<Outcome | "no leader" | "unanswered"> {
    const { role, leader, id } = this.#raft.status;
    if (role === "leader") {
      try {
        return (await this.#raft.propose(bytes, { timeoutMs })).result as Outcome;
      } catch (error) {
        if (error instanceof RaftOutcomeUnknownError) return "unanswered";
        return "no leader";
      }
    }
    if (leader === null || leader === id) return "no leader";
    try {
      const body = await this.#peers.call(leader, METHOD.propose, bytes, { timeoutMs });
      const reply = readProposeReply(body);
      if (reply.kind === "notLeader") return "no leader";
      await this.#raft.waitApplied(reply.index, { timeoutMs });
      return reply.outcome;
    } catch (error) {
      if (error instanceof RemoteError) return "unanswered";
      throw error;
    }
  }
}

/** Nodes that don't read this format would choke on the command, or not do it. */
function formatFor(command: Command): number {
  if (command.kind === "giveUpNode") return GIVE_UP_FORMAT;
  if (command.kind === "createTopic") {
    const keepsAll = Object.values(command.retention).every((promise) => promise === null);
    return keepsAll ? 1 : TRIM_FORMAT;
  }
  return ["deleteTopic", "trimTopic", "setRetention"].includes(command.kind) ? TRIM_FORMAT : 1;
}

function leaderless(waitedMs: number): UnavailableError {
  return new UnavailableError(
    `the cluster has no leader: waited ${waitedMs} ms; is a majority of the nodes running?`,
  );
}

function unanswered(waitedMs: number): OutcomeUnknownError {
  return new OutcomeUnknownError(
    `the cluster's leader did not answer within ${waitedMs} ms: it may or may not have been done`,
  );
}
