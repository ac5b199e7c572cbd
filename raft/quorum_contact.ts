/**
 * How long ago a majority was certainly heard, by this node's clock. For leases, which only make a
 * cut-off node stop early: no safety rests on it.
 *
 * @module
 */

import type { RaftCore } from "./core.ts";
import type { Message } from "./messages.ts";

export class QuorumContact {
  #contactMs = -Infinity;
  /** When each round that is not confirmed yet was sent. */
  #rounds: { round: number; sentMs: number }[] = [];
  #leadTerm = 0;

  /** A message was stepped. */
  onMessage(core: RaftCore, message: Message, nowMs: number): void {
    if (core.role !== "follower" || core.leader !== message.from || core.term !== message.term) {
      return;
    }
    if (
      message.type === "Heartbeat" || message.type === "AppendRequest" ||
      message.type === "SnapshotChunk"
    ) this.#contactMs = nowMs;
  }

  /** The core did something; `nowMs` was taken before. */
  onProgress(core: RaftCore, nowMs: number): void {
    if (core.role !== "leader") {
      if (this.#rounds.length > 0) this.#rounds = [];
      return;
    }
    const { round, quorumRound, term } = core.state;
    if (this.#leadTerm !== term) {
      // A majority has just voted.
      this.#leadTerm = term;
      this.#contactMs = nowMs;
      this.#rounds = [];
    }
    if (round > (this.#rounds[this.#rounds.length - 1]?.round ?? quorumRound)) {
      this.#rounds.push({ round, sentMs: nowMs });
    }
    // Counted from the sending: an answer that was long under way says nothing about now.
    while (this.#rounds.length > 0 && this.#rounds[0]!.round <= quorumRound) {
      this.#contactMs = Math.max(this.#contactMs, this.#rounds.shift()!.sentMs);
    }
  }

  ageMs(core: RaftCore, nowMs: number): number {
    return isSoleLeader(core) ? 0 : nowMs - this.#contactMs;
  }
}

/** Whether it leads, and is its own majority. */
export function isSoleLeader(core: RaftCore): boolean {
  const { config, id } = core.state;
  return core.role === "leader" && config.votersOutgoing.length === 0 &&
    config.voters.length === 1 && config.voters[0] === id;
}
