/**
 * The native part: io_uring in whole commits and CRC-32C in hardware, through one small C library that is
 * built on the machine where a compiler is at hand. Everything above runs without it too, more slowly.
 * Uses only `world/`.
 *
 * @module
 */

export { type BuildResult, buildShim } from "./build.ts";
export { Job, type JobFailure } from "./job.ts";
export { errnoName, openShim, type OpenShimResult, Ring, Shim } from "./shim.ts";
