/**
 * What the tests of the Raft part share: groups of nodes in a simulated world, a log store in memory, a
 * state machine that remembers, and stories as text.
 *
 * @module
 */

export { ListMachine } from "./list_machine.ts";
export { MemoryLog, MemoryLogStore } from "./memory_log_store.ts";
export { type Member, NodeGroup } from "./node_group.ts";
export { Scenario } from "./scenario.ts";
export { PoweredGroup, type PoweredMember } from "./powered_group.ts";
