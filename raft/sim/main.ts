/**
 * Runs simulations by hand:
 * `deno run -A raft/sim/main.ts --seed 7 --record` · `--from 0 --seeds 10000` · `--canary NAME` · `--steps 1000000` · `--scale 20` (longer lives)
 *
 * @module
 */

// deno-lint-ignore-file no-console
import { parseArgs } from "node:util";
import { CANARIES, type CanaryName } from "./canaries.ts";
import { type SimResult, simulate } from "./simulation.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    from: { type: "string", default: "0" },
    seeds: { type: "string", default: "100" },
    steps: { type: "string" },
    canary: { type: "string" },
    scale: { type: "string", default: "1" },
    record: { type: "boolean", default: false },
  },
});

if (values.canary !== undefined && !(values.canary in CANARIES)) {
  console.error(`No canary ${values.canary}; there are ${Object.keys(CANARIES).join(", ")}.`);
  Deno.exit(2);
}
const canary = values.canary as CanaryName | undefined;
const from = Number(values.seed ?? values.from);
const maxSteps = values.steps === undefined ? Infinity : Number(values.steps);
// With a number of steps, as many seeds as it takes.
const seeds = values.seed !== undefined ? 1 : maxSteps < Infinity ? Infinity : Number(values.seeds);
run();

function run(): void {
  const total: Record<string, number> = { seeds: 0, steps: 0 };
  const start = performance.now();
  for (let seed = from; seed < from + seeds && total["steps"]! < maxSteps; seed++) {
    total["seeds"]!++;
    for (const [key, value] of Object.entries(runOne(seed))) {
      total[key] = (total[key] ?? 0) + value;
    }
  }
  console.log({ ...total, seconds: (performance.now() - start) / 1000 });
}

function runOne(seed: number): SimResult {
  try {
    return simulate({
      seed,
      scale: Number(values.scale),
      ...(canary && { canary }),
      ...(values.record && { onLine: (line: string) => console.log(line) }),
    });
  } catch (error) {
    const options = `--seed ${seed} --scale ${values.scale} --record${
      canary ? ` --canary ${canary}` : ""
    }`;
    console.error(`seed ${seed}: ${(error as Error).stack}`);
    console.error(`\nreplay: deno task sim:raft ${options}`);
    Deno.exit(1);
  }
}
