/**
 * The answer to `STATE`: where a topic's segments are.
 *
 * | key | value |
 * | --- | ----- |
 * | `current_segment` | number of the open segment |
 * | `leader_node` | node that leads it |
 * | `last_sealed_entry_offset` | entries in all sealed segments |
 * | `sealed_segments` | {number: count} |
 * | `segment_leaders` | {number: node}, the open one's too |
 * | `segment_replicas` | {number: [nodes]}, the open one's too |
 *
 * @module
 */

import { openSegmentOf, type TopicInfo } from "../metadata/mod.ts";

/** One line of JSON. */
export function stateReport(topic: TopicInfo): string {
  const open = openSegmentOf(topic);
  const sealed: Record<string, number> = {};
  const leaders: Record<string, number> = {};
  const replicas: Record<string, readonly number[]> = {};
  for (const segment of topic.segments) {
    if (segment.count !== null) sealed[segment.number] = segment.count;
    leaders[segment.number] = segment.leader;
    replicas[segment.number] = segment.replicas;
  }
  return JSON.stringify({
    current_segment: open.number,
    leader_node: open.leader,
    last_sealed_entry_offset: open.baseOffset,
    sealed_segments: sealed,
    segment_leaders: leaders,
    segment_replicas: replicas,
  });
}
