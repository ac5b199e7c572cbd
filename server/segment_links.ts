/**
 * What segments need of other nodes, over the network; what is this node's own is done here.
 *
 * @module
 */

import { REQUEST_TIMEOUT_MS } from "./config.ts";
import {
  METHOD,
  readExtent,
  readFenceAnswer,
  readPlacedBody,
  writeComplete,
  writeFetch,
  writeReplicate,
  writeTargetBody,
} from "./messages.ts";
import type { Peers } from "./network/mod.ts";
import {
  FENCE_TIMEOUT_MS,
  type FetchRecords,
  type RecoveryLink,
  type ReplicaLink,
  type Replicas,
} from "./segments/mod.ts";

/** For a copy of a tail, which may be long, milliseconds. */
const COMPLETE_TIMEOUT_MS = 30_000;

/** The leader's way to the other replicas of its segments. */
export function replicaLink(peers: Peers): ReplicaLink {
  const timeoutMs = REQUEST_TIMEOUT_MS;
  return {
    probe: async (node, target) =>
      readExtent(await peers.call(node, METHOD.probe, writeTargetBody(target), { timeoutMs })),
    send: async (node, target, placed) => {
      const body = writeReplicate(target, placed);
      return readExtent(await peers.call(node, METHOD.replicate, body, { timeoutMs }));
    },
  };
}

/** Records that this node lacks, from one that holds them. */
export function fetchRecords(peers: Peers): FetchRecords {
  return async (from, { topic, segment, position, end }) => {
    const body = writeFetch({ target: { topic, segment }, position, end });
    const timeoutMs = REQUEST_TIMEOUT_MS;
    return readPlacedBody(await peers.call(from, METHOD.fetch, body, { timeoutMs }));
  };
}

/** A recovery's way to all replicas, this node's own among them. */
export function recoveryLink(nodeId: number, peers: Peers, replicas: Replicas): RecoveryLink {
  return {
    fence: async (node, target) => {
      if (node === nodeId) return await replicas.fence(target);
      const options = { timeoutMs: FENCE_TIMEOUT_MS };
      return readFenceAnswer(
        await peers.call(node, METHOD.fence, writeTargetBody(target), options),
      );
    },
    complete: async (node, target, { from, end }) => {
      if (node === nodeId) return await replicas.complete(target, { from, end });
      const body = writeComplete({ target, from, end });
      await peers.call(node, METHOD.complete, body, { timeoutMs: COMPLETE_TIMEOUT_MS });
    },
  };
}
