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
const WORKERS_MAX = 256;

const WORLDS = [...Object.keys(STORIES), ...Object.keys(SCENARIOS)];

const USAGE = `deno task sim [options]: whole clusters, each from its seed

  --seeds FROM..TO   the seeds to run (1..20); below 0 for crashes of the other kind in steps:*
  --seed N           this one only
  --story NAME       the world that all play in, instead of the one that each seed draws
  --workers N        so many processes share the seeds (1)
  --until-failure    ends at the first seed that fails (with one worker)
  --twice            runs each seed twice, and compares
  --trace            shows all that happens (with one worker)
  --lines N          lines of what led to a failure that are shown (40)
  --outside          a step that is not the specification's is told once, and fails no seed (with one worker)
  --canary NAME|all  looks for a planted bug instead, or for all of them; several apart by commas
  --canary-seeds N   up to that seed, by all who look, instead of what canaries.ts says
  --json             one line of JSON for each seed
  --help             this

A negative number needs an equals sign: --seed=-12.

Stories: ${Object.keys(STORIES).join(", ")}
Crashed at each step, which the seed names: ${Object.keys(SCENARIOS).join(", ")}
Canaries: ${Object.keys(CANARIES).join(", ")}
`;

const values = readOptions();
if (values.help) {
  console.log(USAGE);
  Deno.exit(0);
}
if (values.canary !== undefined) Deno.exit(await runCanaries(values.canary));
if (values.story !== undefined && !(values.story in STORIES || isScenario(values.story))) {
  exitWith(`there is no story ${values.story}, but ${WORLDS.join(", ")}`);
}
const story = (values.story ?? null) as WorldName | null;
const [from, to] = seedsOf(values.seed ?? values.seeds);
const workers = numberOf("workers", values.workers, { min: 1, max: WORKERS_MAX });
const lines = numberOf("lines", values.lines, { min: 0, max: Infinity });
const startMs = performance.now();
const { seeds, failed, totals } = workers > 1 ? await runInProcesses() : await runHere();
if (!values.json) {
  const seconds = Math.round((performance.now() - startMs) / 100) / 10;
  console.log({ seeds, ...totals, seconds });
  if (failed.length > 0) console.log(`${failed.length} seeds failed: ${failed.join(" ")}`);
}
Deno.exit(failed.length > 0 ? 1 : 0);

function readOptions() {
  try {
    return parseArgs({
      options: {
        seed: { type: "string" },
        seeds: { type: "string", default: "1..20" },
        trace: { type: "boolean", default: false },
        lines: { type: "string", default: "40" },
        twice: { type: "boolean", default: false },
        story: { type: "string" },
        "until-failure": { type: "boolean", default: false },
        outside: { type: "boolean", default: false },
        canary: { type: "string" },
        "canary-seeds": { type: "string" },
        workers: { type: "string", default: "1" },
        json: { type: "boolean", default: false },
        help: { type: "boolean", default: false, short: "h" },
      },
    }).values;
  } catch (error) {
    return exitWith((error as Error).message);
  }
}

function exitWith(message: string): never {
  console.error(`sim: ${message}\nsim: --help tells what there is`);
  Deno.exit(2);
}

/** `7`, or `1..100`. */
function seedsOf(text: string): [number, number] {
  const [, first, last] = /^(-?\d+)(?:\.\.(-?\d+))?$/.exec(text) ?? [];
  const from = Number(first), to = Number(last ?? first);
  if (Number.isSafeInteger(from) && Number.isSafeInteger(to) && from <= to) return [from, to];
  return exitWith(`"${text}" is neither a seed, like 7, nor a range of them, like 1..100`);
}

function numberOf(name: string, text: string, { min, max }: { min: number; max: number }): number {
  const value = /^\d+$/.test(text) ? Number(text) : NaN;
  if (value >= min && value <= max) return value;
  return exitWith(`--${name} is "${text}", and must be a whole number of at least ${min}`);
}

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
  const refusals = values.outside ? "noted" : "fails";
  let seeds = 0, refused = 0;
  for (let seed = from; seed <= to; seed++) {
    const onLine = values.trace ? (line: string) => console.log(line) : undefined;
    const result = await simulate({ seed, story, refusals, ...(onLine && { onLine }) });
    seeds++;
    if (values.outside && result.refusal !== null && refused++ === 0) {
      console.log(`seed ${seed} refused:\n  ${result.refusal.split("\n")[0]}`);
    }
    if (values.twice) {
      const again = await simulate({ seed, story, refusals });
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
      for (const line of lines > 0 ? result.lines.slice(-lines) : []) console.log(line);
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
  const unknown = names.find((name) => !(name in CANARIES));
  if (unknown !== undefined) {
    exitWith(`there is no canary ${unknown}, but ${Object.keys(CANARIES).join(", ")}`);
  }
  const root = new URL("../..", import.meta.url).pathname;
  let missing = 0;
  for (const name of names) {
    const seedsMax = Number(values["canary-seeds"]);
    const options = { isThorough: values.outside, ...(seedsMax > 0 && { seedsMax }) };
    const { inside, outside, isFound } = await findCanary(name, root, options);
    if (!isFound) missing++;
    console.log(`${name}: ${isFound ? "found" : "NOT FOUND"}`);
    console.log(`  by the specification: ${inside ? `seed ${inside.seed}, ${inside.why}` : "not"}`);
    console.log(`  from outside: ${outside ? `seed ${outside.seed}, ${outside.why}` : "not"}`);
  }
  return missing > 0 ? 1 : 0;
}
