// deno-lint-ignore-file no-console -- the number of seeds that were run is a result
import assert from "node:assert/strict";
import { type FleetReport, replayCommand, runFleet, type SeedRange } from "./fleet.ts";
import { type ScenarioName, SCENARIOS } from "./crash_steps.ts";
import { STORIES, type StoryName } from "./shape.ts";
import { simulate } from "./simulation.ts";

/** Seeds of this run; more by hand: `deno task sim --seeds 1..100000 --workers 2`. */
const SEEDS = 1000;
/** Seeds of each story besides. */
const STORY_SEEDS = 15;
/** Processes: a machine that runs the tests has two cores at least. */
const WORKERS = 2;
/** Steps that a run which is crashed at each of them has at least: less would be another run. */
const STEPS_MIN = 80;
const FAILURES_SHOWN_MAX = 10;

function describe(report: FleetReport): string {
  return report.failures.slice(0, FAILURES_SHOWN_MAX).map((failure) =>
    [
      `seed ${failure.seed} failed; replay: ${replayCommand(failure)}`,
      ...failure.problems.slice(0, 5),
    ]
      .join("\n")
  ).join("\n");
}

async function mustHold(ranges: readonly SeedRange[]): Promise<FleetReport> {
  const report = await runFleet(ranges, { workers: WORKERS });
  console.log(
    `${report.seeds} seeds run: ${report.totals.acknowledged} entries acknowledged, ` +
      `${report.totals.sealed} segments sealed, ${report.failures.length} seeds failed`,
  );
  assert.deepEqual(report.failures.map(({ seed }) => seed), [], describe(report));
  const expected = ranges.reduce((sum, { from, to }) => sum + to - from + 1, 0);
  assert.equal(report.seeds, expected, "every seed was run");
  return report;
}

Deno.test("A simulated cluster does the same with the same seed, to the byte", async () => {
  for (const seed of [1, 2]) {
    const [first, second] = [await simulate({ seed }), await simulate({ seed })];
    assert.equal(second.digest, first.digest, `seed ${seed}`);
  }
  assert.notEqual((await simulate({ seed: 3 })).digest, (await simulate({ seed: 4 })).digest);
});

Deno.test("Simulated clusters keep every promise under faults, and come back after them", async () => {
  const { totals } = await mustHold([{ from: 1, to: SEEDS, story: null }]);
  assert.ok(totals.acknowledged! > 100 * SEEDS, `only ${totals.acknowledged} were acknowledged`);
});

Deno.test("Simulated clusters keep every promise where one kind of trouble comes again and again", async () => {
  const stories = (Object.keys(STORIES) as StoryName[]).filter((story) => story !== "beyond");
  await mustHold(stories.map((story) => ({ from: 1, to: STORY_SEEDS, story })));
});

Deno.test("Simulated clusters that bear more than is promised tell of every loss", async () => {
  const { totals } = await mustHold([{ from: 1, to: STORY_SEEDS, story: "beyond" }]);
  assert.ok(totals.lost! > 0, "something was lost, and told");
});

for (const story of Object.keys(SCENARIOS) as ScenarioName[]) {
  Deno.test(`Simulated clusters bear a crash at every step: ${story}`, async () => {
    const { steps, problems } = await simulate({ seed: 0, story });
    assert.deepEqual(problems, []);
    assert.ok(steps >= STEPS_MIN, `only ${steps} steps`);
    await mustHold([{ from: 1, to: steps, story }]);
  });
}
