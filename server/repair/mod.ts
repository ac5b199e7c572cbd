/**
 * Repair of sealed segments, the search for rot in them, and removal of nodes: a pure plan, and what carries it out on the Raft
 * leader's node. Uses metadata, raft and segments.
 *
 * @module
 */

export * from "./repair.ts";
export * from "./repair_list.ts";
export * from "./repair_plan.ts";
export * from "./scrub.ts";
