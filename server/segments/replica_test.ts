import assert from "node:assert/strict";
import { batchOf, LogClosedError, openLogStore } from "../../storage/mod.ts";
import { SeededRandom, SimClock, SimDrive } from "../../world/sim/mod.ts";
import { Replica } from "./replica.ts";
import type { SegmentEvent } from "./segment_events.ts";
import { segmentLogName } from "./segment_name.ts";

Deno.test("Replica.append() tells of nothing that its log did not take: it was deleted meanwhile", async () => {
  const clock = new SimClock();
  const random = new SeededRandom(1);
  const disk = new SimDrive({ clock, random }).mount();
  const store = await clock.settle(openLogStore({ disk, clock, random }));
  const kinds: string[] = [];
  const replica = new Replica(store, {
    topic: "t",
    segment: 1,
    durability: null,
    emit: ({ kind }: Pick<SegmentEvent, "kind">) => kinds.push(kind),
  });
  const batch = batchOf(new Uint8Array(3));
  await clock.settle(replica.append({ position: 0, batch }));
  await clock.settle(store.delete(segmentLogName("t", 1)));
  const refused = replica.append({ position: 1, batch });
  await clock.settle(assert.rejects(refused, LogClosedError));
  assert.deepEqual(kinds, ["replicaAppend"]);
});
