/**
 * Planted bugs: the simulation has to find each of them, or it proves nothing. They are put in from
 * outside, through the rules that the core is given or between the core and the world.
 *
 * @module
 */

import type { Persist, Ready } from "../messages.ts";
import { RAFT_RULES, type SafetyRules } from "../rules.ts";

export interface Canary {
  readonly rules?: Partial<SafetyRules>;
  /** What the driver does with a `Ready` instead of what it should. */
  readonly ready?: (ready: Ready) => Ready;
  /** A leader answers reads from what it knows, without asking who follows it. */
  readonly readsAtOnce?: boolean;
  /** The simulation's own reckoning of what each write means is broken like this. */
  readonly persist?: (persist: Persist) => Persist;
}

export const CANARIES = {
  /** A crash makes the node forget the vote, and it votes again in the same term. */
  voteLeavesBeforeSync: {
    ready: (ready) => ({
      ...ready,
      messages: [
        ...ready.messages,
        ...ready.messagesWhenDurable.filter(({ type }) => type === "VoteReply"),
      ],
      messagesWhenDurable: ready.messagesWhenDurable.filter(({ type }) => type !== "VoteReply"),
    }),
  },
  /** An acknowledged entry is lost in a crash. */
  acknowledgementLeavesBeforeSync: {
    ready: (ready) => ({
      ...ready,
      messages: [...ready.messages, ...ready.messagesWhenDurable],
      messagesWhenDurable: [],
    }),
  },
  /** Figure 8 of the paper. */
  olderTermCommittedByCounting: { rules: { mayCommitByCounting: () => true } },
  /** The follower keeps what contradicts the leader. */
  conflictNotTruncated: { rules: { contradicts: () => false } },
  /** The follower takes its own entries for what the snapshot stands for. */
  snapshotWithoutReset: {
    rules: { coversSnapshot: (termAtSnapshotIndex) => termAtSnapshotIndex !== undefined },
  },
  /** The same on the disk: old entries come back behind the snapshot after a restart. */
  snapshotWithoutResetOnDisk: {
    persist: (persist) =>
      persist.snapshot === null
        ? persist
        : { ...persist, snapshot: { ...persist.snapshot, installed: false } },
  },
  /** A second change starts from a configuration that may never be committed. */
  twoMembershipChangesAtOnce: { rules: { mayChangeMembership: () => true } },
  /** A deposed leader that doesn't know it yet answers. */
  readWithoutQuorum: { readsAtOnce: true },
} as const satisfies Record<string, Canary>;

export type CanaryName = keyof typeof CANARIES;

export function canaryRules(canary: Canary | undefined): SafetyRules {
  return { ...RAFT_RULES, ...canary?.rules };
}
