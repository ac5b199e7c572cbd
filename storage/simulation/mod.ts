/**
 * Random lives of a store, from seeds, against a naive model. For tests, and for many seeds by hand
 * (`deno task sim:storage FROM COUNT`). And a small store that is damaged at each place in turn (`damage_main.ts`).
 *
 * @module
 */

export { type DamageRunOptions, runDamages } from "./damage_runs.ts";
export type { Damage } from "./damage_trial.ts";
export { commandOf, firstFailure, runSeeds } from "./run_seeds.ts";
export { type SimulationOptions, StoreSimulation } from "./store_simulation.ts";
export type { SmallStoreEnd } from "./small_store.ts";
