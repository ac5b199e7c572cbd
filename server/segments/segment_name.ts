/**
 * How a node's segment replicas are named in its store, and made there.
 *
 * @module
 */

import type { Durability, Log, LogStore } from "../../storage/mod.ts";

const PREFIX = "segment/";

/** The log that holds this node's replica of a segment; `""`: what all of a topic's begin with. Topic names hold no `/`. */
export function segmentLogName(topic: string, segment: number | ""): string {
  return `${PREFIX}${topic}/${segment}`;
}

/** Whether a log is a replica of a segment: quicker to ask of a hundred thousand than of which one. */
export function isSegmentLogName(name: string): boolean {
  return name.startsWith(PREFIX);
}

/** The twin of {@link segmentLogName}; `null` for a log that is no segment. */
export function parseSegmentLogName(name: string): { topic: string; segment: number } | null {
  if (!isSegmentLogName(name)) return null;
  const slash = name.lastIndexOf("/");
  return { topic: name.slice(PREFIX.length, slash), segment: Number(name.slice(slash + 1)) };
}

/** This node's replica of a segment, made if it is not there; `durability` null: as the node was told. */
export function openSegmentLog(
  store: LogStore,
  target: { topic: string; segment: number },
  durability: Durability | null,
): Log {
  const name = segmentLogName(target.topic, target.segment);
  return store.get(name) ?? store.create(name, durability === null ? {} : { durability });
}
