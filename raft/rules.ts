/**
 * The decisions on which Raft's safety rests, each as one pure function, apart from the machinery that
 * asks them. The core takes them as an argument: the simulator hands in broken ones, one at a time, to
 * show that it would notice (raft/sim/canaries.ts). Everybody else uses {@link RAFT_RULES}.
 *
 * @module
 */

import type { LogPlace } from "./raft_log.ts";

export interface SafetyRules {
  /**
   * Whether an entry of `entryTerm` that a majority holds is committed, for the leader of `term`. Only of
   * its own term: an older one may still be overwritten by a leader that lacks it (paper §5.4.2, figure 8;
   * thesis §3.6.2).
   */
  mayCommitByCounting(entryTerm: number, term: number): boolean;
  /** Whether an entry contradicts the leader's at the same index and must go, with all behind it (§5.3). */
  contradicts(ownTerm: number, leaderTerm: number): boolean;
  /**
   * Whether the log already has the history that a snapshot stands for: then entries behind it stay;
   * otherwise the snapshot replaces the log (paper §7, figure 13, steps 6 and 7).
   */
  coversSnapshot(termAtSnapshotIndex: number | undefined, snapshot: LogPlace): boolean;
  /**
   * Whether the leader may begin a membership change: the last configuration is committed, so that no two
   * configurations in use differ by more than one change (thesis §4.1); and an entry of its own term is,
   * without which an older leader's uncommitted change might still come back (§4.1, the bug of 2015).
   */
  mayChangeMembership(state: {
    configIndex: number;
    joint: boolean;
    committed: number;
    committedTerm: number;
    term: number;
  }): boolean;
}

export const RAFT_RULES: SafetyRules = {
  mayCommitByCounting: (entryTerm, term) => entryTerm === term,
  contradicts: (ownTerm, leaderTerm) => ownTerm !== leaderTerm,
  coversSnapshot: (termAtSnapshotIndex, snapshot) => termAtSnapshotIndex === snapshot.term,
  mayChangeMembership: (state) =>
    !state.joint && state.configIndex <= state.committed && state.committedTerm === state.term,
};
