/**
 * The simulated twins of the world's interfaces. Everything here is a function of a seed: the same
 * program on the same seed makes the same calls in the same order, to the byte.
 *
 * @module
 */

export * from "./clock.ts";
export * from "./network.ts";
export * from "./random.ts";
export type { DiskFault, FaultyOp } from "./sim_disk_faults.ts";
export * from "./sim_drive.ts";
