/**
 * `walrus bench`: load and its measurement. The command is small; the rest (`bench.ts`, `load.ts`) is
 * loaded when it runs.
 *
 * @module
 */

export { makeBenchCommand } from "./bench_command.ts";
