/**
 * A segment's life on the node that leads it: one writer (`segment_writer.ts`) that knows what is
 * committed (`commit_tracker.ts`, pure), the shared cursor (`shared_cursor.ts`), leases, and the planned
 * rollover with its exact seal (`open_segment.ts`). Uses storage and metadata; what it needs from other
 * nodes is handed in (`EntrySource`, `placeNext`).
 *
 * @module
 */

export * from "./commit_tracker.ts";
export * from "./control_record.ts";
export * from "./entry_source.ts";
export * from "./leases.ts";
export * from "./open_segment.ts";
export * from "./segment_name.ts";
export * from "./segment_writer.ts";
export * from "./segments.ts";
export * from "./shared_cursor.ts";
