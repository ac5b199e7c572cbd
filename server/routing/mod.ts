/**
 * From a topic to the node that can do it: routing of appends, takes and reads with their retries, and
 * the placement of leaders. Uses metadata, segments and the network between nodes.
 *
 * @module
 */

export * from "./append_router.ts";
export * from "./fetch_router.ts";
export * from "./forwarding.ts";
export * from "./placement.ts";
export * from "./routes.ts";
export * from "./take_router.ts";
export * from "./topic_reader.ts";
export * from "./topic_tails.ts";
export * from "./waiting_fetch.ts";
