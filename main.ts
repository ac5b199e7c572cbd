/**
 * The executable: `walrus serve`, `walrus cli`, `walrus bench`, `walrus verify`, `walrus version`.
 *
 * @module
 */

import { runProgram } from "./cli/mod.ts";

if (import.meta.main) Deno.exit(await runProgram(Deno.args));
