import { runSeeds } from "./simulation/mod.ts";

/** See store_simulation_test.ts. */
const SEEDS = Number(Deno.env.get("WALRUS_STORAGE_SEEDS") ?? 1000);

Deno.test("LogStore keeps its promises over failing syncs and processes that go on after them", async () => {
  await runSeeds({ count: Math.ceil(SEEDS * 0.2) }, { withFailingDisk: true });
});

Deno.test("LogStore keeps its promises on a disk that is full now and then", async () => {
  await runSeeds({ count: Math.ceil(SEEDS * 0.2) }, { withFullDisk: true });
});

Deno.test("LogStore keeps its promises on a disk that is full and fails", async () => {
  await runSeeds({ count: Math.ceil(SEEDS * 0.1) }, { withFullDisk: true, withFailingDisk: true });
});
