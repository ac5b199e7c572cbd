/**
 * How the lines are dealt to topics, and how small segments must be for them.
 *
 * @module
 */

import type { InputFile } from "./inputs.ts";

/** A topic and the messages that go there, in order. */
export interface DemoTopic {
  name: string;
  paths: string[];
  messages: Uint8Array[];
}

/**
 * One fewer than there are nodes: each topic has one open segment, so that there is always a node that
 * leads nothing open and can be killed.
 */
export const DEMO_TOPICS = 2;
/** Segments that should be sealed on the way. */
const SEALED_SEGMENTS_WISHED = 24;
const SEGMENT_ENTRIES_MIN = 10;

/** Deals whole files to the topics, the next one always to the topic with the fewest messages. */
export function dealFiles(files: readonly InputFile[]): DemoTopic[] {
  const topics = Array.from(
    { length: Math.min(DEMO_TOPICS, files.length) },
    (_, i): DemoTopic => ({ name: `demo-${i + 1}`, paths: [], messages: [] }),
  );
  for (const file of files) {
    const least = topics.reduce((a, b) => b.messages.length < a.messages.length ? b : a);
    least.paths.push(file.path);
    // Not `push(...lines)`: a file may have more lines than a call takes arguments.
    for (const line of file.lines) least.messages.push(line);
  }
  return topics;
}

/** The largest segment size with which about so many segments as wished are sealed. */
export function chooseSegmentEntries(topics: readonly DemoTopic[]): number {
  const counts = topics.map((topic) => topic.messages.length);
  const sealedAt = (entries: number) =>
    counts.reduce((sum, count) => sum + Math.floor(count / entries), 0);
  let entries = Math.max(
    SEGMENT_ENTRIES_MIN,
    Math.ceil(counts.reduce((sum, count) => sum + count, 0) / SEALED_SEGMENTS_WISHED),
  );
  while (entries > SEGMENT_ENTRIES_MIN && sealedAt(entries) < SEALED_SEGMENTS_WISHED) entries--;
  return entries;
}
