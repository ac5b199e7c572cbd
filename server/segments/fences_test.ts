import assert from "node:assert/strict";
import { openLogStore, TINY_LIMITS } from "../../storage/mod.ts";
import { SeededRandom, SimClock, SimDrive } from "../../world/sim/mod.ts";
import { Fences } from "./fences.ts";

const target = { topic: "t", segment: 3 };

/** A drive, and what a process finds on it. */
function setUp() {
  const clock = new SimClock();
  const random = new SeededRandom(1);
  const drive = new SimDrive({ clock, random });
  const open = async (bootId: string) => {
    const world = { disk: drive.mount(), clock, random };
    const store = await openLogStore(world, { limits: TINY_LIMITS, bootId });
    return await Fences.open(store);
  };
  return { drive, settle: <T>(work: Promise<T>) => clock.settle(work), open };
}

Deno.test("Fences keeps what it was told, over power losses", async () => {
  const { drive, settle, open } = setUp();
  const fences = await settle(open("boot 1"));
  assert.equal(fences.hasDoubt, false);
  await settle(fences.add(target));
  drive.crash("lost");
  const again = await settle(open("boot 2"));
  assert.ok(again.has(target) && !again.has({ ...target, segment: 4 }));
});

Deno.test("Fences keeps the doubt of a power loss until it is known what is uncertain", async () => {
  const { drive, settle, open } = setUp();
  await settle(open("boot 1"));
  drive.crash("lost");
  assert.equal((await settle(open("boot 2"))).hasDoubt, true);
  drive.kill(); // the next start is of the same boot: that it can't have lost anything is not true
  const third = await settle(open("boot 2"));
  assert.equal(third.hasDoubt, true);
  await settle(third.renew([target], () => false));
  assert.equal(third.hasDoubt, false);
  drive.kill();
  const last = await settle(open("boot 2"));
  assert.deepEqual([last.hasDoubt, last.isUncertain(target)], [false, true]);
});

Deno.test("Fences opens on a full disk, and is written when there is room", async () => {
  const { drive, settle, open } = setUp();
  await settle((await settle(open("boot 1"))).renew([], () => false));
  drive.kill();
  for (const file of ["checkpoint-a", "checkpoint-b"]) {
    drive.fail({ op: "write", code: "NoSpace", times: 1000, file });
  }
  const again = await settle(open("boot 1"));
  assert.deepEqual([again.isWritten, again.hasDoubt, again.isCertain], [false, false, true]);
  for (let attempt = 0; attempt < 3; attempt++) {
    await assert.rejects(settle(again.renew([target], () => false)), { name: "DiskFullError" });
    assert.equal(again.isWritten, false);
  }
  drive.clearFaults();
  await settle(again.renew([], () => false));
  assert.equal(again.isWritten, true);
  drive.crash("lost");
  assert.deepEqual((await settle(open("boot 1"))).uncertain, [target]);
});
