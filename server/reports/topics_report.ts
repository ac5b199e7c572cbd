/**
 * The answer to `TOPICS`: `{"topics": […]}`, one object a topic.
 *
 * | key | value |
 * | --- | ----- |
 * | `topic` | its name |
 * | `segments` | how many, the open one included |
 * | `leader_node` | of the open segment |
 * | `first_offset` | of the first entry that was not trimmed |
 * | `sealed_entries` | in all sealed segments, the trimmed ones included |
 * | `sealed_bytes` | in the sealed segments that are there |
 * | `replication_factor` | wished replicas |
 * | `fsync` | the topic's own, or null: as the nodes are told |
 *
 * @module
 */

import { firstOffsetOf, openSegmentOf, type TopicInfo } from "../metadata/mod.ts";
import { durabilityText } from "./durability_text.ts";

/** One line of JSON. */
export function topicsReport(topics: Iterable<TopicInfo>): string {
  return JSON.stringify({
    topics: [...topics].map((topic) => {
      const open = openSegmentOf(topic);
      return {
        topic: topic.name,
        segments: topic.segments.length,
        leader_node: open.leader,
        first_offset: firstOffsetOf(topic),
        sealed_entries: open.baseOffset,
        sealed_bytes: topic.segments.reduce((sum, segment) => sum + (segment.bytes ?? 0), 0),
        replication_factor: topic.replicationFactor,
        fsync: topic.durability === null ? null : durabilityText(topic.durability),
      };
    }),
  });
}
