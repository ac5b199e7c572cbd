/**
 * Keeps every sealed segment on as many nodes as it should be, and empties nodes that are to go, from the
 * Raft leader's node (DESIGN.md §6, "Repair"; §7, "remove").
 *
 * @module
 */

import type { RaftNode } from "../../raft/mod.ts";
import { assert, type Clock, type Logger, type Timer } from "../../world/mod.ts";
import { REQUEST_TIMEOUT_MS } from "../config.ts";
import { type Change, type Metadata, REPAIR_FORMAT, segmentOf } from "../metadata/mod.ts";
import { CallTimeoutError } from "../network/mod.ts";
import { type Digest, majorityOf, type SegmentTarget } from "../segments/mod.ts";
import { RepairList } from "./repair_list.ts";
import type { RepairStep, RepairView } from "./repair_plan.ts";

/** How often the plan is made anew, milliseconds. */
const CHECK_MS = 1000;
/** Segments that are repaired at the same time: repair must not starve the clients. */
export const REPAIRS_MAX = 2;

/** What repair asks of other nodes, and of this one. */
export interface RepairLink {
  complete: (
    node: number,
    target: SegmentTarget,
    options: { from: number; end: number },
  ) => Promise<void>;
  digest: (node: number, target: SegmentTarget) => Promise<Digest>;
}

/** What a repair is made from. */
export interface RepairParts extends RepairView {
  nodeId: number;
  raft: RaftNode;
  metadata: Metadata;
  link: RepairLink;
  clock: Clock;
  logger: Logger;
}

/** For `METRICS`. */
export interface RepairProgress {
  running: number;
  copied: number;
  dropped: number;
  failed: number;
}

/** One per node; does something only where the Raft leader is. */
export class Repair {
  readonly #parts: RepairParts;
  readonly #list = new RepairList();
  readonly #running: Set<string> = new Set();
  readonly #progress: RepairProgress = { running: 0, copied: 0, dropped: 0, failed: 0 };
  #isRemoving = false;
  #isStopped = false;
  #timer: Timer | null = null;

  constructor(parts: RepairParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#timer = this.#parts.clock.after(CHECK_MS, () => {
      if (this.#parts.raft.status.role === "leader") this.#check();
      this.start();
    });
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  /** Metadata changed, or, with `null`, anything may have. */
  changed(change: Change | null): void {
    this.#list.changed(change);
  }

  get progress(): RepairProgress {
    return { ...this.#progress, running: this.#running.size };
  }

  #check(): void {
    this.#repair();
    if (!this.#isRemoving) this.#removeDrained();
  }

  #repair(): void {
    const limits = { limit: REPAIRS_MAX, nowMs: this.#parts.clock.nowMs() };
    for (const step of this.#list.steps(this.#parts.metadata.state, this.#parts, limits)) {
      if (this.#running.size < REPAIRS_MAX) this.#run(step);
    }
  }

  async #run(step: RepairStep): Promise<void> {
    const name = `${step.topic}/${step.segment}`;
    if (this.#running.has(name)) return;
    this.#running.add(name);
    let isDone = false;
    try {
      if (step.kind === "copy") await this.#copy(step);
      else await this.#drop(step);
      isDone = true;
      this.#list.done(step);
    } catch (error) {
      const isSlow = error instanceof CallTimeoutError;
      this.#list.failed(step, { nowMs: this.#parts.clock.nowMs(), isSlow });
      this.#progress.failed++;
      this.#parts.logger.log("warn", "a repair failed, it will be tried again", {
        ...step,
        keepers: undefined,
        reason: (error as Error).message,
      });
    } finally {
      this.#running.delete(name);
    }
    // The next one at once: else a node with a thousand small segments takes minutes to leave. What failed
    // waits for the next look.
    if (isDone && !this.#isStopped && this.#parts.raft.status.role === "leader") this.#repair();
  }

  /** Copies, compares counts and checksums, and only then has the copy counted. */
  async #copy(step: RepairStep & { kind: "copy" }): Promise<void> {
    const { link, logger, metadata } = this.#parts;
    const target = { topic: step.topic, segment: step.segment };
    const { end, expectedChanges } = this.#sealed(target);
    await link.complete(step.node, target, { from: step.from, end });
    const [original, copy] = await Promise.all([
      link.digest(step.from, target),
      link.digest(step.node, target),
    ]);
    if (original.length !== end || !isSame(original, copy)) {
      throw new Error(
        `the copy on node ${step.node} (${describe(copy)}) is not what node ${step.from} holds (${
          describe(original)
        }) of ${end} records`,
      );
    }
    const command = { kind: "addReplica" as const, ...target, node: step.node, expectedChanges };
    await metadata.propose(command, { timeoutMs: REQUEST_TIMEOUT_MS });
    this.#progress.copied++;
    logger.log("info", "segment copied", { ...target, from: step.from, to: step.node });
  }

