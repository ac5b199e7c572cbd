/**
 * Runs simulations by hand:
 * `deno run -A raft/sim/main.ts --seed 7 --record` · `--from 0 --seeds 10000` · `--canary NAME` · `--steps 1000000`
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
    record: { type: "boolean", default: false },
  },
});

if (values.canary !== undefined && !(values.canary in CANARIES)) {
  console.error(`No canary ${values.canary}; there are ${Object.keys(CANARIES).join(", ")}.`);
  Deno.exit(2);
}
const canary = values.canary as CanaryName | undefined;
const from = Number(values.seed ?? values.from);
const count = values.seed !== undefined ? 1 : Number(values.seeds);
const maxSteps = values.steps === undefined ? Infinity : Number(values.steps);
const total: Record<string, number> = {};
const start = performance.now();
let seed = from;
for (; seed < from + count || (maxSteps < Infinity && (total["steps"] ?? 0) < maxSteps); seed++) {
  if ((total["steps"] ?? 0) >= maxSteps) break;
  let result: SimResult;
  try {
    result = simulate({
      seed,
      ...(canary && { canary }),
      ...(values.record && { onLine: (line: string) => console.log(line) }),
    });
  } catch (error) {
    console.error(`seed ${seed}: ${(error as Error).stack}`);
    console.error(
      `\nreplay: deno run -A raft/sim/main.ts --seed ${seed} --record${
        canary ? ` --canary ${canary}` : ""
      }`,
    );
    Deno.exit(1);
  }
  for (const [key, value] of Object.entries(result)) {
    if (typeof value === "number") total[key] = (total[key] ?? 0) + value;
  }
}
console.log({ seeds: seed - from, ...total, seconds: (performance.now() - start) / 1000 });
