/**
 * Runs whole-cluster simulations by hand:
 * `deno run -A tests/sim/main.ts --seeds 1..1000` · `--seed 7 --trace` · `--story usurper` · `--canary all`
 *
 * @module
 */

// deno-lint-ignore-file no-console
import { parseArgs } from "node:util";
import { CANARIES } from "./canaries.ts";
import { findCanary } from "./canary_run.ts";
import { STORIES, type StoryName } from "./shape.ts";
import { simulate } from "./simulation.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    seeds: { type: "string", default: "1..20" },
    trace: { type: "boolean", default: false },
    /** Lines of the transcript that are shown of a failure. */
    lines: { type: "string", default: "0" },
    /** Runs each seed twice and compares. */
    twice: { type: "boolean", default: false },
    /** A world of shape.ts, instead of the one that each seed draws. */
    story: { type: "string" },
    /** Ends at the first seed that fails. */
    "until-failure": { type: "boolean", default: false },
    /** Looks for a planted bug (canaries.ts), or for all of them. */
    canary: { type: "string" },
  },
});

if (values.canary !== undefined) {
  const names = values.canary === "all" ? Object.keys(CANARIES) : values.canary.split(",");
  const root = new URL("../..", import.meta.url).pathname;
  for (const name of names) {
    const { seed, report } = await findCanary(name, root);
    const problem = /^seed \d+ failed:\n {2}(.*)$/m.exec(report)?.[1] ?? "";
    console.log(`${name}: ${seed === null ? "NOT FOUND" : `seed ${seed}, ${problem}`}`);
  }
  Deno.exit(0);
}
if (values.story !== undefined && !(values.story in STORIES)) {
  console.error(`No story ${values.story}; there are ${Object.keys(STORIES).join(", ")}.`);
  Deno.exit(2);
}
const story = (values.story ?? null) as StoryName | null;
const [from, to] = values.seed !== undefined
  ? [Number(values.seed), Number(values.seed)]
  : values.seeds.split("..").map(Number) as [number, number];
const total: Record<string, number> = {};
const failed: number[] = [];
const startMs = performance.now();
let recoveryMsMax = 0;
for (let seed = from; seed <= to; seed++) {
  const onLine = values.trace ? (line: string) => console.log(line) : undefined;
  const result = await simulate({ seed, story, ...(onLine && { onLine }) });
  for (const [key, value] of Object.entries({ ...result, ...result.faults })) {
    if (typeof value === "number") total[key] = (total[key] ?? 0) + value;
  }
  recoveryMsMax = Math.max(recoveryMsMax, result.recoveryMs);
  if (values.twice) {
    const again = await simulate({ seed, story });
    if (again.digest !== result.digest) {
      result.problems.push(`not deterministic: ${result.digest}, then ${again.digest}`);
    }
  }
  if (result.problems.length === 0) continue;
  failed.push(seed);
  for (const line of result.lines.slice(-Number(values.lines) || Infinity)) console.log(line);
  console.log(`seed ${seed} failed:`);
  for (const problem of result.problems.slice(0, 12)) console.log(`  ${problem}`);
  console.log(
    `  replay: deno run -A tests/sim/main.ts --seed ${seed}${
      story === null ? "" : ` --story ${story}`
    } --trace`,
  );
  if (values["until-failure"]) break;
}
console.log({
  seeds: to - from + 1,
  ...total,
  recoveryMsMax,
  seconds: Math.round((performance.now() - startMs) / 100) / 10,
});
if (failed.length > 0) {
  console.log(`${failed.length} seeds failed: ${failed.join(" ")}`);
  Deno.exit(1);
}
