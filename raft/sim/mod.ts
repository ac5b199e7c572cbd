/**
 * Whole Raft groups from one seed, in a world that loses, doubles, delays, cuts and forgets, with the
 * invariants checked at every step. For tests, and by hand through main.ts.
 *
 * @module
 */

export { CANARIES, type Canary, type CanaryName } from "./canaries.ts";
export { Checker, InvariantError, type Observed } from "./checker.ts";
export { applyPersist, ModelDisk } from "./durable_model.ts";
export { formatEntry, formatMessage } from "./format.ts";
export { type SimOptions, type SimResult, simulate } from "./simulation.ts";
