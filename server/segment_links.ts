/**
 * What segments need of other nodes, over the network; what is this node's own is done here.
 *
 * @module
 */

import { COMPLETE_TIMEOUT_MS, REQUEST_TIMEOUT_MS } from "./config.ts";
import {
  METHOD,
  readDigest,
  readExtent,
  readFenceAnswer,
  readPlacedBody,
  writeComplete,
  writeFetch,
  writeReplicate,
  writeTargetBody,
} from "./messages.ts";
import type { Peers } from "./network/mod.ts";
import type { RepairLink } from "./repair/mod.ts";
import {
  type Digest,
  FENCE_TIMEOUT_MS,
  type FetchRecords,
  type RecoveryLink,
  type ReplicaLink,
  type Replicas,
  type SegmentTarget,
} from "./segments/mod.ts";

/** The leader's way to the other replicas of its segments. */
export function replicaLink(peers: Peers): ReplicaLink {
  const timeoutMs = REQUEST_TIMEOUT_MS;
  return {
    probe: async (node, target) =>
      readExtent(await peers.call(node, METHOD.probe, writeTargetBody(target), { timeoutMs })),
    send: async (node, target, streamed) => {
      const body = writeReplicate(target, streamed);
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

/** What another node holds of a segment. */
export function digestAt(
  peers: Peers,
): (node: number, target: SegmentTarget) => Promise<Digest> {
  const timeoutMs = COMPLETE_TIMEOUT_MS;
  return async (node, target) =>
    readDigest(await peers.call(node, METHOD.digest, writeTargetBody(target), { timeoutMs }));
}

/** The way of recoveries and repairs to all replicas, this node's own among them. */
export function recoveryLink(
  nodeId: number,
  peers: Peers,
  replicas: Replicas,
): RecoveryLink & RepairLink {
  const digestElsewhere = digestAt(peers);
  return {
    digest: (node, target) =>
      node === nodeId ? replicas.digest(target) : digestElsewhere(node, target),
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
