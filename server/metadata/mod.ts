/**
 * Metadata: nodes, topics, segments, leaders and sealed counts, replicated by Raft. `state.ts` is the
 * pure state machine, `command_codec.ts` and `snapshot.ts` its bytes, `machine.ts` what Raft drives, and
 * `metadata.ts` what the rest of a node talks to. Uses raft and server/network; nothing of segments.
 *
 * @module
 */

export * from "./command.ts";
export * from "./command_codec.ts";
export * from "./machine.ts";
export * from "./metadata.ts";
export * from "./snapshot.ts";
export * from "./state.ts";
