/**
 * Raft: a group of nodes agrees on a sequence of commands and keeps agreeing while a minority of them is
 * gone. For metadata only (DESIGN.md §4).
 *
 * The core (`RaftCore`) is a value machine without effects; `RaftNode` drives it with a clock, a log in
 * storage and a network. Uses `world` and `storage`, nothing above. References in the comments: Ongaro and
 * Ousterhout, "In Search of an Understandable Consensus Algorithm" (the paper, 2014), and Ongaro,
 * "Consensus: Bridging Theory and Practice" (the thesis, 2014).
 *
 * @example The core alone, as the sole voter of a group
 * ```ts
 * import { bootstrapState, RaftCore } from "./mod.ts";
 * import { SeededRandom } from "../world/sim/mod.ts";
 *
 * const core = new RaftCore({ id: 1, random: new SeededRandom(1), restored: bootstrapState([1]) });
 * const applied: number[] = [];
 * const work = () => {
 *   for (let ready = core.takeReady(); ready !== null; ready = core.takeReady()) {
 *     // Here the disk would take `ready.persist`, and the network `ready.messages`.
 *     if (ready.persist !== null) core.onPersisted(ready.persist.completion);
 *     for (const entry of ready.committed) applied.push(entry.index);
 *   }
 * };
 * core.campaign();
 * work();
 * core.propose([new Uint8Array([42])]);
 * work();
 * // The group's configuration, the leader's first entry, the command.
 * if (applied.join() !== "1,2,3") throw new Error(`applied ${applied}`);
 * ```
 *
 * @module
 */

export { bootstrapState, type CoreOptions, EMPTY_STATE, type Proposal, RaftCore } from "./core.ts";
export type { CoreState, RestoredState, Role } from "./core_state.ts";
export { RAFT_LOG_NAME } from "./durable_log.ts";
export * from "./errors.ts";
export {
  type CoreLimits,
  DEFAULT_LIMITS,
  MAX_COMMAND_BYTES,
  MAX_SNAPSHOT_BYTES,
} from "./limits.ts";
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
export type { ProgressState } from "./progress.ts";
export { RAFT_RULES, type SafetyRules } from "./rules.ts";
export type { PeerProgress, RaftStatus } from "./status.ts";
export type { Applied } from "./waiting.ts";
