/**
 * Which sealed segments a topic need not keep any longer. Pure.
 *
 * @module
 */

import { openSegmentOf, type TopicInfo } from "../metadata/mod.ts";

/** What the open segment holds, and what time it is by the clock that seals are stamped with. */
export interface RetentionView {
  openBytes: number;
  openEntries: number;
  /** Milliseconds since 1970. */
  wallMs: number;
}

/**
 * Number of the first segment that stays: the oldest go as long as every promise that the topic makes is kept
 * without them. Where it makes none, all stay. A segment of which nobody knows when it was sealed counts as
 * new until the one behind it is old enough.
 */
export function firstKept(topic: TopicInfo, view: RetentionView): number {
  const { bytes, ms, entries } = topic.retention;
  const open = openSegmentOf(topic);
  const oldest = topic.segments[0]!.number;
  if (bytes === null && ms === null && entries === null) return oldest;
  let bytesLeft = view.openBytes;
  let entriesLeft = view.openEntries;
  let sealedMs = view.wallMs;
  let first = open.number;
  // From the newest on: what is behind a segment decides whether it may go.
  for (let i = topic.segments.length - 2; i >= 0; i--) {
    const segment = topic.segments[i]!;
    if (segment.sealedMs > 0) sealedMs = Math.min(sealedMs, segment.sealedMs);
    const isKept = bytesLeft >= (bytes ?? 0) && entriesLeft >= (entries ?? 0) &&
      (ms === null || view.wallMs - sealedMs >= ms);
    if (!isKept) first = segment.number;
    bytesLeft += segment.bytes!;
    entriesLeft += segment.count!;
  }
  return first;
}
