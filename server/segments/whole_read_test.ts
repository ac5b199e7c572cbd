import assert from "node:assert/strict";
import { batchOf, openLogStore, RecordBatchBuilder, TINY_LIMITS } from "../../storage/mod.ts";
import { SeededRandom, SimClock, SimDrive } from "../../world/sim/mod.ts";
import { readWhole } from "./whole_read.ts";

Deno.test("readWhole() ends where an append ended, however little was asked for", async () => {
  const clock = new SimClock();
  const random = new SeededRandom("whole");
  const disk = new SimDrive({ clock, random }).mount();
  const store = await clock.settle(
    openLogStore({ disk, clock, random }, { limits: TINY_LIMITS }),
  );
  const log = store.create("log");
  // Longer than a staging buffer, so that it stands in several frames.
  const builder = new RecordBatchBuilder();
  for (let index = 0; index < 200; index++) {
    builder.add(new Uint8Array(100).fill(index), 0, 100, "entry");
  }
  const batch = builder.copy();
  assert(batch.bytes.length > 2 * TINY_LIMITS.chunkBytes);
  await clock.settle(log.append(batch));
  await clock.settle(log.append(batchOf(new Uint8Array(1))));
  const part = await clock.settle(log.read(0, { maxBytes: 100, wholeFrames: true }));
  assert(part.goesOn && part.count < batch.count, "one frame has not all of it");
  const whole = await clock.settle(readWhole(log, 0, { maxBytes: 100 }));
  assert.equal(whole.count, batch.count);
  assert.deepEqual(whole.bytes, batch.bytes);
  await clock.settle(store.close());
});
