/**
 * What a member does for its own and others' membership, again and again until it is so: makes its
 * address known, and, on the Raft leader, promotes learners that have caught up and raises the format of
 * metadata once every node reads it.
 *
 * @module
 */

import type { RaftNode } from "../../raft/mod.ts";
import type { Clock, Logger, Timer } from "../../world/mod.ts";
import { type Metadata, METADATA_FORMAT, type NodeInfo } from "../metadata/mod.ts";

/** Voters at most; further nodes stay learners and hold segments all the same (DESIGN.md §7). */
export const VOTERS_MAX = 7;
/** How often membership is looked at while there is something to do, besides when Raft changes, milliseconds. */
const CHECK_MS = 200;
/** A learner that lacks no more than so many entries of the log has caught up. */
const CAUGHT_UP_ENTRIES = 64;
/** Nodes from this protocol version on read {@link METADATA_FORMAT}. */
const VERSION_OF_FORMAT = 4;
/** A node that is being removed, and was not heard for so long, is not waited for, milliseconds. */
const GONE_AFTER_MS = 5000;
/** For one proposal or change, milliseconds. */
const CHANGE_TIMEOUT_MS = 3000;

/** What membership looks at and acts through. */
export interface MembershipParts {
  raft: RaftNode;
  metadata: Metadata;
  clock: Clock;
  logger: Logger;
  self: NodeInfo;
  /** The protocol version of a node, as it said itself; 0 where it was not met. */
  versionOf: (node: number) => number;
  /** How long a node has not been heard, at most since this one's start, milliseconds. */
  silentMs: (node: number) => number;
}

/** One per node. */
export class Membership {
  readonly #parts: MembershipParts;
  #timer: Timer | null = null;
  #isBusy = false;
  #isStopped = false;
  #announced: (() => void)[] = [];
  /** Nodes that were given up, as the log was told. */
  readonly #givenUp: Set<number> = new Set();
  #registered: (() => void)[] = [];

  constructor(parts: MembershipParts) {
    this.#parts = parts;
  }

  start(): void {
    this.nodesChanged();
    this.#check();
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  /** Resolves when the cluster's metadata, as applied here, has this node with its present addresses. */
  announced(): Promise<void> {
    if (this.#isAnnounced()) return Promise.resolve();
    return new Promise((resolve) => this.#announced.push(resolve));
  }

  /** Resolves when it has this run of the node: then the cluster takes it for the latest one. */
  registered(): Promise<void> {
    if (this.#isRegistered()) return Promise.resolve();
    return new Promise((resolve) => this.#registered.push(resolve));
  }

  /** Metadata of nodes changed: what can't be taken back is told to every node's log. */
  nodesChanged(): void {
    this.#answerAnnounced();
    const { metadata, logger } = this.#parts;
    const { givenUp } = metadata.state;
    for (const node of this.#givenUp) if (!givenUp.has(node)) this.#givenUp.delete(node);
    for (const node of givenUp) {
      if (this.#givenUp.has(node)) continue;
      this.#givenUp.add(node);
      logger.log(
        "warn",
        "a node was given up: STATE says which segments may have lost something (may_have_lost)",
        {
          given_up: node,
        },
      );
    }
  }

  /** Raft's view of the cluster changed: there may be something to do, or to wait for no longer. */
  raftChanged(): void {
    if (!this.#isStopped) this.#check();
  }

  async #check(): Promise<void> {
    this.#answerAnnounced();
    this.#armIfUnfinished();
    if (this.#isBusy) return;
    this.#isBusy = true;
    try {
      await this.#act();
      this.#answerAnnounced();
    } catch (error) {
      this.#parts.logger.log("debug", "membership is not what it should be yet", {
        reason: (error as Error).message,
      });
    } finally {
      this.#isBusy = false;
    }
  }

  /** What is to be done may fail, and how far a learner is changes without a word from Raft. */
  #armIfUnfinished(): void {
    if (this.#timer !== null || this.#isStopped) return;
    if (this.#isAnnounced() && !this.#hasLearnerToPromote() && !this.#hasOldFormat()) return;
    this.#timer = this.#parts.clock.after(CHECK_MS, () => {
      this.#timer = null;
      this.#check();
    });
  }

  #answerAnnounced(): void {
    if (this.#isRegistered()) { for (const resolve of this.#registered.splice(0)) resolve(); }
    if (this.#announced.length === 0 || !this.#isAnnounced() || this.#canRaiseFormat()) return;
    for (const resolve of this.#announced.splice(0)) resolve();
  }

  async #act(): Promise<void> {
    const { raft, metadata, self, logger } = this.#parts;
    if (!this.#isAnnounced() && raft.status.leader !== null) {
      await metadata.propose({ kind: "registerNode", ...self }, { timeoutMs: CHANGE_TIMEOUT_MS });
    }
    if (this.#canRaiseFormat()) {
      const raise = { kind: "raiseFormat" as const, format: METADATA_FORMAT };
      await metadata.propose(raise, { timeoutMs: CHANGE_TIMEOUT_MS });
    }
    const learner = this.#caughtUpLearner();
    if (learner === undefined) return;
    await raft.promote(learner, { timeoutMs: CHANGE_TIMEOUT_MS });
    logger.log("info", "learner is a voter now", { learner });
  }

  #isRegistered(): boolean {
    const { metadata, self } = this.#parts;
    return metadata.state.nodes.get(self.id)?.run === self.run;
  }

  #isAnnounced(): boolean {
    const { metadata, self } = this.#parts;
    const known = metadata.state.nodes.get(self.id);
    return known !== undefined && known.run === self.run &&
      known.raftHost === self.raftHost && known.raftPort === self.raftPort &&
      known.clientHost === self.clientHost && known.clientPort === self.clientPort;
  }

  #hasOldFormat(): boolean {
    const { metadata, raft } = this.#parts;
    return raft.status.role === "leader" && metadata.state.format < METADATA_FORMAT;
  }

  /**
   * ⛔ A node that can't read what it is to apply stops: all of them must be able to, the absent ones too. Not those
   * that are being removed and don't answer: one that died before the upgrade could be given up by no newer command.
   */
  #canRaiseFormat(): boolean {
    const { metadata, versionOf, silentMs } = this.#parts;
    const { draining, nodes } = metadata.state;
    const isGone = (id: number) => draining.has(id) && silentMs(id) >= GONE_AFTER_MS;
    return this.#hasOldFormat() && this.#isAnnounced() &&
      [...nodes.keys()].every((id) => versionOf(id) >= VERSION_OF_FORMAT || isGone(id));
  }

  #hasLearnerToPromote(): boolean {
    const { role, config } = this.#parts.raft.status;
    return role === "leader" && config.learners.length > 0 && config.voters.length < VOTERS_MAX;
  }

  #caughtUpLearner(): number | undefined {
    const { config, progress, committed } = this.#parts.raft.status;
    if (!this.#hasLearnerToPromote()) return undefined;
    return [...config.learners].find((id) => {
      const known = progress.get(id);
      return known !== undefined && known.match > 0 && known.match + CAUGHT_UP_ENTRIES >= committed;
    });
  }
}
