/**
 * Who is in the cluster: admission of connections (pure), joining, and keeping membership up to date.
 *
 * @module
 */

export * from "./admission.ts";
export * from "./departures.ts";
export * from "./join.ts";
export * from "./leaving.ts";
export * from "./live_nodes.ts";
export * from "./membership.ts";
