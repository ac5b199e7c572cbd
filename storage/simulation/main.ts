/**
 * Runs seeds: `main.ts FROM COUNT [--full-disk] [--failing-disk]`. A seed that fails is printed with the command
 * that runs it.
 *
 * @module
 */

import { StoreSimulation } from "./mod.ts";

const [from, count] = Deno.args.map(Number);
const withFullDisk = Deno.args.includes("--full-disk");
const withFailingDisk = Deno.args.includes("--failing-disk");
let failed = 0;
for (let seed = from ?? 1; seed < (from ?? 1) + (count ?? 1000); seed++) {
  const simulation = new StoreSimulation(seed, { withFullDisk, withFailingDisk });
  try {
    await simulation.run();
  } catch (error) {
    failed++;
    print(`Seed ${seed} fails: ${(error as Error).stack}`);
    print(simulation.transcript.slice(-30).join("\n"));
    const flags = (withFullDisk ? " --full-disk" : "") + (withFailingDisk ? " --failing-disk" : "");
    print(`Again: deno run -A storage/simulation/main.ts ${seed} 1${flags}`);
  }
}
print(`${count ?? 1000} seeds, ${failed} failed`);
Deno.exit(failed === 0 ? 0 : 1);

function print(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}
