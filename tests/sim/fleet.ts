/**
 * Runs many seeds in processes of their own, so that every core works, and that a seed which hangs or takes all
 * memory costs its process only, and is named.
 *
 * @module
 */

import { TextLineStream } from "./text_lines.ts";
import type { SimResult, WorldName } from "./simulation.ts";

/** What a process may hold: a simulation that runs away ends there, not with the machine. */
export const V8_FLAGS = "--v8-flags=--max-old-space-size=3000";
/** Seeds of one process: its start costs about as much as one seed. */
const BATCH_SEEDS = 50;
/** A seed takes well below a second of a free core; one that takes so long has hung. */
const SEED_SECONDS_MAX = 300;
const ROOT = new URL("../..", import.meta.url).pathname;

/** Seeds of one world. */
export interface SeedRange {
  from: number;
  /** Included. */
  to: number;
  story: WorldName | null;
}

/** A seed that failed. */
export interface SeedFailure {
  seed: number;
  story: WorldName | null;
  problems: readonly string[];
}

/** What a fleet came to. */
export interface FleetReport {
  /** Seeds that were run to their end. */
  seeds: number;
  failures: readonly SeedFailure[];
  /** Sums over all seeds: requests, faults … */
  totals: Readonly<Record<string, number>>;
}

/** Told as it goes. */
export interface FleetOptions {
  /** Processes at a time. */
  workers: number;
  /** Checks that each seed does the same twice. */
  twice?: boolean;
  onFailure?: (failure: SeedFailure) => void;
}

/** The command that shows a failure again. */
export function replayCommand(failure: { seed: number | string; story: WorldName | null }): string {
  const story = failure.story === null ? "" : ` --story ${failure.story}`;
  return `deno task sim --seed=${failure.seed}${story} --trace`;
}

/** Adds a result's numbers to the sums. */
export function addTotals(totals: Record<string, number>, result: SimResult): void {
  for (const [key, value] of Object.entries({ ...result, ...result.faults })) {
    if (typeof value !== "number" || key === "seed") continue;
    if (key === "recoveryMs") totals.recoveryMsMax = Math.max(totals.recoveryMsMax ?? 0, value);
    else totals[key] = (totals[key] ?? 0) + value;
  }
}

/** Runs all seeds of all ranges. */
export async function runFleet(
  ranges: readonly SeedRange[],
  options: FleetOptions,
): Promise<FleetReport> {
  const batches = ranges.flatMap(cut);
  const totals: Record<string, number> = {};
  const failures: SeedFailure[] = [];
  let seeds = 0;
  const fail = (failure: SeedFailure) => {
    failures.push(failure);
    options.onFailure?.(failure);
  };
  const work = async () => {
    for (let batch = batches.shift(); batch !== undefined; batch = batches.shift()) {
      const { story } = batch;
      for (let { from } = batch; from <= batch.to;) {
        const end = await runBatch({ ...batch, from }, options, (result) => {
          seeds++;
          addTotals(totals, result);
          const { problems } = result;
          if (problems.length > 0) fail({ seed: Number(result.seed), story, problems });
        });
        // The process died of that seed: the rest is another one's.
        if (end.failure !== null) fail({ seed: end.next, story, problems: [end.failure] });
        from = end.failure === null ? batch.to + 1 : end.next + 1;
      }
    }
  };
  await Promise.all(Array.from({ length: options.workers }, work));
  return { seeds, failures, totals };
}

function cut(range: SeedRange): SeedRange[] {
  const batches: SeedRange[] = [];
  for (let from = range.from; from <= range.to; from += BATCH_SEEDS) {
    batches.push({ ...range, from, to: Math.min(range.to, from + BATCH_SEEDS - 1) });
  }
  return batches;
}

/** One process; `next` is the seed that it would have told of next when it ended too early. */
async function runBatch(
  batch: SeedRange,
  options: FleetOptions,
  onResult: (result: SimResult) => void,
): Promise<{ next: number; failure: string | null }> {
  const args = ["run", "-A", V8_FLAGS, "tests/sim/main.ts", "--json"];
  args.push(`--seeds=${batch.from}..${batch.to}`);
  if (batch.story !== null) args.push("--story", batch.story);
  if (options.twice) args.push("--twice");
  const process = new Deno.Command(Deno.execPath(), {
    args,
    cwd: ROOT,
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let next = batch.from;
  let isHung = false;
  const watch = () =>
    setTimeout(() => {
      isHung = true;
      process.kill("SIGKILL");
    }, SEED_SECONDS_MAX * 1000);
  let watchdog = watch();
  const errors = new Response(process.stderr).text();
  const lines = process.stdout.pipeThrough(new TextDecoderStream()).pipeThrough(
    new TextLineStream(),
  );
  for await (const line of lines) {
    clearTimeout(watchdog);
    watchdog = watch();
    onResult(JSON.parse(line));
    next++;
  }
  const { code } = await process.status;
  clearTimeout(watchdog);
  if (next > batch.to) return { next, failure: null };
  const why = isHung
    ? `did not end within ${SEED_SECONDS_MAX} s of real time`
    : `its process ended with code ${code}: ${(await errors).slice(-600)}`;
  return { next, failure: why };
}
