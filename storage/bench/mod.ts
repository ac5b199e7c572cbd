/**
 * Measures the storage engine on this machine: `deno task bench:storage`, and against other engines:
 * `deno task bench:peers`. Uses the engine from outside only.
 *
 * @module
 */

export { type Measured, Workbench, type WorkbenchOptions } from "./workbench.ts";
export { ROWS } from "./rows.ts";
