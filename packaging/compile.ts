/**
 * `deno task compile`: makes `dist/walrus` and says what came of it.
 *
 * @module
 */

import { buildExecutable } from "./executable.ts";
import { BuildError, megabytes, say } from "./tools.ts";

async function main(): Promise<number> {
  try {
    const { path, form, remarks } = await buildExecutable();
    for (const remark of remarks) say(remark);
    const { size } = await Deno.stat(path);
    say(`${path}: ${megabytes(size)}, by ${form === "launcher" ? "a launcher" : form}`);
    return 0;
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    say(error.message);
    return 1;
  }
}

if (import.meta.main) Deno.exit(await main());
