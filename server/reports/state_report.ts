/**
 * The answer to `STATE`: where a topic's segments are.
 *
 * | key | value |
 * | --- | ----- |
 * | `current_segment` | number of the open segment |
 * | `leader_node` | node that leads it |
 * | `last_sealed_entry_offset` | entries in all sealed segments, the trimmed ones included |
 * | `sealed_segments` | {number: count} |
 * | `segment_leaders` | {number: node}, the open one's too |
 * | `segment_replicas` | {number: [nodes that hold it]} of the newest {@link DETAILED_MAX} segments, the open one's too |
 * | `replication_factor` | wished replicas |
 * | `first_offset` | of the first entry that was not trimmed |
 * | `retention` | what is kept at least: `bytes`, `ms`, `entries`; null: no such promise |
 * | `segment_count` | how many there are |
 * | `under_replicated_segments`, `lossy_segments` | how many of all have too few replicas; may have lost entries |
 * | `segments` | {number: what follows} of the newest {@link DETAILED_MAX} segments, the open one's too |
 * | … `state` | `open`, `sealing` or `sealed` |
 * | … `count`, `bytes` | entries and payload bytes; of the open one committed entries and accepted bytes where its leader is asked, else null |
 * | … `under_replicated` | fewer nodes hold it than should |
 * | … `sealed_ms` | when it was sealed, milliseconds since 1970; null: open, or not known |
 * | … `may_have_lost` | sealed by a recovery that could not be sure of every acknowledged entry |
 *
 * @module
 */

import { firstOffsetOf, openSegmentOf, type SegmentInfo, type TopicInfo } from "../metadata/mod.ts";

/** Segments that are described one by one: a topic may have a hundred thousand. */
export const DETAILED_MAX = 1000;

/** What the report looks at besides metadata. */
export interface StateView {
  isUnderReplicated: (segment: SegmentInfo) => boolean;
  /** Committed entries and accepted bytes of the open segment; `null` where this node does not lead it. */
  open: { count: number; bytes: number } | null;
}

/** One line of JSON. */
export function stateReport(topic: TopicInfo, view: StateView): string {
  const open = openSegmentOf(topic);
  const detailedFrom = open.number - DETAILED_MAX + 1;
  let underReplicated = 0, lossy = 0;
  const sealed: Record<string, number> = {};
  const leaders: Record<string, number> = {};
  const replicas: Record<string, readonly number[]> = {};
  const segments: Record<string, unknown> = {};
  for (const segment of topic.segments) {
    if (segment.count !== null) sealed[segment.number] = segment.count;
    leaders[segment.number] = segment.leader;
    const isUnderReplicated = view.isUnderReplicated(segment);
    if (isUnderReplicated) underReplicated++;
    if (segment.mayHaveLost) lossy++;
    if (segment.number < detailedFrom) continue;
    const held = segment === open ? view.open : segment;
    replicas[segment.number] = segment.replicas;
    segments[segment.number] = {
      state: stateOf(segment),
      count: held?.count ?? null,
      bytes: held?.bytes ?? null,
      under_replicated: isUnderReplicated,
      sealed_ms: segment.sealedMs || null,
      may_have_lost: segment.mayHaveLost,
    };
  }
  return JSON.stringify({
    current_segment: open.number,
    leader_node: open.leader,
    last_sealed_entry_offset: open.baseOffset,
    sealed_segments: sealed,
    segment_leaders: leaders,
    segment_replicas: replicas,
    replication_factor: topic.replicationFactor,
    first_offset: firstOffsetOf(topic),
    retention: topic.retention,
    segment_count: topic.segments.length,
    under_replicated_segments: underReplicated,
    lossy_segments: lossy,
    segments,
  });
}

function stateOf(segment: SegmentInfo): "open" | "sealing" | "sealed" {
  if (segment.count !== null) return "sealed";
  return segment.isSealing ? "sealing" : "open";
}
