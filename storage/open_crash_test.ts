import assert from "node:assert/strict";
import { SeededRandom, SimClock, SimDrive } from "../world/sim/mod.ts";
import { openLogStore } from "./open_log_store.ts";
import { TINY_LIMITS } from "./limits.ts";
import { batchOf } from "./record_batch.ts";

/** Lives of one drive, and losses of power within the opening of its store before the last look. */
const SEEDS = 40;
const LOGS = 3;
const LOSSES = 3;

async function lifeOf(seed: number) {
  const clock = new SimClock();
  const random = new SeededRandom(seed);
  const drive = new SimDrive({ clock, random, latencyMs: { min: 0.1, max: 1 } });
  const open = () => openLogStore({ disk: drive.mount(), clock, random }, { limits: TINY_LIMITS });
  const store = await clock.settle(open());
  const logs = Array.from({ length: LOGS }, (_, i) => store.create(`log ${i}`));
  const durable = logs.map(() => 0);
  for (let round = 0; round < 40; round++) {
    const at = random.below(LOGS);
    const append = logs[at]!.append(batchOf(new Uint8Array(1 + random.below(60))));
    if (random.chance(0.3)) continue;
    durable[at] = await clock.settle(append) + 1;
  }
  drive.crash();
  for (let loss = 0; loss < LOSSES; loss++) {
    void open();
    await clock.runFor(random.between(0, 40));
    drive.crash();
  }
  const last = await clock.settle(open());
  const found = durable.map((_, i) => last.get(`log ${i}`)?.endPosition ?? 0);
  return { durable, found };
}

Deno.test("openLogStore() loses nothing when the power goes while it opens, again and again", async () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const { durable, found } = await lifeOf(seed);
    for (const [i, position] of durable.entries()) {
      assert.ok(found[i]! >= position, `seed ${seed}, log ${i}: ${found[i]} of ${position}`);
    }
  }
});
