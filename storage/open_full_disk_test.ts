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
