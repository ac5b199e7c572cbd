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
 * | `segment_replicas` | {number: [nodes that hold it]}, the open one's too |
 * | `replication_factor` | wished replicas |
 * | `first_offset` | of the first entry that was not trimmed |
 * | `retention` | what is kept at least: `bytes`, `ms`, `entries`; null: no such promise |
 * | `segments` | {number: what follows}, the open one's too |
 * | … `state` | `open`, `sealing` or `sealed` |
 * | … `count`, `bytes` | entries and payload bytes, once sealed; null before |
 * | … `under_replicated` | fewer nodes hold it than should |
 * | … `sealed_ms` | when it was sealed, milliseconds since 1970; null: open, or not known |
 * | … `may_have_lost` | sealed by a recovery that could not be sure of every acknowledged entry |
 *
 * @module
 */

import { firstOffsetOf, openSegmentOf, type SegmentInfo, type TopicInfo } from "../metadata/mod.ts";

/** One line of JSON. */
export function stateReport(
  topic: TopicInfo,
  isUnderReplicated: (segment: SegmentInfo) => boolean,
): string {
  const open = openSegmentOf(topic);
  const sealed: Record<string, number> = {};
  const leaders: Record<string, number> = {};
  const replicas: Record<string, readonly number[]> = {};
  const segments: Record<string, unknown> = {};
  for (const segment of topic.segments) {
    if (segment.count !== null) sealed[segment.number] = segment.count;
    leaders[segment.number] = segment.leader;
    replicas[segment.number] = segment.replicas;
    segments[segment.number] = {
      state: stateOf(segment),
      count: segment.count,
      bytes: segment.bytes,
      under_replicated: isUnderReplicated(segment),
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
    segments,
  });
}

function stateOf(segment: SegmentInfo): "open" | "sealing" | "sealed" {
  if (segment.count !== null) return "sealed";
  return segment.isSealing ? "sealing" : "open";
}
