/**
 * How a seed's world differs from another's: rates of faults and load, and limits of the cores.
 *
 * @module
 */

import type { Random } from "../../world/mod.ts";
import type { CoreLimits } from "../limits.ts";

/** Short-lived leaders whom only some hear, as in figures 7 and 8. */
export const STORY_PROFILE: Partial<Profile> = {
  faultEveryMs: 60,
  crashPercent: 5,
  cutPercent: 0,
  leaderMutePercent: 60,
  leaderCrashPercent: 85,
  lossPercentMax: 5,
  changePerMille: 0,
};

/** One entry at a time, so that a leader's first entry may come late. */
export const STORY_LIMITS: Partial<CoreLimits> = { appendBytes: 1, inflightMessages: 1 };

/** What makes one seed's world different from another's. */
export interface Profile {
  readonly faultsMs: number;
  readonly faultEveryMs: number;
  readonly loadEveryMs: number;
  readonly crashPercent: number;
  readonly cutPercent: number;
  readonly leaderMutePercent: number;
  readonly leaderCrashPercent: number;
  readonly voterCrashPercent: number;
  readonly lossPercentMax: number;
  readonly doublePercent: number;
  readonly latePercent: number;
  readonly delaySpreadMs: number;
  readonly slowWritePercent: number;
  readonly changePerMille: number;
}

export function drawProfile(random: Random): Profile {
  const oneOf = (values: readonly number[]) => values[random.below(values.length)]!;
  return {
    faultsMs: 800 + random.below(1600),
    faultEveryMs: oneOf([20, 60, 150, 400]),
    loadEveryMs: oneOf([4, 10, 30]),
    crashPercent: oneOf([5, 20, 45]),
    cutPercent: oneOf([0, 15, 35]),
    leaderMutePercent: oneOf([0, 30, 70]),
    leaderCrashPercent: oneOf([0, 0, 30, 80]),
    voterCrashPercent: oneOf([0, 0, 30]),
    lossPercentMax: oneOf([0, 5, 20, 40]),
    doublePercent: oneOf([0, 2, 10]),
    latePercent: oneOf([0, 1, 5]),
    delaySpreadMs: oneOf([1, 5, 15, 40]),
    slowWritePercent: oneOf([0, 5, 25, 60]),
    changePerMille: oneOf([0, 10, 100, 300]),
  };
}

export function drawLimits(random: Random): Partial<CoreLimits> & { electionTicks: number } {
  const electionTicks = 6 + random.below(6);
  return {
    electionTicks,
    heartbeatTicks: 1 + random.below(2),
    inflightMessages: 1 + random.below(6),
    inflightBytes: 200 + random.below(2000),
    // One entry in a message, or several.
    appendBytes: random.below(3) === 0 ? 1 : 1 + random.below(300),
    uncommittedBytes: 2000,
    retainEntries: random.below(2) === 0 ? 0 : random.below(20),
    snapshotChunkBytes: 5 + random.below(40),
    applyEntries: 1 + random.below(10),
    pendingReads: 20,
    promotionLag: 10,
  };
}
