/**
 * What Raft costs, measured by main.ts (`deno task bench:raft`).
 *
 * @module
 */

export { CoreGroup, type GroupOptions } from "./core_group.ts";
