/**
 * Which nodes this one talks to. Pure.
 *
 * @module
 */

import { formatAddress } from "../../world/mod.ts";
import {
  type Admission,
  DEAD_AFTER_MS,
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
  /** This very run of the node is connected now, whoever of the two made the connection. */
  isConnected: (node: NodeInfo) => boolean;
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
  // ⛔ One that begins beside it has a copy of its directory, which lacks what it has got since. Were that registered,
  // the one that lacks nothing would be out. (Who was killed has no connection any more.)
  if (known && known.run !== hello.runId && view.isConnected(known)) {
    return { refuse: runsAlreadyText(known), code: RefusalCode.runsAlready };
  }
  return { ok: true };
}

function runsAlreadyText({ id, raftHost, raftPort }: NodeInfo): string {
  return `another process with the id and the disk of node ${id} is running, at ` +
    `${
      formatAddress({ host: raftHost, port: raftPort })
    }: stop one of them, and never start a copy of a ` +
    `node's data directory`;
}

/** How long a single peer must go on saying that it is of another cluster, milliseconds. */
const LASTING_MS = 5000;
/**
 * How long a peer must go on saying that another process of this node runs, milliseconds: several times as long as the
 * connection of a host that is gone counts.
 */
const RUNS_ALREADY_MS = 3 * DEAD_AFTER_MS;
/** Refusals that are further apart are two stories, milliseconds: a peer that refuses is asked again before. */
const SAME_STORY_MS = RUNS_ALREADY_MS;

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
 * - *Runs already* is final for this process when a peer goes on saying so: after a crash of the whole machine it may
 *   take a moment until the old connection is known to be gone. The directory may be started again.
 * - *Another disk* never is. Who says so has not heard yet that the id was removed and given to this disk; to
 *   the one that comes back with the old disk it is *removed* for the others.
 */
export class Refusals {
  /** When each said so first. */
  readonly #ofOtherClusters: Map<number, number> = new Map();
  /** When each said first and last that another process of this node runs. */
  readonly #ofOthersRunning: Map<number, { firstMs: number; lastMs: number }> = new Map();

  /** The peer `from` refused this node: why that is the end, or `null` where it isn't. */
  note(from: number, refusal: Refusal, view: RefusalView): string | null {
    if (refusal.code === RefusalCode.removed || refusal.code === RefusalCode.olderCopy) {
      return refusal.reason;
    }
    if (refusal.code === RefusalCode.runsAlready) {
      return this.#isLasting(from, view.nowMs) ? refusal.reason : null;
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

  #isLasting(from: number, nowMs: number): boolean {
    const known = this.#ofOthersRunning.get(from);
    const isSame = known !== undefined && nowMs - known.lastMs < SAME_STORY_MS;
    const firstMs = isSame ? known.firstMs : nowMs;
    this.#ofOthersRunning.set(from, { firstMs, lastMs: nowMs });
    return nowMs - firstMs >= RUNS_ALREADY_MS;
  }
}
