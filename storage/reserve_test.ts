import assert from "node:assert/strict";
import { silentLogger } from "../world/mod.ts";
import { SeededRandom, SimClock, SimDrive } from "../world/sim/mod.ts";
import type { DataFiles } from "./data_files.ts";
import { openLogStore } from "./open_log_store.ts";
import { batchOf } from "./record_batch.ts";
import { Reserve } from "./reserve.ts";
import { TINY_LIMITS } from "./limits.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const RESERVE = { bytes: 64 * KIB, isVital: (name: string) => name === "vital" };
const record = new Uint8Array(3 * KIB);

/** A drive with so much room besides the reserve, and a store on it. */
function setUp(roomBytes: number) {
  const clock = new SimClock();
  const random = new SeededRandom("reserve");
  const drive = new SimDrive({ clock, random, capacityBytes: 4 * MIB + roomBytes });
  const settle = <T>(work: Promise<T>) => clock.settle(work);
  const open = () =>
    settle(
      openLogStore({ disk: drive.mount(), clock, random }, {
        limits: TINY_LIMITS,
        reserve: RESERVE,
      }),
    );
  return { clock, drive, open, settle };
}

Deno.test("Reserve: a full disk takes what is vital, from a start on too, and the rest when there is room", async () => {
  const { clock, drive, open, settle } = setUp(300 * KIB);
  let store = await open();
  assert.ok(drive.names().includes("reserve"));
  store.create("vital");
  store.create("other");
  const append = (name: string) => settle(store.get(name)!.append(batchOf(record)));
  const fill = async () => {
    for (let i = 0; i < 1000; i++) await append("other");
  };
  await append("vital");
  await assert.rejects(fill(), { name: "DiskFullError" });
  drive.kill();

  store = await open();
  await assert.rejects(fill(), { name: "DiskFullError" });
  for (let i = 0; i < 50; i++) {
    // The first one may find no room, and has the reserve given up by that.
    await append("vital").catch(() => append("vital"));
  }
  assert.ok(!drive.names().includes("reserve"));
  await assert.rejects(append("other"), /no room on disk\. Nothing was appended/);

  drive.capacityBytes = Infinity;
  await clock.runFor(1000);
  await append("other").catch(() => {});
  await clock.runFor(1000);
  await append("other");
  assert.ok(drive.names().includes("reserve"));
  await settle(store.close());
});

Deno.test("Reserve: deleting logs makes room on a full disk", async () => {
  const { drive, open, settle } = setUp(300 * KIB);
  const store = await open();
  const filled: string[] = [];
  await assert.rejects(async () => {
    for (let n = 0; n < 40; n++) {
      const log = store.create(`log ${n}`);
      filled.push(log.name);
      for (let i = 0; i < 10; i++) await settle(log.append(batchOf(record)));
    }
  }, { name: "DiskFullError" });
  store.create("again");
  const append = () => settle(store.get("again")!.append(batchOf(record)));
  for (let round = 0; round < 3; round++) {
    await assert.rejects(append(), { name: "DiskFullError" });
  }
  const gone = filled.slice(0, 5);
  for (const name of gone) {
    // The first one may find no room, and has the reserve given up by that.
    await settle(store.delete(name)).catch(() => settle(store.delete(name)));
  }
  await append();
  drive.crash("lost");
  const names = (await open()).list().map(({ name }) => name);
  assert.deepEqual(names.filter((name) => gone.includes(name)), []);
  assert.ok(names.includes("again") && names.includes(filled[5]!));
});

Deno.test("Reserve says that the disk is full only where it is", async () => {
  const clock = new SimClock();
  const drive = new SimDrive({ clock, random: new SeededRandom("reserve") });
  const files = { freeBytes: 0 } as DataFiles;
  const world = { disk: drive.mount(), clock, logger: silentLogger, files };
  const reserve = new Reserve(world, RESERVE);
  const refusal = () => reserve.refusal("other", batchOf(record));
  const awayBytes = 8 * MIB;
  const cover = async (bytes: number) => {
    await clock.runFor(1000);
    reserve.cover(bytes);
    await clock.settle(reserve.idle());
  };

  drive.fail({ op: "open", code: "Other", file: "reserve" });
  await clock.settle(reserve.begin());
  assert.match(refusal()!.message, /No room can be held back on disk \(Can't open reserve: Other/);
  await clock.settle(reserve.idle());
  assert.equal(refusal(), null, "it was tried again");

  drive.fail({ op: "allocate", code: "Io", file: "reserve" });
  await cover(awayBytes);
  assert.equal(drive.clearFaults(), 0, "it was to grow");
  assert.equal(refusal(), null, "what was held is held still");

  drive.fail({ op: "allocate", code: "NoSpace", file: "reserve" });
  await cover(awayBytes);
  assert.match(refusal()!.message, /^There is no room on disk/);
  await cover(awayBytes);
  assert.equal(refusal(), null);
});
