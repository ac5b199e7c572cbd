/**
 * The answer to `TOPICS`: `{"topics": […]}`, one object a topic.
 *
 * | key | value |
 * | --- | ----- |
 * | `topic` | its name |
 * | `segments` | how many, the open one included |
 * | `leader_node` | of the open segment |
 * | `sealed_entries`, `sealed_bytes` | in all sealed segments |
 * | `replication_factor` | wished replicas |
 * | `fsync` | the topic's own, or null: as the nodes are told |
 *
 * @module
 */

import { openSegmentOf, type TopicInfo } from "../metadata/mod.ts";
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
        sealed_entries: open.baseOffset,
        sealed_bytes: topic.segments.reduce((sum, segment) => sum + (segment.bytes ?? 0), 0),
        replication_factor: topic.replicationFactor,
        fsync: topic.durability === null ? null : durabilityText(topic.durability),
      };
    }),
  });
}
