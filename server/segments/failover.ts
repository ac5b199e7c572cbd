/**
 * Watches the leaders of open segments from the Raft leader's node, and has the segments of those that are
 * gone recovered.
 *
 * @module
 */

import type { Timer } from "../../world/mod.ts";
import { type NodeInfo, openSegmentOf, type SegmentInfo } from "../metadata/mod.ts";
import { recoverSegment, type RecoveryParts } from "./recovery.ts";

/** How often the leaders are looked at, milliseconds. */
const CHECK_MS = 100;
/** Recoveries at the same time. */
const RECOVERIES_MAX = 64;

/** What the watch needs besides what a recovery needs. */
export interface FailoverParts extends RecoveryParts {
  isRaftLeader: () => boolean;
  /** Whether a node was heard lately enough to be left alone. */
  isAlive: (node: number) => boolean;
}

/** One per node; does something only where the Raft leader is. */
export class Failover {
  readonly #parts: FailoverParts;
  readonly #running: Set<string> = new Set();
  #timer: Timer | null = null;

  constructor(parts: FailoverParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#timer = this.#parts.clock.after(CHECK_MS, () => {
      if (this.#parts.isRaftLeader()) this.#check();
      this.start();
    });
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #check(): void {
    const { metadata, isAlive } = this.#parts;
    for (const topic of metadata.state.topics.values()) {
      if (this.#running.size >= RECOVERIES_MAX) return;
      const open = openSegmentOf(topic);
      if (this.#running.has(topic.name)) continue;
      const leader = metadata.state.nodes.get(open.leader);
      if (needsRecovery(open, leader, isAlive)) this.#recover(topic.name, open);
    }
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
