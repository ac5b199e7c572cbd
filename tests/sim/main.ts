/**
 * Runs whole-cluster simulations by hand:
 * `deno task sim --seeds 1..1000 --workers 2` · `--seed 7 --trace` · `--story usurper` · `--canary all`
 *
 * @module
 */

// deno-lint-ignore-file no-console
import { parseArgs } from "node:util";
import { CANARIES } from "./canaries.ts";
import { findCanary } from "./canary_run.ts";
import { addTotals, replayCommand, runFleet, type SeedFailure } from "./fleet.ts";
import { isScenario, SCENARIOS } from "./crash_steps.ts";
import { STORIES } from "./shape.ts";
import { simulate, type WorldName } from "./simulation.ts";

const PROBLEMS_SHOWN_MAX = 12;

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    seeds: { type: "string", default: "1..20" },
    trace: { type: "boolean", default: false },
    /** Lines of the transcript that are shown of a failure. */
    lines: { type: "string", default: "40" },
    /** Runs each seed twice and compares. */
    twice: { type: "boolean", default: false },
    /** A world of shape.ts, instead of the one that each seed draws, or a run of crash_steps.ts. */
    story: { type: "string" },
    /** Ends at the first seed that fails. */
    "until-failure": { type: "boolean", default: false },
    /** Looks for a planted bug (canaries.ts), or for all of them. */
    canary: { type: "string" },
    /** So many processes share the seeds. */
    workers: { type: "string", default: "1" },
    /** One line of JSON for each seed, for a process that runs this one. */
    json: { type: "boolean", default: false },
  },
});

if (values.canary !== undefined) Deno.exit(await runCanaries(values.canary));
if (values.story !== undefined && !(values.story in STORIES || isScenario(values.story))) {
  const names = [...Object.keys(STORIES), ...Object.keys(SCENARIOS)];
  console.error(`No story ${values.story}; there are ${names.join(", ")}.`);
  Deno.exit(2);
}
const story = (values.story ?? null) as WorldName | null;
const [from, to] = values.seed !== undefined
  ? [Number(values.seed), Number(values.seed)]
  : values.seeds.split("..").map(Number) as [number, number];
const workers = Number(values.workers);
const startMs = performance.now();
const { seeds, failed, totals } = workers > 1 ? await runInProcesses() : await runHere();
if (!values.json) {
  const seconds = Math.round((performance.now() - startMs) / 100) / 10;
  console.log({ seeds, ...totals, seconds });
  if (failed.length > 0) console.log(`${failed.length} seeds failed: ${failed.join(" ")}`);
}
Deno.exit(failed.length > 0 ? 1 : 0);

interface Outcome {
  seeds: number;
  failed: number[];
  totals: Readonly<Record<string, number>>;
}

async function runInProcesses(): Promise<Outcome> {
  const ranges = [{ from, to, story }];
  const report = await runFleet(ranges, { workers, twice: values.twice, onFailure: show });
  const failed = report.failures.map(({ seed }) => seed).sort((a, b) => a - b);
  return { ...report, failed };
}

async function runHere(): Promise<Outcome> {
  const totals: Record<string, number> = {};
  const failed: number[] = [];
  let seeds = 0;
  for (let seed = from; seed <= to; seed++) {
    const onLine = values.trace ? (line: string) => console.log(line) : undefined;
    const result = await simulate({ seed, story, ...(onLine && { onLine }) });
    seeds++;
    if (values.twice) {
      const again = await simulate({ seed, story });
      if (again.digest !== result.digest) {
        result.problems.push(`not deterministic: ${result.digest}, then ${again.digest}`);
      }
    }
    addTotals(totals, result);
    if (values.json) console.log(JSON.stringify({ ...result, lines: [] }));
    if (result.problems.length === 0) continue;
    failed.push(seed);
    if (values.json) continue;
    if (!values.trace) {
      for (const line of result.lines.slice(-Number(values.lines))) console.log(line);
    }
    show({ seed, story, problems: result.problems });
    if (values["until-failure"]) break;
  }
  return { seeds, failed, totals };
}

function show(failure: SeedFailure): void {
  console.log(`seed ${failure.seed} failed:`);
  for (const problem of failure.problems.slice(0, PROBLEMS_SHOWN_MAX)) console.log(`  ${problem}`);
  console.log(`  replay: ${replayCommand(failure)}`);
}

async function runCanaries(which: string): Promise<number> {
  const names = which === "all" ? Object.keys(CANARIES) : which.split(",");
  const root = new URL("../..", import.meta.url).pathname;
  let missing = 0;
  for (const name of names) {
    const { seed, report } = await findCanary(name, root);
    const problem = /^seed \d+ failed:\n {2}(.*)$/m.exec(report)?.[1] ?? "";
    console.log(`${name}: ${seed === null ? "NOT FOUND" : `seed ${seed}, ${problem}`}`);
    if (seed === null) missing++;
  }
  return missing > 0 ? 1 : 0;
}
