/**
 * Runs whole-cluster simulations by hand:
 * `deno run -A tests/sim/main.ts --seeds 1..1000` · `--seed 7 --trace`
 *
 * @module
 */

// deno-lint-ignore-file no-console
import { parseArgs } from "node:util";
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
  },
});

const [from, to] = values.seed !== undefined
  ? [Number(values.seed), Number(values.seed)]
  : values.seeds.split("..").map(Number) as [number, number];
const total: Record<string, number> = {};
const failed: number[] = [];
const startMs = performance.now();
let recoveryMsMax = 0;
for (let seed = from; seed <= to; seed++) {
  const onLine = values.trace ? (line: string) => console.log(line) : undefined;
  const result = await simulate({ seed, ...(onLine && { onLine }) });
  for (const [key, value] of Object.entries({ ...result, ...result.faults })) {
    if (typeof value === "number") total[key] = (total[key] ?? 0) + value;
  }
  recoveryMsMax = Math.max(recoveryMsMax, result.recoveryMs);
  if (values.twice) {
    const again = await simulate({ seed });
    if (again.digest !== result.digest) {
      result.problems.push(`not deterministic: ${result.digest}, then ${again.digest}`);
    }
  }
  if (result.problems.length === 0) continue;
  failed.push(seed);
  for (const line of result.lines.slice(-Number(values.lines) || Infinity)) console.log(line);
  console.log(`seed ${seed} failed:`);
  for (const problem of result.problems.slice(0, 12)) console.log(`  ${problem}`);
  console.log(`  replay: deno run -A tests/sim/main.ts --seed ${seed} --trace`);
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
