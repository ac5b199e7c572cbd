import assert from "node:assert/strict";
import { CANARIES } from "./canaries.ts";
import { findCanary } from "./canary_run.ts";
import { STORIES, type StoryName } from "./shape.ts";
import { type SimResult, simulate } from "./simulation.ts";

/** Seeds of this run; more by hand: `deno task sim --seeds 1..1000`. */
const SEEDS = 40;
/** Seeds of each story. */
const STORY_SEEDS = 4;
const ROOT = new URL("../..", import.meta.url).pathname;

function describe(result: SimResult, story: string | null): string {
  const option = story === null ? "" : ` --story ${story}`;
  return `seed ${result.seed} failed; replay: deno task sim --seed ${result.seed}${option} --trace\n` +
    result.problems.join("\n");
}

Deno.test("A simulated cluster does the same with the same seed, to the byte", async () => {
  for (const seed of [1, 2]) {
    const [first, second] = [await simulate({ seed }), await simulate({ seed })];
    assert.equal(second.digest, first.digest, `seed ${seed}`);
  }
  assert.notEqual((await simulate({ seed: 3 })).digest, (await simulate({ seed: 4 })).digest);
});

Deno.test("Simulated clusters keep every promise under faults, and come back after them", async () => {
  let acknowledged = 0;
  for (let seed = 1; seed <= SEEDS; seed++) {
    const result = await simulate({ seed });
    assert.deepEqual(result.problems, [], describe(result, null));
    acknowledged += result.acknowledged;
  }
  assert.ok(acknowledged > 100 * SEEDS, `only ${acknowledged} entries were acknowledged`);
});

for (const story of Object.keys(STORIES) as StoryName[]) {
  Deno.test(`Simulated clusters keep every promise: ${story}`, async () => {
    for (let seed = 1; seed <= STORY_SEEDS; seed++) {
      const result = await simulate({ seed, story });
      assert.deepEqual(result.problems, [], describe(result, story));
    }
  });
}

for (const [name, canary] of Object.entries(CANARIES)) {
  Deno.test(`Simulated clusters find a planted bug: ${name}`, async () => {
    const { seed, report } = await findCanary(name, ROOT);
    assert.ok(
      seed !== null,
      `not within ${canary.seedsMax} seeds, without "${canary.rule}"\n${report}`,
    );
  });
}
