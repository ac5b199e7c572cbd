/**
 * Watches the leaders of open segments from the Raft leader's node, and has the segments of those that are
 * gone recovered.
 *
 * @module
 */

import type { Timer } from "../../world/mod.ts";
import { type NodeInfo, openSegmentOf, type SegmentInfo } from "../metadata/mod.ts";
import { recoverSegment, type RecoveryParts } from "./recovery.ts";

/** How long after a change the leaders are looked at, and how often while there is something to do, milliseconds. */
const CHECK_MS = 100;
/** Recoveries at the same time. */
const RECOVERIES_MAX = 64;

/** What the watch needs besides what a recovery needs. */
export interface FailoverParts extends RecoveryParts {
  isRaftLeader: () => boolean;
  /**
   * How long a node may go on being silent before it counts as gone, milliseconds: 0 or less where it is,
   * Infinity for the node itself.
   */
  patienceMs: (node: number) => number;
}

/** One per node; does something only where the Raft leader is. */
export class Failover {
  readonly #parts: FailoverParts;
  readonly #running: Set<string> = new Set();
  #timer: Timer | null = null;
  /** When the timer fires; Infinity while there is none. */
  #nextMs = Infinity;
  #isStopped = false;

  constructor(parts: FailoverParts) {
    this.#parts = parts;
  }

  start(): void {
    this.changed();
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  /** This node leads Raft now, or who leads what, or whose run it is, changed: look soon. */
  changed(): void {
    if (this.#parts.isRaftLeader()) this.#lookIn(CHECK_MS);
  }

  /** Looks so much later, unless that is done earlier anyway. */
  #lookIn(delayMs: number): void {
    const { clock } = this.#parts;
    const atMs = clock.nowMs() + delayMs;
    if (this.#isStopped || atMs >= this.#nextMs) return;
    this.#timer?.cancel();
    this.#nextMs = atMs;
    this.#timer = clock.after(delayMs, () => {
      this.#nextMs = Infinity;
      if (this.#parts.isRaftLeader()) this.#lookIn(Math.max(CHECK_MS, this.#check()));
    });
  }

  /** Begins what recoveries are needed. How long nothing else can be needed unless something changes, milliseconds. */
  #check(): number {
    const { metadata, patienceMs } = this.#parts;
    const isAlive = (node: number) => patienceMs(node) > 0;
    const leaders: Set<number> = new Set();
    for (const topic of metadata.state.topics.values()) {
      if (this.#running.size >= RECOVERIES_MAX) break;
      const open = openSegmentOf(topic);
      leaders.add(open.leader);
      if (this.#running.has(topic.name)) continue;
      const leader = metadata.state.nodes.get(open.leader);
      if (needsRecovery(open, leader, isAlive)) this.#recover(topic.name, open);
    }
    if (this.#running.size > 0) return CHECK_MS;
    // A leader that is gone and has its segments to itself is waited for: its next run makes itself known.
    const waits = [...leaders].map(patienceMs).filter((waitMs) => waitMs > 0);
    return Math.min(...waits);
  }

  async #recover(topic: string, open: SegmentInfo): Promise<void> {
    const { logger } = this.#parts;
    const target = { topic, segment: open.number };
    this.#running.add(topic);
    try {
      logger.log("info", "recovering a segment whose leader is gone", {
        ...target,
        leader: open.leader,
      });
      await recoverSegment(this.#parts, target);
      logger.log("info", "segment recovered", { ...target, entries: open.count });
    } catch (error) {
      logger.log("warn", "a segment can't be recovered yet", {
        ...target,
        reason: (error as Error).message,
      });
    } finally {
      this.#running.delete(topic);
    }
  }
}

/**
 * Its seal was begun; or its leader is another process by now, which must not write it; or its leader is not
 * heard. A segment that only its leader holds waits for it to come back: nobody else has anything. Pure.
 */
export function needsRecovery(
  open: SegmentInfo,
  leader: NodeInfo | undefined,
  isAlive: (node: number) => boolean,
): boolean {
  if (open.isSealing) return true;
  if (open.replicas.length === 1) return false;
  return leader?.run !== open.leaderRun || !isAlive(open.leader);
}
