/**
 * Log replication: what the leader sends and makes of the answers, and what a follower does with it
 * (paper §5.3, §5.4.2; thesis §3.5, §3.6, §10.2.1).
 *
 * @module
 */

import { assert } from "../world/mod.ts";
import type { CoreState } from "./core_state.ts";
import { afterCommit } from "./membership_change.ts";
import type { AppendReply, AppendRequest, Entry, HeartbeatReply } from "./messages.ts";
import type { Progress } from "./progress.ts";
import { quorumValue } from "./quorum.ts";
import { entryBytes } from "./raft_log.ts";
import { confirmReads, serveEarlyReads } from "./read_index.ts";
import { startSnapshot } from "./snapshot_transfer.ts";

/**
 * The leader's part of a `Ready`: everything that windows allow goes out. Done here and not at each
 * proposal, so that all that arrived meanwhile shares messages.
 */
export function flushAppends(state: CoreState): void {
  for (const [id, progress] of state.progress) {
    while (!progress.paused && hasNews(state, progress)) sendAppend(state, id, progress);
  }
}

function hasNews(state: CoreState, progress: Progress): boolean {
  return progress.state === "probe" || progress.next <= state.log.lastIndex ||
    progress.sentCommitted < state.log.committed;
}

function sendAppend(state: CoreState, id: number, progress: Progress): void {
  const prevIndex = progress.next - 1;
  const prevTerm = state.log.termAt(prevIndex);
  assert(progress.next >= 1, "the first entry is number 1");
  if (prevTerm === undefined) return startSnapshot(state, id, progress);
  const entries = state.log.slice(progress.next, state.limits.appendBytes);
  // Sent before the leader's own disk has them: the leader counts itself only when it does, and a majority
  // without it is a majority too (thesis §10.2.1).
  state.send({
    type: "AppendRequest",
    to: id,
    prevIndex,
    prevTerm,
    committed: state.log.committed,
    entries,
  });
  progress.sentCommitted = state.log.committed;
  if (progress.state === "probe") {
    progress.probeSent = true;
  } else if (entries.length > 0) {
    progress.next += entries.length;
    progress.inflight.add(progress.next - 1, sumBytes(entries));
  }
}

function sumBytes(entries: readonly Entry[]): number {
  let sum = 0;
  for (const entry of entries) sum += entryBytes(entry);
  return sum;
}

export function handleAppendReply(state: CoreState, reply: AppendReply): void {
  const progress = state.progress.get(reply.from);
  // Nobody can hold what this leader never had: such an answer is not from our group.
  if (progress === undefined || reply.index > state.log.lastIndex) return;
  progress.recentlyActive = true;
  if (reply.rejected) handleRejection(state, progress, reply);
  else handleAccepted(state, progress, reply);
}

function handleRejection(state: CoreState, progress: Progress, reply: AppendReply): void {
  // In the snapshot's time the answers to older appends mean nothing.
  if (progress.state === "snapshot") return;
  if (progress.state === "replicate") {
    // Refused before it was acknowledged otherwise: the answer was late.
    if (reply.index <= progress.match) return;
    // An earlier message was lost or overtaken: send from what is known to be there.
    return progress.becomeProbe(progress.match + 1);
  }
  if (reply.index !== progress.next - 1) return;
  const agree = state.log.lastNotAbove(reply.hintIndex, reply.hintTerm);
  progress.becomeProbe(Math.min(reply.index, agree.index + 1));
}

function handleAccepted(state: CoreState, progress: Progress, reply: AppendReply): void {
  const advanced = progress.maybeMatch(reply.index);
  if (progress.state === "replicate") progress.inflight.freeTo(reply.index);
  else if (progress.state === "probe") {
    // An old acknowledgement (of a lower index than what was probed) proves nothing new.
    if (advanced || reply.index === progress.next - 1) progress.becomeReplicate();
  } else if (progress.match >= Math.min(progress.snapshot!.index, state.log.baseIndex)) {
    progress.becomeReplicate();
  }
  if (!advanced) return;
  maybeCommit(state);
  if (state.transferee === reply.from) maybeHandOver(state);
}

/** As the leader: commits what a quorum has durable, if the rules allow to count it. */
export function maybeCommit(state: CoreState): void {
  const index = Math.min(
    quorumValue(state.config, (id) => state.matchOf(id)),
    state.log.lastIndex,
  );
  if (index <= state.log.committed) return;
  if (!state.rules.mayCommitByCounting(state.log.termAt(index)!, state.term)) return;
  for (let i = state.log.committed + 1; i <= index; i++) {
    state.uncommittedBytes -= entryBytes(state.log.entryAt(i)!);
  }
  state.log.commitTo(index);
  serveEarlyReads(state);
  afterCommit(state);
}

/** Whether the chosen successor has everything, and if so lets it campaign (thesis §3.10). */
export function maybeHandOver(state: CoreState): void {
  const progress = state.progress.get(state.transferee);
  if (progress !== undefined && progress.match === state.log.lastIndex) {
    state.send({ type: "TimeoutNow", to: state.transferee });
  }
}

export function handleHeartbeatReply(state: CoreState, reply: HeartbeatReply): void {
  const progress = state.progress.get(reply.from);
  if (progress === undefined || reply.round > state.round) return;
  progress.recentlyActive = true;
  progress.ackedRound = Math.max(progress.ackedRound, reply.round);
  confirmReads(state);
  // It is there: what it has not acknowledged may be lost. Ask again, at most once for each heartbeat.
  progress.probeSent = false;
  if (progress.state !== "replicate") return;
  if (progress.inflight.full) progress.inflight.freeOldest();
  if (progress.match < state.log.lastIndex) sendAppend(state, reply.from, progress);
}

/** As a follower of the sender. */
export function handleAppend(state: CoreState, request: AppendRequest): void {
  const { log } = state;
  if (request.prevIndex < log.committed) {
    // Late or repeated: what is committed here is equal to the leader's (leader completeness).
    return state.acknowledge(request.from, log.committed);
  }
  if (log.termAt(request.prevIndex) !== request.prevTerm) {
    const hint = log.lastNotAbove(request.prevIndex, request.prevTerm);
    return state.send({
      type: "AppendReply",
      to: request.from,
      rejected: true,
      index: request.prevIndex,
      hintIndex: hint.index,
      hintTerm: hint.term,
    });
  }
  const fresh = dropConflicts(state, request.entries);
  state.appendEntries(fresh);
  const last = request.prevIndex + request.entries.length;
  // Entries behind `last` may be an older leader's: they are not part of what this message vouches for.
  log.commitTo(Math.min(request.committed, last));
  state.acknowledge(request.from, last);
}

/** The entries that are not in the log yet; what contradicts them is gone (paper, figure 2, steps 3, 4). */
function dropConflicts(state: CoreState, entries: readonly Entry[]): readonly Entry[] {
  for (let i = 0; i < entries.length; i++) {
    const { index, term } = entries[i]!;
    const own = state.log.termAt(index);
    if (own === undefined) return entries.slice(i);
    if (state.rules.contradicts(own, term)) {
      state.truncateFrom(index);
      return entries.slice(i);
    }
  }
  // All there: an old message must not cut what a later one brought.
  return [];
}
