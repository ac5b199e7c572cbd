import assert from "node:assert/strict";
import { DiskError } from "../world/mod.ts";
import { RealClock } from "../world/real/mod.ts";
import { SeededRandom, SimDrive } from "../world/sim/mod.ts";
import {
  batchOf,
  DiskFullError,
  type LogStore,
  openLogStore,
  RecordReader,
  TINY_LIMITS,
} from "./mod.ts";

const newDrive = () => new SimDrive({ clock: new RealClock(), random: new SeededRandom(1) });

/** Whoever had the drive before is killed. */
function open(drive: SimDrive): Promise<LogStore> {
  drive.kill();
  const world = { disk: drive.mount(), clock: new RealClock(), random: new SeededRandom(2) };
  return openLogStore(world, { limits: TINY_LIMITS });
}

const entry = (value: number, length = 40) => batchOf(new Uint8Array(length).fill(value));

async function entriesOf(store: LogStore, name: string): Promise<number[]> {
  const log = store.get(name)!;
  const found: number[] = [];
  for (let position = 0; position < log.endPosition;) {
    const run = await log.read(position, { maxBytes: 4000 });
    const reader = new RecordReader(run.bytes);
    while (reader.next()) found.push(reader.payload()[0]!);
    position += run.count;
  }
  return found;
}

/** A drive with a store that was left behind, and not a byte of room. */
async function fullDrive({ isClean }: { isClean: boolean }): Promise<
  { drive: SimDrive; expected: number[] }
> {
  const drive = newDrive();
  const store = await open(drive);
  const log = store.create("log");
  const expected: number[] = [];
  for (let index = 0; index < 30; index++) {
    await log.append(entry(index, index % 7 === 0 ? 1500 : 40));
    expected.push(index);
  }
  if (isClean) await store.close();
  drive.kill();
  drive.capacityBytes = drive.usedBytes;
  return { drive, expected };
}

for (const isClean of [true, false]) {
  const state = isClean ? "closed" : "killed";
  Deno.test(`openLogStore() opens a ${state} store on a full disk: reads go on, appends wait for room`, async () => {
    const { drive, expected } = await fullDrive({ isClean });
    const store = await open(drive);
    const log = store.get("log")!;
    assert.equal(store.failure, null);
    assert.equal(log.durablePosition, expected.length, "what is there is durable");
    assert.deepEqual(await entriesOf(store, "log"), expected);
    await log.sync();
    for (let round = 0; round < 3; round++) {
      await assert.rejects(log.append(entry(200)), DiskFullError);
      await assert.rejects(
        (store.get("new") ?? store.create("new")).append(entry(1)),
        DiskFullError,
      );
      assert.equal(log.endPosition, expected.length);
    }
    assert.deepEqual(await entriesOf(store, "log"), expected);

    drive.capacityBytes = Infinity;
    await log.append(entry(100));
    await store.get("new")!.append(entry(101));
    drive.crash("lost");
    const again = await open(drive);
    assert.deepEqual(await entriesOf(again, "log"), [...expected, 100]);
    assert.deepEqual(await entriesOf(again, "new"), [101]);
  });

  Deno.test(`openLogStore() leaves a ${state} store on a full disk as it was, whatever ends it`, async () => {
    for (const end of ["close", "kill", "crash"] as const) {
      const { drive, expected } = await fullDrive({ isClean });
      for (let round = 0; round < 3; round++) {
        const store = await open(drive);
        assert.deepEqual(await entriesOf(store, "log"), expected);
        await assert.rejects(store.get("log")!.append(entry(200)), DiskFullError);
        if (end === "close") await store.close();
        if (end === "crash") drive.crash("lost");
      }
      drive.capacityBytes = Infinity;
      const last = await open(drive);
      assert.deepEqual(await entriesOf(last, "log"), expected);
      assert.deepEqual(last.recovery.torn, []);
      await last.get("log")!.append(entry(99));
    }
  });
}

Deno.test("openLogStore() makes no new store on a full disk, and one when there is room", async () => {
  const drive = newDrive();
  drive.capacityBytes = 10;
  await assert.rejects(
    open(drive),
    (error) => error instanceof DiskError && error.code === "NoSpace",
  );
  drive.capacityBytes = Infinity;
  await (await open(drive)).create("log").append(entry(1));
});

Deno.test("openLogStore() survives that any of its writes finds no room, each in turn", async () => {
  // Of an opening and the appends behind it: more than there are.
  const writes = 40;
  let unmet = 0;
  for (let tried = 0; tried < 3 * writes; tried++) {
    const { drive, expected } = await fullDrive({ isClean: false });
    drive.capacityBytes = Infinity;
    // The first try fails, and what the first append tries.
    const file = [undefined, "checkpoint-a", "checkpoint-b"][tried % 3];
    const after = Math.floor(tried / 3);
    drive.fail({ op: "write", code: "NoSpace", after, times: 3, ...(file && { file }) });
    const store = await open(drive).catch((error) => {
      assert(error instanceof DiskError && error.code === "NoSpace", String(error));
      return null;
    });
    for (let round = 0; store !== null && round < 6; round++) {
      const value = 100 + round;
      await store.get("log")!.append(entry(value)).then(() => expected.push(value), (error) => {
        assert(error instanceof DiskFullError, String(error));
      });
      assert.equal(store.failure, null);
      assert.deepEqual(await entriesOf(store, "log"), expected, `write ${tried}`);
    }
    if (drive.clearFaults() > 0) unmet++;
    drive.crash("lost");
    // What was refused last may be there.
    const found = await entriesOf(await open(drive), "log");
    assert.deepEqual(found.filter((value) => expected.includes(value)), expected, `write ${tried}`);
  }
  assert(unmet > 0 && unmet < 3 * writes - 8, `${unmet} were never met`);
});
