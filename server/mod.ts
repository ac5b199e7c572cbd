/**
 * A Walrus node. `startNode(config, world)` wires it: metadata (Raft's state machine), segments,
 * routing, membership, the network between nodes and the client protocol. Everything outside of the
 * program comes in through `World`, so that any number of nodes can live in one process.
 *
 * @module
 */

export * from "./config.ts";
export * from "./errors.ts";
export { type Node, type NodeWorld, startNode } from "./node.ts";
export type { SegmentEvent, SegmentEvents } from "./segments/segment_events.ts";