  /**
   * ⛔ A replica goes only when a majority of all others, and at least one, hold the segment whole. What they say may be
   * old by the time at which the drop is committed, for this node may stand still, or not be Raft's leader any more; but
   * not as old as the last change of the replicas, which another leader may have made on the word of this very
   * replica (spec/DECISIONS.md, 28).
   */
  async #drop(step: RepairStep & { kind: "drop" }): Promise<void> {
    const { link, metadata } = this.#parts;
    const target = { topic: step.topic, segment: step.segment };
    const { end, expectedChanges } = this.#sealed(target);
    const digests = await Promise.allSettled(step.keepers.map((node) => link.digest(node, target)));
    const whole = digests.flatMap((digest) => digest.status === "fulfilled" ? [digest.value] : [])
      .filter((digest) => digest.length === end);
    if (
      whole.length < majorityOf(step.keepers.length) || !whole.every((d) => isSame(d, whole[0]!))
    ) {
      throw new Error(`only ${whole.length} of nodes ${step.keepers.join(", ")} hold it whole`);
    }
    const command = { kind: "dropReplica" as const, ...target, node: step.node, expectedChanges };
    await metadata.propose(command, { timeoutMs: REQUEST_TIMEOUT_MS });
    this.#progress.dropped++;
  }

  /** A node that is drained and holds nothing leaves metadata first, then Raft. */
  async #removeDrained(): Promise<void> {
    const { logger, metadata, nodeId, raft } = this.#parts;
    const timeoutMs = REQUEST_TIMEOUT_MS;
    this.#isRemoving = true;
    try {
      // Whoever joins is registered before Raft hears of it: a member that is not registered was removed. A
      // check ago at least, so that it has had the time to learn of it as a member.
      // ⛔ As of everything that is committed: Raft's configuration is the newest in the log, while a leader that was
      // elected just now may have applied little of what stands before it, and know of no node at all.
      if (this.#strangers().length > 0) await metadata.refresh({ timeoutMs });
      for (const id of this.#strangers()) {
        await raft.removeNode(id, { timeoutMs });
        logger.log("info", "node removed", { removed: id });
      }
      for (const id of metadata.state.draining) {
        if (holdsAnything(metadata, id)) continue;
        if (id === nodeId) await this.#transferAway(id);
        else await metadata.propose({ kind: "removeNode", id }, { timeoutMs });
      }
    } catch (error) {
      logger.log("debug", "a node can't be removed yet", { reason: (error as Error).message });
    } finally {
      this.#isRemoving = false;
    }
  }

  /** Members of Raft that metadata, as applied here, does not have. */
  #strangers(): number[] {
    const { metadata, raft } = this.#parts;
    const { voters, learners } = raft.status.config;
    return [...voters, ...learners].filter((id) => !metadata.state.nodes.has(id));
  }

  /** The Raft leader has another one remove it. */
  async #transferAway(id: number): Promise<void> {
    const { raft, isLive } = this.#parts;
    const heir = raft.status.config.voters.find((voter) => voter !== id && isLive(voter));
    if (heir !== undefined) await raft.transferLeadership(heir, { timeoutMs: REQUEST_TIMEOUT_MS });
  }

  /** ⛔ Of the state that the step was made from: looked at before anybody is asked. */
  #sealed(target: SegmentTarget): { end: number; expectedChanges: number | null } {
    const { format, topics } = this.#parts.metadata.state;
    const topic = topics.get(target.topic)!;
    const segment = segmentOf(topic, target.segment);
    const end = segment?.length ?? null;
    assert(end !== null, "only sealed segments are repaired");
    // Before that format nobody counts: a zero that is read then may be wrong when the command is committed.
    return { end, expectedChanges: format < REPAIR_FORMAT ? null : segment!.replicaChanges };
  }
}

function holdsAnything(metadata: Metadata, id: number): boolean {
  for (const topic of metadata.state.topics.values()) {
    if (topic.segments.some((segment) => segment.replicas.includes(id))) return true;
  }
  return false;
}

function isSame(a: Digest, b: Digest): boolean {
  return a.length === b.length && a.entries === b.entries && a.checksum === b.checksum;
}

function describe(digest: Digest): string {
  return `${digest.length} records, ${digest.entries} entries, checksum ${
    digest.checksum.toString(16)
  }`;
}
