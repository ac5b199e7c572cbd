/**
 * Which nodes this one talks to. Pure.
 *
 * @module
 */

import {
  type Admission,
  type Hello,
  NO_CLUSTER,
  type Refusal,
  RefusalCode,
} from "../network/mod.ts";
import { type NodeInfo, removedText } from "../metadata/mod.ts";
import { goneBackText, hasGoneBack } from "../runs.ts";

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
      code: RefusalCode.otherCluster,
    };
  }
  if (view.isRemoved(hello.incarnation)) {
    return { refuse: removedText(hello.nodeId), code: RefusalCode.removed };
  }
  const known = view.knownNode(hello.nodeId);
  if (known && known.incarnation !== hello.incarnation) {
    return {
      refuse: `node ${hello.nodeId} is known with another data directory ` +
        `(incarnation ${known.incarnation}, not ${hello.incarnation})`,
      code: RefusalCode.otherDisk,
    };
  }
  // ⛔ It has forgotten votes, fences and messages that it vouched for: it must not count anywhere.
  if (known && hasGoneBack(known.run, hello)) {
    return { refuse: goneBackText(hello.nodeId), code: RefusalCode.olderCopy };
  }
  return { ok: true };
}

/** How long a single peer must go on saying that it is of another cluster, milliseconds. */
const LASTING_MS = 5000;

/** What decides whether refusals are the end. */
export interface RefusalView {
  /** Other nodes of the cluster, as this one knows them. */
  others: readonly number[];
  /** A Raft majority has been heard since the start. */
  hasHeardMajority: boolean;
  /** The start is over, and clients are served. */
  isServing: boolean;
  nowMs: number;
}

/**
 * Follows who refuses this node, until it is sure that this data directory has no place in the cluster any
 * more. Pure.
 *
 * - *Removed* is final whoever of the cluster says it: who was removed once is removed for ever.
 * - *An older copy* is, too: metadata has a run that this directory doesn't know, and it never will.
 * - *Another cluster* is final for a node that starts, when most of the others say so and no majority was ever
 *   heard: then this is the wrong disk. One of them alone may be a stranger who took over a port; where there
 *   is only one other, it must say so for a while.
 * - *Another disk* never is. Who says so has not heard yet that the id was removed and given to this disk; to
 *   the one that comes back with the old disk it is *removed* for the others.
 */
export class Refusals {
  /** When each said so first. */
  readonly #ofOtherClusters: Map<number, number> = new Map();

  /** The peer `from` refused this node: why that is the end, or `null` where it isn't. */
  note(from: number, refusal: Refusal, view: RefusalView): string | null {
    if (refusal.code === RefusalCode.removed || refusal.code === RefusalCode.olderCopy) {
      return refusal.reason;
    }
    if (refusal.code !== RefusalCode.otherCluster) return null;
    const firstMs = this.#ofOtherClusters.get(from) ?? view.nowMs;
    this.#ofOtherClusters.set(from, firstMs);
    if (view.hasHeardMajority || view.isServing) return null;
    const saying = view.others.filter((id) => this.#ofOtherClusters.has(id)).length;
    if (2 * saying <= view.others.length) return null;
    if (saying < 2 && view.nowMs - firstMs < LASTING_MS) return null;
    return `${refusal.reason}: is this the right data directory?`;
  }
}
