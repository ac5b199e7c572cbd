/**
 * Raft: a group of nodes agrees on a sequence of commands and keeps agreeing while a minority of them is
 * gone. For metadata only (DESIGN.md §4).
 *
 * The core (`RaftCore`) is a value machine without effects; `RaftNode` drives it with a clock, a log in
 * storage and a network. Uses `world` and `storage`, nothing above. References in the comments: Ongaro and
 * Ousterhout, "In Search of an Understandable Consensus Algorithm" (the paper, 2014), and Ongaro,
 * "Consensus: Bridging Theory and Practice" (the thesis, 2014).
 *
 * @module
 */

export { bootstrapState, type CoreOptions, EMPTY_STATE, type Proposal, RaftCore } from "./core.ts";
export type { RestoredState, Role } from "./core_state.ts";
export { RAFT_LOG_NAME } from "./durable_log.ts";
export * from "./errors.ts";
export { type CoreLimits, MAX_COMMAND_BYTES, MAX_SNAPSHOT_BYTES } from "./limits.ts";
export {
  type Configuration,
  formatConfiguration,
  isMember,
  isVoter,
  MAX_MEMBERS,
  MAX_VOTERS,
  type MembershipChange,
} from "./membership.ts";
export type { ChangeResult } from "./membership_change.ts";
export * from "./messages.ts";
export { decodeMessage, encodeMessage } from "./message_codec.ts";
export { RaftNode } from "./node.ts";
export type { RaftOptions, StateMachine, WaitOptions } from "./node_options.ts";
export { type PeerProgress, type RaftStatus } from "./status.ts";
export type { Applied } from "./waiting.ts";
