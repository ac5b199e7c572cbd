/**
 * Random lives of a store, from seeds, against a naive model. For tests, and for many seeds by hand
 * (`deno task sim:storage FROM COUNT`).
 *
 * @module
 */

export { commandOf, firstFailure, runSeeds } from "./run_seeds.ts";
export { type SimulationOptions, StoreSimulation } from "./store_simulation.ts";
