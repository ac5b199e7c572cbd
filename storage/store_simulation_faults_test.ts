import { runSeeds } from "./simulation/mod.ts";

/** See store_simulation_test.ts. */
const SEEDS = Number(Deno.env.get("WALRUS_STORAGE_SEEDS") ?? 1000);

Deno.test("LogStore keeps its promises over failing syncs and processes that go on after them", async () => {
  await runSeeds({ count: Math.ceil(SEEDS * 0.2) }, { withFailingDisk: true });
});

Deno.test("LogStore keeps its promises on a disk that is full now and then", async () => {
  await runSeeds({ count: Math.ceil(SEEDS * 0.2) }, { withFullDisk: true });
});

Deno.test("LogStore keeps its promises on a disk where any write may find no room", async () => {
  const options = { withFullDisk: true, withRefusedWrites: true };
  await runSeeds({ count: Math.ceil(SEEDS * 0.05) }, options);
});

Deno.test("LogStore keeps its promises when logs are cut, trimmed and deleted without room", async () => {
  const options = { withRefusedChanges: true, withRefusedWrites: true };
  await runSeeds({ count: Math.ceil(SEEDS * 0.05) }, { ...options, withFullDisk: true });
  await runSeeds({ count: Math.ceil(SEEDS * 0.02) }, { ...options, withFailingDisk: true });
});

Deno.test("LogStore keeps its promises on a disk that is full and fails", async () => {
  await runSeeds({ count: Math.ceil(SEEDS * 0.1) }, { withFullDisk: true, withFailingDisk: true });
});

Deno.test("LogStore keeps its promises when one of its two checkpoints rots", async () => {
  const options = { withRottenIndex: true };
  await runSeeds({ count: Math.ceil(SEEDS * 0.03) }, options);
  await runSeeds({ count: Math.ceil(SEEDS * 0.07) }, { ...options, withFullDisk: true });
});

Deno.test("LogStore keeps its promises in the lives that have shown it wrong before", async () => {
  // A run that failed after it had taken over what was away let go of it twice.
  for (const from of [1002213, 2002726]) await runSeeds({ from, count: 1 }, { withFullDisk: true });
  // A refused frame hid what was acknowledged after it.
  await runSeeds({ from: 100, count: 1 }, { withFullDisk: true, withRefusedWrites: true });
  // The power went while a run began, because of what was refused: the journal had the link to an extent
  // that was taken for the new run's. The simulation took that for quiet.
  await runSeeds({ from: 34002059, count: 1 }, { withFullDisk: true, withRefusedWrites: true });
  // A sync of records that were refused before it was over, and the simulation took it for one of the next.
  await runSeeds({ from: 34008053, count: 1 }, { withFullDisk: true, withRefusedWrites: true });
  // A journal that was torn before the disk was full, and is so still: the simulation took it for whole.
  await runSeeds({ from: 10518860, count: 1 }, { withFullDisk: true });
  await runSeeds({ from: 10509825, count: 1 }, { withFullDisk: true, withFailingDisk: true });
  // What showed a torn place was zeroed by a run that could not begin.
  await runSeeds({ from: 34016960, count: 1 }, { withFullDisk: true, withRefusedWrites: true });
  // A cycle in which nobody appended was refused, and the simulation took that for quiet.
  await runSeeds({ from: 70301297, count: 1 }, { withFullDisk: true, withRefusedWrites: true });
  // The journal went on in what a log had given up in the same cycle, and after the crash both had it.
  await runSeeds({ from: 50436896, count: 1 }, { withFailingDisk: true });
  // A cut went on for ever; a trim did, and nothing else got its turn.
  for (const from of [71000022, 72001096]) {
    await runSeeds({ from, count: 1 }, { withFullDisk: true, withRefusedChanges: true });
  }
});
