/**
 * Snapshots over the network, in pieces (paper §7, figure 13). The receiver says which piece it wants
 * next, so a break is resumed where it stood; another leader, or another snapshot, starts at the beginning.
 *
 * @module
 */

import { assert } from "../world/mod.ts";
import type { CoreState } from "./core_state.ts";
import type { Snapshot, SnapshotChunk, SnapshotReply } from "./messages.ts";
import type { Progress } from "./progress.ts";

/** The follower needs entries that are compacted. */
export function startSnapshot(state: CoreState, id: number, progress: Progress): void {
  assert(state.snapshot !== null, "what is compacted is in a snapshot");
  progress.becomeSnapshot(state.snapshot);
  sendSnapshotChunk(state, id, progress);
}

/** Sends the piece that is wanted; behind the end, the last one again, whose answer tells how it stands. */
export function sendSnapshotChunk(state: CoreState, id: number, progress: Progress): void {
  const snapshot = progress.snapshot!;
  const chunkBytes = state.limits.snapshotChunkBytes;
  const totalBytes = snapshot.data.length;
  const offset = progress.snapshotOffset < totalBytes || totalBytes === 0
    ? progress.snapshotOffset
    : Math.floor((totalBytes - 1) / chunkBytes) * chunkBytes;
  progress.chunkAgeTicks = 0;
  state.send({
    type: "SnapshotChunk",
    to: id,
    index: snapshot.index,
    indexTerm: snapshot.term,
    config: snapshot.config,
    totalBytes,
    offset,
    data: snapshot.data.subarray(offset, offset + chunkBytes),
  });
}

/** As the leader, every tick: pieces that got no answer are sent again. */
export function tickSnapshots(state: CoreState): void {
  for (const [id, progress] of state.progress) {
    if (progress.state !== "snapshot") continue;
    if (++progress.chunkAgeTicks >= state.limits.electionTicks) {
      sendSnapshotChunk(state, id, progress);
    }
  }
}

export function handleSnapshotReply(state: CoreState, reply: SnapshotReply): void {
  const progress = state.progress.get(reply.from);
  if (progress === undefined) return;
  progress.recentlyActive = true;
  const snapshot = progress.snapshot;
  if (snapshot === null || snapshot.index !== reply.index) return;
  if (reply.nextOffset > snapshot.data.length) return;
  // An answer that asks for what was just sent again is a duplicate, or the tick will see to it.
  if (reply.nextOffset === progress.snapshotOffset) return;
  progress.snapshotOffset = reply.nextOffset;
  // Complete: the acknowledgement follows when it is durable there.
  if (reply.nextOffset < snapshot.data.length) sendSnapshotChunk(state, reply.from, progress);
}

/** As a follower of the sender. */
export function handleSnapshotChunk(state: CoreState, chunk: SnapshotChunk): void {
  const { log } = state;
  if (chunk.index <= log.committed) {
    state.incoming = null;
    return state.acknowledge(chunk.from, log.committed);
  }
  const place = { index: chunk.index, term: chunk.indexTerm };
  if (state.rules.coversSnapshot(log.termAt(chunk.index), place)) {
    // The log has all of it: no need for the snapshot, and what stands behind it stays (figure 13, step 6).
    state.incoming = null;
    log.commitTo(chunk.index);
    return state.acknowledge(chunk.from, chunk.index);
  }
  const receivedBytes = receive(state, chunk);
  if (receivedBytes < chunk.totalBytes || state.incoming === null) {
    return state.send({
      type: "SnapshotReply",
      to: chunk.from,
      index: chunk.index,
      nextOffset: receivedBytes,
    });
  }
  const data = join(state.incoming.pieces, chunk.totalBytes);
  state.incoming = null;
  install(state, { ...place, config: chunk.config, data });
  state.acknowledge(chunk.from, chunk.index);
}

/** Keeps the piece if it is the next one; how much is here now. */
function receive(state: CoreState, chunk: SnapshotChunk): number {
  let incoming = state.incoming;
  // The leader's term is part of the identity: two leaders' snapshots of one index need not be equal bytes.
  if (
    incoming === null || incoming.leaderTerm !== chunk.term || incoming.index !== chunk.index ||
    incoming.indexTerm !== chunk.indexTerm || incoming.totalBytes !== chunk.totalBytes
  ) {
    if (chunk.offset !== 0) {
      state.incoming = null;
      return 0;
    }
    incoming = state.incoming = {
      leaderTerm: chunk.term,
      index: chunk.index,
      indexTerm: chunk.indexTerm,
      totalBytes: chunk.totalBytes,
      pieces: [],
      receivedBytes: 0,
    };
  }
  if (chunk.offset === incoming.receivedBytes) {
    incoming.pieces.push(chunk.data);
    incoming.receivedBytes += chunk.data.length;
  }
  return incoming.receivedBytes;
}

/** The log, the configuration and the state machine start over from the snapshot, at one stroke. */
function install(state: CoreState, snapshot: Snapshot): void {
  state.log.reset(snapshot);
  state.configs.onReset({ index: snapshot.index, config: snapshot.config });
  state.snapshot = snapshot;
  state.unsavedSnapshot = { snapshot, installed: true };
  state.uninstalled = snapshot;
}

function join(pieces: readonly Uint8Array[], totalBytes: number): Uint8Array {
  const whole = new Uint8Array(totalBytes);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
