/**
 * What the tests of real clusters are made of: nodes as child processes, a client that knows nothing but
 * the protocol's text, writers that note what they were told, and checkers of what is read in the end.
 *
 * @module
 */

export * from "./checkers.ts";
export * from "./drain.ts";
export * from "./extra_node.ts";
export * from "./heap_bytes.ts";
export * from "./history.ts";
export * from "./load.ts";
export * from "./members.ts";
export * from "./namespaces.ts";
export * from "./raw_batches.ts";
export * from "./raw_client.ts";
export * from "./reports.ts";
export * from "./running_cluster.ts";
export * from "./writers.ts";
