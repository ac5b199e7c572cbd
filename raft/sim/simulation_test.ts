import assert from "node:assert/strict";
import { CANARIES, type CanaryName, simulate } from "./mod.ts";

/** What CI runs; `deno task sim:raft --steps 1000000` runs as much as one likes. */
const SEEDS = 3000;
/** In so many seeds each planted bug must show. */
const CANARY_SEEDS = 1500;

function replay(seed: number, canary?: string): string {
  return `deno task sim:raft --record --seed ${seed}` +
    (canary ? ` --canary ${canary}` : "");
}

Deno.test(`Raft simulation: all invariants hold, and groups come back, over ${SEEDS} seeds`, () => {
  const total = { steps: 0, acknowledged: 0, reads: 0, crashes: 0, changes: 0, chunks: 0 };
  for (let seed = 0; seed < SEEDS; seed++) {
    try {
      const result = simulate({ seed });
      total.steps += result.steps;
      total.acknowledged += result.acknowledged;
      total.reads += result.reads;
      total.crashes += result.crashes;
      total.changes += result.membershipChanges;
      total.chunks += result.snapshotChunks;
    } catch (error) {
      throw new Error(`seed ${seed} fails; replay it: ${replay(seed)}`, { cause: error });
    }
  }
  // A world in which nothing happens would pass, too.
  for (const [what, count] of Object.entries(total)) {
    assert.ok(count >= SEEDS, `${count} ${what} in ${SEEDS} seeds`);
  }
});

Deno.test("Raft simulation: the same seed gives the same transcript, to the byte", () => {
  for (let seed = 0; seed < 20; seed++) {
    const transcripts = [0, 1].map(() => {
      const lines: string[] = [];
      simulate({ seed, onLine: (line) => lines.push(line) });
      return lines.join("\n");
    });
    assert.ok(transcripts[0]!.length > 1000);
    assert.equal(transcripts[0], transcripts[1], replay(seed));
  }
});

for (const canary of Object.keys(CANARIES) as CanaryName[]) {
  Deno.test(`Raft simulation: finds the planted bug ${canary} within ${CANARY_SEEDS} seeds`, () => {
    for (let seed = 0; seed < CANARY_SEEDS; seed++) {
      try {
        simulate({ seed, canary });
      } catch (error) {
        const { name } = error as Error;
        assert.ok(name === "InvariantError" || name === "AssertionError", replay(seed, canary));
        return;
      }
    }
    assert.fail(`${canary} was not found`);
  });
}
