import assert from "node:assert/strict";
import { type Damage, runDamages, type SmallStoreEnd } from "./simulation/mod.ts";

// Every so-manieth of those of every_byte_test.ts, which is all that a test has time for.

const RUNS: [SmallStoreEnd, Damage["kind"], number][] = [
  ["closed", "flip", 7],
  ["killedHome", "flip", 7],
  ["closed", "cut", 11],
  ["killed", "cut", 7],
  ["killedHome", "cut", 11],
];

for (const [end, kind, step] of RUNS) {
  const what = kind === "flip" ? "flipped bits in" : "files cut short of";
  Deno.test(`LogStore answers rightly to ${what} a small store (${end})`, async () => {
    const { whole, cut, unreadable } = await runDamages({ end, kind, step });
    assert(whole > 20 && cut > 5 && unreadable > 20, `${whole}, ${cut}, ${unreadable}`);
  });
}
