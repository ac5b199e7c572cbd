import assert from "node:assert/strict";
import { RealClock } from "../world/real/mod.ts";
import { SeededRandom, SimDrive } from "../world/sim/mod.ts";
import { mustDifferInName } from "./log_name.ts";
import {
  batchOf,
  ForeignDirectoryError,
  IllFormedTextError,
  type LogStore,
  openLogStore,
  TINY_LIMITS,
} from "./mod.ts";
import { newLogImage } from "./store_image.ts";

/** Whoever had the drive before is killed. */
function open(drive: SimDrive): Promise<LogStore> {
  drive.kill();
  const world = { disk: drive.mount(), clock: new RealClock(), random: new SeededRandom(2) };
  return openLogStore(world, { limits: TINY_LIMITS });
}

function newDrive(): SimDrive {
  return new SimDrive({ clock: new RealClock(), random: new SeededRandom(1) });
}

Deno.test("LogStore.create() refuses a name that would be another one after a restart", async () => {
  const store = await open(newDrive());
  assert.throws(() => store.create("party \ud83c"), IllFormedTextError);
  assert.deepEqual(store.list(), []);
  await store.close();
});

Deno.test("mustDifferInName() refuses two logs of one name", () => {
  const logs = ["a", "b \ufffd", "c"].map((name, index) => newLogImage(index + 2, name, null));
  mustDifferInName(logs);
  logs.push(newLogImage(5, "b \ufffd", null));
  assert.throws(() => mustDifferInName(logs), (error) => {
    assert(error instanceof ForeignDirectoryError);
    assert.match(error.message, /two logs that are named "b \ufffd"/);
    return true;
  });
});

Deno.test("LogStore.create() of a name whose log is being deleted leaves one log of it, whatever the crash", async () => {
  for (let turns = 0; turns < 40; turns++) {
    const drive = newDrive();
    let store = await open(drive);
    const rest = store.create("rest");
    const old = store.create("log");
    for (let index = 0; index < 5; index++) await old.append(batchOf(new Uint8Array(300)));
    void rest.append(batchOf(new Uint8Array(900))).catch(() => {});
    for (let turn = 0; turn < turns % 8; turn++) await undefined;
    void store.delete("log").catch(() => {});
    const next = store.create("log");
    const appended = next.append(batchOf(new Uint8Array([turns])));
    void appended.catch(() => {});
    if (turns % 2 === 0) await appended;
    else for (let turn = 0; turn < turns; turn++) await undefined;
    drive.crash("lost");
    store = await open(drive);
    const found = store.get("log");
    if (turns % 2 === 0) {
      const run = await found!.read(0, { maxBytes: 100 });
      assert.equal(run.bytes[4], turns);
      assert.equal(found!.endPosition, 1);
    }
    assert.equal(store.list().filter(({ name }) => name === "log").length, found ? 1 : 0);
    await store.close();
  }
});
