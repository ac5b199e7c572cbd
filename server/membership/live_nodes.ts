/**
 * Where something new may go. Pure.
 *
 * @module
 */

import type { MetadataState, NodeInfo } from "../metadata/mod.ts";

/** What is known of the other nodes at a moment. */
export interface LiveView {
  nodeId: number;
  metadata: Pick<MetadataState, "nodes" | "draining">;
  /** Whether the connection to the node is with that very run of it. */
  isConnectedTo: (nodeId: number, run: string) => boolean;
  /** Whether the node was heard lately. */
  isAlive: (nodeId: number) => boolean;
  /** Whether that run of the node has said that it stops. */
  hasLeft: (node: NodeInfo) => boolean;
  /** This node stops. */
  isLeaving: boolean;
}

/**
 * This node, and those that it is connected with and has heard lately, without those that are on their way out or
 * have said that they stop. A killed process is heard of for a while after its connection broke: it must not be
 * given a segment. Nor must the next run of it before that is registered: metadata would give the segment to the run
 * that is gone, and it could only be recovered.
 */
export function liveNodes(view: LiveView): number[] {
  const { hasLeft, isAlive, isConnectedTo, isLeaving, metadata, nodeId } = view;
  const live = [...metadata.nodes.values()].filter((node) =>
    !metadata.draining.has(node.id) && !hasLeft(node) &&
    (node.id === nodeId || (isConnectedTo(node.id, node.run) && isAlive(node.id)))
  ).map(({ id }) => id);
  // A node that stops stays where there is no other.
  return isLeaving && live.length > 1 ? live.filter((id) => id !== nodeId) : live;
}
