/**
 * Membership changes on the leader (thesis §4.1 – §4.3): at most one at a time, through a joint
 * configuration when voters change, finished by whoever leads when the joint one is committed.
 *
 * @module
 */

import { encodeConfiguration } from "./config_history.ts";
import { type CoreState, NOBODY } from "./core_state.ts";
import { enterChange, isJoint, isMember, leaveJoint, type MembershipChange } from "./membership.ts";

/** Where a change stands in the log, or why it was refused and whether that may pass by itself. */
export type ChangeResult =
  | { readonly ok: true; readonly index: number }
  | { readonly ok: false; readonly reason: string; readonly mayRetry: boolean };

/** Appends the change's first configuration. */
export function proposeChange(state: CoreState, change: MembershipChange): ChangeResult {
  const { log } = state;
  const allowed = state.rules.mayChangeMembership({
    configIndex: state.configs.index,
    joint: isJoint(state.config),
    committed: log.committed,
    committedTerm: log.termAt(log.committed) ?? 0,
    term: state.term,
  });
  if (!allowed) {
    const reason = "another membership change, or the election, is not committed yet";
    return { ok: false, reason, mayRetry: true };
  }
  for (const id of change.promote ?? []) {
    const progress = state.progress.get(id);
    if (progress === undefined) continue;
    // A voter that lags would leave the group without a majority that can commit (thesis §4.2.1).
    const lag = log.lastIndex - progress.match;
    if (progress.state !== "replicate" || lag > state.limits.promotionLag) {
      const reason = `node ${id} is ${lag} entries behind, too far to become a voter`;
      return { ok: false, reason, mayRetry: true };
    }
  }
  const next = enterChange(state.config, change);
  if (typeof next === "string") return { ok: false, reason: next, mayRetry: false };
  return { ok: true, index: state.appendOwn("config", encodeConfiguration(next)).index };
}

/** As the leader, whenever something was committed: the next step of a change, if one is due. */
export function afterCommit(state: CoreState): void {
  if (state.configs.index > state.log.committed) return;
  if (isJoint(state.config)) {
    state.appendOwn("config", encodeConfiguration(leaveJoint(state.config)));
    return;
  }
  if (!isMember(state.config, state.id)) stepDownRemoved(state);
}

/**
 * A leader leads until the configuration without it is committed (thesis §4.2.2), then lets the best of
 * the others take over, so that nobody waits for a timeout.
 */
function stepDownRemoved(state: CoreState): void {
  let best = NOBODY;
  for (const id of state.config.voters) {
    const progress = state.progress.get(id);
    if (progress === undefined || progress.match < state.log.committed) continue;
    if (best === NOBODY || progress.match > state.progress.get(best)!.match) best = id;
  }
  if (best !== NOBODY) state.send({ type: "TimeoutNow", to: best });
  state.becomeFollower(state.term, NOBODY);
}
