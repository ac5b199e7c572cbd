/**
 * What is missing for every sealed segment to be held as it should be, and what is too much. Pure.
 *
 * @module
 */

import type { MetadataState, SegmentInfo, TopicInfo } from "../metadata/mod.ts";

/** What the plan looks at besides metadata. */
export interface RepairView {
  /** Heard lately, and connected. */
  isLive: (node: number) => boolean;
  /** Not heard for so long that it is not waited for any more. */
  isLost: (node: number) => boolean;
}

/** One thing to do for one segment. */
export type RepairStep =
  | { kind: "copy"; topic: string; segment: number; node: number; from: number }
  /** Only when a majority of `keepers`, all other replicas, are found to hold it whole. */
  | { kind: "drop"; topic: string; segment: number; node: number; keepers: number[] };

/** Replicas that a segment of the topic should have, with the nodes that there are. */
export function wantedReplicas(
  state: MetadataState,
  topic: TopicInfo,
  view: Pick<RepairView, "isLost">,
): number {
  const eligible = [...state.nodes.keys()].filter((id) =>
    !state.draining.has(id) && !view.isLost(id)
  );
  return Math.min(topic.replicationFactor, eligible.length);
}

/**
 * Whether fewer nodes hold a segment of the topic than should, counting only those that are there to stay: a
 * test for many segments at one moment. A lost node is missed as long as it was not removed, even where there
 * is no other to copy to.
 */
export function underReplication(
  state: MetadataState,
  topic: TopicInfo,
  view: Pick<RepairView, "isLost">,
): (segment: SegmentInfo) => boolean {
  const wanted = Math.min(topic.replicationFactor, state.nodes.size - state.draining.size);
  const staying = new Set(
    [...state.nodes.keys()].filter((id) => !state.draining.has(id) && !view.isLost(id)),
  );
  return ({ replicas }) => {
    let keepers = 0;
    for (const id of replicas) if (staying.has(id)) keepers++;
    return keepers < wanted;
  };
}

/**
 * What a segment needs next; `wanted`: {@link wantedReplicas} of its topic. Nothing while it is not sealed. `attempt`: how
 * often that has failed. The next time another node is copied from, and in the end to: one replica that is not
 * whole, or one disk that is full, must not keep a segment short.
 */
export function stepFor(
  state: MetadataState,
  subject: {
    topic: TopicInfo;
    segment: SegmentInfo | undefined;
    wanted: number;
    attempt?: number;
  },
  view: RepairView,
): RepairStep | null {
  const { attempt = 0, topic, segment, wanted } = subject;
  if (segment === undefined || segment.count === null) return null;
  const target = { topic: topic.name, segment: segment.number };
  const keepers = keepersOf(state, segment, view);
  if (keepers.length < wanted) {
    const sources = segment.replicas.filter(view.isLive);
    const from = sources[attempt % sources.length];
    const round = Math.floor(attempt / Math.max(1, sources.length));
    const node = candidateFor(state, { segment, round }, view);
    return node === undefined || from === undefined
      ? null
      : { kind: "copy", ...target, node, from };
  }
  const node = leaverOf(state, { topic, segment, keepers }, view);
  if (node === undefined) return null;
  // ⛔ The silent ones among them, too: who stood still for a while takes everybody for lost, and knows nothing of it.
  return { kind: "drop", ...target, node, keepers: segment.replicas.filter((id) => id !== node) };
}

/** Whose replica is not needed. */
function leaverOf(
  state: MetadataState,
  subject: { topic: TopicInfo; segment: SegmentInfo; keepers: readonly number[] },
  view: Pick<RepairView, "isLost">,
): number | undefined {
  const { keepers, segment, topic: { replicationFactor } } = subject;
  // A node that was removed may still be named, by a leader that had not heard of it.
  const isLeaving = (id: number) => state.draining.has(id) || !state.nodes.has(id);
  // ⛔ A lost one that others have not taken the place of may come back, with all that it had.
  if (keepers.length >= replicationFactor) {
    const lost = segment.replicas.find((id) => view.isLost(id) && !isLeaving(id));
    if (lost !== undefined) return lost;
  }
  // Then somebody came back after others had taken its place.
  const surplus = keepers.length > replicationFactor ? keepers.at(-1) : undefined;
  // Lost ones first: of those who stay and those who leave a majority must hold it, and they don't answer.
  return segment.replicas.find((id) => isLeaving(id) && view.isLost(id)) ??
    segment.replicas.find(isLeaving) ?? surplus;
}

function keepersOf(
  state: MetadataState,
  segment: SegmentInfo,
  view: Pick<RepairView, "isLost">,
): number[] {
  return segment.replicas.filter((id) =>
    state.nodes.has(id) && !state.draining.has(id) && !view.isLost(id)
  );
}

/** A live node that doesn't hold it; which one depends on the segment, so that copies spread. */
function candidateFor(
  state: MetadataState,
  { segment, round }: { segment: SegmentInfo; round: number },
  view: RepairView,
): number | undefined {
  const candidates = [...state.nodes.keys()].filter((id) =>
    view.isLive(id) && !state.draining.has(id) && !segment.replicas.includes(id)
  );
  return candidates[(segment.number + round) % Math.max(1, candidates.length)];
}
