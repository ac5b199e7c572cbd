/**
 * How a node's segment replicas are named in its store.
 *
 * @module
 */

const PREFIX = "segment/";

/** The log that holds this node's replica of a segment. Topic names hold no `/`. */
export function segmentLogName(topic: string, segment: number): string {
  return `${PREFIX}${topic}/${segment}`;
}
