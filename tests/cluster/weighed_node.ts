/**
 * A node that tells what its heap holds: `walrus serve` that on SIGUSR2 collects all garbage and writes a line
 * to stderr. Run with `--expose-gc` (in `DENO_V8_FLAGS`).
 *
 * @module
 */

import { runProgram } from "../../cli/mod.ts";
import { HEAP_LINE } from "./heap_bytes.ts";

/** Collections after which no garbage is left: what one finds may let go of more. */
const COLLECTIONS = 3;

Deno.addSignalListener("SIGUSR2", () => {
  const { gc } = globalThis as { gc?: () => void };
  for (let i = 0; i < COLLECTIONS; i++) gc!();
  const line = `${HEAP_LINE}${Deno.memoryUsage().heapUsed}\n`;
  Deno.stderr.writeSync(new TextEncoder().encode(line));
});

Deno.exit(await runProgram(Deno.args));
