/**
 * Many seeds, one after the other.
 *
 * @module
 */

import { type SimulationOptions, StoreSimulation } from "./store_simulation.ts";

/** Lives all seeds from `from` on. Throws at the first that fails, with the command that runs it again. */
export async function runSeeds(
  { from = 1, count }: { from?: number; count: number },
  options: SimulationOptions = {},
): Promise<void> {
  for (let seed = from; seed < from + count; seed++) {
    await new StoreSimulation(seed, options).run().catch((error) => {
      throw new Error(`Seed ${seed} fails; again: ${commandOf(seed, options)}`, { cause: error });
    });
  }
}

/** The first seed that fails, of so many. */
export async function firstFailure(
  count: number,
  options: SimulationOptions,
): Promise<number | null> {
  for (let seed = 1; seed <= count; seed++) {
    const isGood = await new StoreSimulation(seed, options).run().then(() => true, () => false);
    if (!isGood) return seed;
  }
  return null;
}

/** What runs a seed by hand. */
export function commandOf(seed: number, options: SimulationOptions): string {
  return `deno run -A storage/simulation/main.ts ${seed} 1` +
    (options.withFullDisk ? " --full-disk" : "") +
    (options.withRefusedWrites ? " --refused-writes" : "") +
    (options.withRefusedChanges ? " --refused-changes" : "") +
    (options.withFailingDisk ? " --failing-disk" : "") +
    (options.withRottenIndex ? " --rotten-index" : "") +
    (options.limits?.homeBytesMin === 0 ? " --no-journal-data" : "");
}
