/**
 * A segment's life. On its leader: one writer (`segment_writer.ts`) that knows what is committed
 * (`commit_tracker.ts`, pure), streams to the other replicas (`replica_feed.ts`, `tail_buffer.ts`), the
 * shared cursor, leases, and the planned rollover with its exact seal (`open_segment.ts`). On the others:
 * replicas that append only at their own end, and fences (`replicas.ts`, `replica.ts`, `fences.ts`). When a
 * leader is gone: `failover.ts` notices, `recovery.ts` seals. Uses storage and metadata; what it needs of
 * other nodes is handed in.
 *
 * @module
 */

export * from "./append_meter.ts";
export * from "./commit_tracker.ts";
export * from "./control_record.ts";
export * from "./digest.ts";
export * from "./entry_source.ts";
export * from "./failover.ts";
export * from "./fences.ts";
export * from "./leases.ts";
export * from "./open_segment.ts";
export * from "./recovery.ts";
export * from "./replica.ts";
export * from "./replica_feed.ts";
export * from "./retention.ts";
export * from "./replicas.ts";
export * from "./segment_events.ts";
export * from "./segment_name.ts";
export * from "./segment_trace.ts";
export * from "./segment_writer.ts";
export * from "./segments.ts";
export * from "./shared_cursor.ts";
export * from "./whole_read.ts";
