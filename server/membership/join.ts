/**
 * How a node gets into a cluster: the side that asks, and the side that lets it in.
 *
 * @module
 */

import type { RaftNode } from "../../raft/mod.ts";
import { type Address, type Clock, formatAddress, type Logger, sleep } from "../../world/mod.ts";
import { RefusedError, UnavailableError } from "../errors.ts";
import {
  type JoinReply,
  METHOD,
  readJoinReply,
  REFUSED_CODE,
  writeJoinReply,
  writeNodeBody,
} from "../messages.ts";
import { type Metadata, type NodeInfo, otherDiskText } from "../metadata/mod.ts";
import { type Peers, RemoteError, RpcRefusal } from "../network/mod.ts";

/** For one attempt to be let in, milliseconds. */
const JOIN_TIMEOUT_MS = 5000;
/** Between two attempts, milliseconds. */
const JOIN_RETRY_MS = 250;

/** Asks the member at `address` until it answers. @throws {RefusedError} when the cluster says no. */
export async function askToJoin(
  parts: { peers: Peers; clock: Clock; logger: Logger },
  address: Address,
  self: NodeInfo,
): Promise<JoinReply> {
  for (let attempt = 0;; attempt++) {
    try {
      const body = writeNodeBody(self);
      const reply = await parts.peers.callAddress(address, METHOD.join, body, {
        timeoutMs: JOIN_TIMEOUT_MS,
      });
      return readJoinReply(reply);
    } catch (error) {
      if (error instanceof RemoteError && error.code === REFUSED_CODE) {
        throw new RefusedError(error.message);
      }
      if (attempt % 20 === 0) {
        parts.logger.log("info", "waiting for the cluster to let this node in", {
          member: formatAddress(address),
          reason: (error as Error).message,
        });
      }
      await sleep(parts.clock, JOIN_RETRY_MS);
    }
  }
}

/** Lets a node in, on the Raft leader: it is registered, and becomes a learner. */
export async function letIn(
  parts: { raft: RaftNode; metadata: Metadata; clusterId: string },
  node: NodeInfo,
): Promise<Uint8Array> {
  const { raft, metadata, clusterId } = parts;
  const isMember = () => {
    const { voters, learners } = raft.status.config;
    return [...voters, ...learners].includes(node.id);
  };
  // As of everything that is committed: what is decided here is not looked at again.
  await metadata.refresh({ timeoutMs: JOIN_TIMEOUT_MS });
  const known = metadata.state.nodes.get(node.id);
  if (known && known.incarnation !== node.incarnation) {
    throw new RpcRefusal(REFUSED_CODE, otherDiskText(known, node.incarnation));
  }
  // ⛔ An id leaves metadata before it leaves Raft. Were another disk let in between the two, Raft would take
  // an empty log for that of a voter which has acknowledged entries and given its vote.
  if (!known && isMember()) {
    throw new UnavailableError(`node id ${node.id} is still being removed: try again later`);
  }
  try {
    await metadata.propose({ kind: "registerNode", ...node }, { timeoutMs: JOIN_TIMEOUT_MS });
  } catch (error) {
    if (error instanceof RefusedError) throw new RpcRefusal(REFUSED_CODE, error.message);
    throw error;
  }
  if (!isMember()) {
    await raft.addLearner(node.id, { timeoutMs: JOIN_TIMEOUT_MS });
  }
  return writeJoinReply({ clusterId, nodes: [...metadata.state.nodes.values()] });
}
