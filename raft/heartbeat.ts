/**
 * The leader's pulse: heartbeats, and the check that a quorum still hears it (thesis §6.2).
 *
 * @module
 */

import { type CoreState, NOBODY } from "./core_state.ts";
import { RaftWentBackError } from "./errors.ts";
import type { Heartbeat } from "./messages.ts";
import { quorumValue } from "./quorum.ts";

/** A new round: keeps followers quiet, tells what is committed, and asks who still follows. */
export function broadcastHeartbeat(state: CoreState): void {
  state.heartbeatElapsed = 0;
  state.round++;
  for (const [id, progress] of state.progress) {
    state.send({
      type: "Heartbeat",
      to: id,
      // Not beyond what is known to be equal there.
      committed: Math.min(progress.match, state.log.committed),
      round: state.round,
    });
  }
}

export function handleHeartbeat(state: CoreState, heartbeat: Heartbeat): void {
  const { committed, from } = heartbeat;
  const { lastIndex } = state.log;
  // ⛔ No follower: the leader of this very term has this node's word that it holds so much, durably, and what is
  // committed is never truncated. So the disk has lost it, and maybe votes as well: this node must not count.
  if (committed > lastIndex) throw new RaftWentBackError({ leader: from, committed, lastIndex });
  state.log.commitTo(committed);
  // Needs no disk: it says that this node is in the term now, and a term that it has promised anything in
  // is durable before the promise leaves.
  state.send({ type: "HeartbeatReply", to: heartbeat.from, round: heartbeat.round });
}

/** Every election timeout: whether a quorum was heard since the last time. Steps down if not. */
export function checkQuorum(state: CoreState): void {
  const active = quorumValue(
    state.config,
    (id) => id === state.id || state.progress.get(id)?.recentlyActive ? 1 : 0,
  );
  if (active < 1) return state.becomeFollower(state.term, NOBODY);
  for (const progress of state.progress.values()) progress.recentlyActive = false;
}
