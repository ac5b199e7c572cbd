/**
 * Which nodes this one talks to. Pure.
 *
 * @module
 */

import { type Admission, type Hello, NO_CLUSTER } from "../network/mod.ts";
import { type NodeInfo, removedText } from "../metadata/mod.ts";

/** What the decision rests on. */
export interface AdmissionView {
  nodeId: number;
  /** Null until this node has made or joined a cluster. */
  clusterId: string | null;
  knownNode: (id: number) => NodeInfo | undefined;
  isRemoved: (incarnation: string) => boolean;
}

/** Whether a node that said `hello`, on a connection of either direction, is the right one to talk to. */
export function admit(
  view: AdmissionView,
  hello: Hello,
  side: "incoming" | "outgoing",
): Admission {
  if (hello.nodeId === view.nodeId) {
    return {
      refuse: `node id ${hello.nodeId} is this node's own: give each node its own --node-id`,
    };
  }
  const isVisit = hello.purpose === "visit";
  if (view.clusterId === null) {
    if (side === "outgoing" && isVisit) return { ok: true };
    return { refuse: `node ${view.nodeId} has not joined a cluster yet: try again later` };
  }
  if (hello.clusterId === NO_CLUSTER && isVisit) return { ok: true };
  if (hello.clusterId !== view.clusterId) {
    return {
      refuse: `node ${hello.nodeId} belongs to cluster ${hello.clusterId}, ` +
        `node ${view.nodeId} to ${view.clusterId}`,
    };
  }
  if (view.isRemoved(hello.incarnation)) return { refuse: removedText(hello.nodeId) };
  const known = view.knownNode(hello.nodeId);
  if (known && known.incarnation !== hello.incarnation) {
    return {
      refuse: `node ${hello.nodeId} is known with another data directory ` +
        `(incarnation ${known.incarnation}, not ${hello.incarnation})`,
    };
  }
  return { ok: true };
}
