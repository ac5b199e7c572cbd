/**
 * What a node tells of itself and the cluster: the JSON of `STATE`, `METRICS`, `TOPICS` and `NODES`, each in
 * a file with a table of its keys. Reads; changes nothing.
 *
 * @module
 */

export * from "./durability_text.ts";
export * from "./metrics_report.ts";
export * from "./nodes_report.ts";
export * from "./state_report.ts";
export * from "./topics_report.ts";
