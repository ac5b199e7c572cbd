import assert from "node:assert/strict";
import { runDamages } from "./simulation/mod.ts";

// All bits of the bytes that matter, in ten minutes: `deno task sim:damage --all-bits`. All lengths and all zeroes,
// in most of an hour: `--all`.

Deno.test("LogStore answers rightly to a flipped bit in every byte of a killed store", async () => {
  const counts = await runDamages({ end: "killed", kind: "flip" });
  // Each kind of answer must have been one: else the store has not what it is to be tried on.
  for (const [outcome, count] of Object.entries(counts)) assert(count > 50, `${outcome}: ${count}`);
});
