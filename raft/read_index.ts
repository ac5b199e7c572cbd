/**
 * Linearizable reads without a log entry (thesis §6.4). The leader notes its committed index when a read
 * arrives, and answers it once a quorum has confirmed, by a heartbeat round that was sent *after* that,
 * that it still is the leader. Before it has committed an entry of its own term it doesn't know what is
 * committed, and reads wait.
 *
 * All reads of one round share it: however many there are, at most one round is out for them.
 *
 * @module
 */

import type { CoreState } from "./core_state.ts";
import { broadcastHeartbeat } from "./heartbeat.ts";
import type { ReadRequest } from "./messages.ts";
import { quorumValue } from "./quorum.ts";

/** As the leader; false when too many reads wait. */
export function handleRead(
  state: CoreState,
  read: { from: number; requestId: number },
): boolean {
  if (state.pendingReads.length + state.earlyReads.length >= state.limits.pendingReads) {
    return false;
  }
  if (!hasCommittedInTerm(state)) {
    state.earlyReads.push(read);
    return true;
  }
  enqueue(state, read);
  return true;
}

/** A follower's request; without an answer it asks again. */
export function handleReadRequest(state: CoreState, request: ReadRequest): void {
  handleRead(state, { from: request.from, requestId: request.requestId });
}

/** Reads that came before the first commit of this leader's term can be noted now. */
export function serveEarlyReads(state: CoreState): void {
  if (state.earlyReads.length === 0 || !hasCommittedInTerm(state)) return;
  const early = state.earlyReads;
  state.earlyReads = [];
  for (const read of early) enqueue(state, read);
}

function hasCommittedInTerm(state: CoreState): boolean {
  return state.log.termAt(state.log.committed) === state.term;
}

function enqueue(state: CoreState, read: { from: number; requestId: number }): void {
  const isRoundOut = state.pendingReads.length > 0;
  // A round that is out already was sent before this read came: it proves nothing for it.
  state.pendingReads.push({ ...read, index: state.log.committed, round: state.round + 1 });
  if (!isRoundOut) startRound(state);
}

/** Answers what the quorum's last confirmed round covers, and starts the next one if reads still wait. */
export function confirmReads(state: CoreState): void {
  state.quorumRound = Math.min(
    state.round,
    quorumValue(
      state.config,
      (id) => id === state.id ? state.round : state.progress.get(id)?.ackedRound ?? 0,
    ),
  );
  let count = 0;
  while (
    count < state.pendingReads.length && state.pendingReads[count]!.round <= state.quorumRound
  ) {
    const { from, requestId, index } = state.pendingReads[count]!;
    if (from === state.id) state.readGrants.push({ requestId, index });
    else state.send({ type: "ReadReply", to: from, requestId, index });
    count++;
  }
  if (count === 0) return;
  state.pendingReads.splice(0, count);
  // Rounds ascend, so what is left waits for the next one, which nobody has sent yet.
  if (state.pendingReads.length > 0 && state.pendingReads[0]!.round > state.round) {
    startRound(state);
  }
}

function startRound(state: CoreState): void {
  broadcastHeartbeat(state);
  // A sole voter is its own quorum.
  confirmReads(state);
}
