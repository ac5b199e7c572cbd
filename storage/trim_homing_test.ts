import assert from "node:assert/strict";
import { SeededRandom, SimClock, SimDrive } from "../world/sim/mod.ts";
import { batchOf, openLogStore, TINY_LIMITS } from "./mod.ts";

/** `trimHead` of everything at home, so many steps of the disk after an append has set out. */
async function trimWhileComingHome(options: { tailBytes: number; steps: number }): Promise<void> {
  const clock = new SimClock();
  const random = new SeededRandom(1);
  const drive = new SimDrive({ clock, random, latencyMs: { min: 1, max: 1 } });
  const store = await clock.settle(openLogStore(
    { disk: drive.mount(), clock, random },
    { limits: TINY_LIMITS },
  ));
  const log = store.create("log");
  for (const bytes of [10, options.tailBytes]) {
    await clock.settle(log.append(batchOf(new Uint8Array(bytes))));
  }
  await clock.settle(log.trimHead(1)); // that brings both home
  // In the journal only: one that may still fit behind them, and one that doesn't.
  for (const bytes of [100, 900]) await clock.settle(log.append(batchOf(new Uint8Array(bytes))));
  const appended = log.append(batchOf(new Uint8Array(3000))); // takes them home with it
  for (let step = 0; step < options.steps; step++) await clock.step();
  await clock.settle(log.trimHead(2)); // with the fault that was here, the event loop never got a turn again
  assert.equal(await clock.settle(appended), 4);
  assert.equal(log.startPosition, 2);
  for (let position = 2; position < 5; position++) {
    const { firstPosition, count } = await clock.settle(
      log.read(position, { maxRecords: 1, maxBytes: 1 }),
    );
    assert.deepEqual([firstPosition, count], [position, 1]);
  }
  await clock.settle(store.close());
}

Deno.test("Log.trimHead() ends while what follows comes home to an extent of its own", async () => {
  for (let tailBytes = 200; tailBytes < 3800; tailBytes += 200) {
    for (let steps = 0; steps < 8; steps++) await trimWhileComingHome({ tailBytes, steps });
  }
});
