/**
 * Runs seeds: `main.ts FROM COUNT [--full-disk] [--refused-writes] [--refused-changes] [--failing-disk]
 * [--rotten-index] [--no-journal-data]`. A seed that fails is printed with the command that runs it.
 *
 * @module
 */

import { commandOf, type SimulationOptions, StoreSimulation } from "./mod.ts";

const [from = 1, count = 1000] = Deno.args.filter((arg) => !arg.startsWith("--")).map(Number);
const options: SimulationOptions = {
  withFullDisk: Deno.args.includes("--full-disk"),
  withRefusedWrites: Deno.args.includes("--refused-writes"),
  withRefusedChanges: Deno.args.includes("--refused-changes"),
  withFailingDisk: Deno.args.includes("--failing-disk"),
  withRottenIndex: Deno.args.includes("--rotten-index"),
  limits: Deno.args.includes("--no-journal-data") ? { homeBytesMin: 0 } : {},
};
let failed = 0;
for (let seed = from; seed < from + count; seed++) {
  const simulation = new StoreSimulation(seed, options);
  try {
    await simulation.run();
  } catch (error) {
    failed++;
    print(`Seed ${seed} fails: ${(error as Error).stack}`);
    print(simulation.transcript.slice(-30).join("\n"));
    print(`Again: ${commandOf(seed, options)}`);
  }
}
print(`${count} seeds, ${failed} failed`);
Deno.exit(failed === 0 ? 0 : 1);

function print(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}
