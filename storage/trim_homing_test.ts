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

Deno.test("Log.trimHead() is not undone by a smaller trim that began before it and took longer", async () => {
  const clock = new SimClock();
  const random = new SeededRandom(1);
  const drive = new SimDrive({ clock, random, latencyMs: { min: 1, max: 1 } });
  let held: Promise<void> | null = null;
  const mounted = drive.mount();
  const disk = new Proxy(mounted, {
    get(target, key) {
      if (key === "read") {
        return async (...args: Parameters<typeof mounted.read>) => {
          const wait = held;
          held = null; // the first one only
          await target.read(...args);
          await wait;
        };
      }
      const value = Reflect.get(target, key);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  const opening = openLogStore({ disk, clock, random }, { limits: TINY_LIMITS });
  const log = (await clock.settle(opening)).create("log");
  for (let index = 0; index < 4; index++) {
    await clock.settle(log.append(batchOf(new Uint8Array(300))));
  }
  await clock.settle(log.trimHead(1)); // all of them are at home
  let letGo = () => {};
  held = new Promise<void>((resolve) => letGo = resolve);
  const slow = log.trimHead(2);
  await clock.settle(log.trimHead(3));
  letGo();
  await clock.settle(slow);
  assert.equal(log.startPosition, 3);
});
