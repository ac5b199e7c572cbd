import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { DIRECT_BLOCK_BYTES, type Disk, DiskError, type DiskWrite } from "../world/mod.ts";
import { RealClock } from "../world/real/mod.ts";
import { SeededRandom, SimDrive } from "../world/sim/mod.ts";
import {
  batchOf,
  DEFAULT_LIMITS,
  type Durability,
  type LogStore,
  openLogStore,
  RecordReader,
  type StorageLimits,
  StoreFailedError,
  TINY_LIMITS,
  UnsteadyDiskError,
} from "./mod.ts";

const newDrive = (seed: number) =>
  new SimDrive({ clock: new RealClock(), random: new SeededRandom(seed) });

/** Whoever had the drive before is killed. The machine stays the same one. */
function open(
  drive: SimDrive,
  { durability = "each", limits = TINY_LIMITS, wrap }: {
    durability?: Durability;
    limits?: StorageLimits;
    wrap?: (disk: Disk) => Disk;
  } = {},
): Promise<LogStore> {
  drive.kill();
  const disk = drive.mount();
  const world = {
    disk: wrap ? wrap(disk) : disk,
    clock: new RealClock(),
    random: new SeededRandom(2),
  };
  return openLogStore(world, { limits, durability, bootId: "this one" });
}

/** A disk that calls `onCommit` first. */
function watched(disk: Disk, onCommit: (writes: readonly DiskWrite[]) => void): Disk {
  return new Proxy(disk, {
    get(target, key) {
      const value = Reflect.get(target, key);
      if (key !== "commit") return typeof value === "function" ? value.bind(target) : value;
      return (...[writes, syncs]: Parameters<Disk["commit"]>) => {
        onCommit(writes);
        return target.commit(writes, syncs);
      };
    },
  });
}

async function entriesOf(store: LogStore, name: string): Promise<number[]> {
  const log = store.get(name);
  const found: number[] = [];
  for (let position = 0; log !== undefined && position < log.endPosition;) {
    const run = await log.read(position, { maxBytes: 4000 });
    const reader = new RecordReader(run.bytes);
    while (reader.next()) found.push(reader.payload()[0]!);
    position += run.count;
  }
  return found;
}

const entry = (value: number, length = 40) => batchOf(new Uint8Array(length).fill(value));

Deno.test("openLogStore() makes durable what a failed sync left in the page cache", async () => {
  let survivors = 0;
  for (let seed = 0; seed < 60; seed++) {
    const drive = newDrive(seed);
    const first = await open(drive);
    const log = first.create("log");
    await log.append(entry(1));
    drive.fail({ op: "sync", code: "Io" });
    await assert.rejects(log.append(entry(2)), StoreFailedError);

    // The same machine: the cache shows the second entry, which may not be on disk, and calls it clean.
    const second = await open(drive);
    const there = await entriesOf(second, "log");
    assert.deepEqual(there, [1, 2]);
    assert(second.recovery.bytesWrittenBack > 0);
    assert.equal(second.get("log")!.durablePosition, 2);
    await second.get("log")!.append(entry(3));

    drive.crash("lost");
    const third = await open(drive);
    assert.deepEqual(await entriesOf(third, "log"), [1, 2, 3], `seed ${seed}`);
    assert.deepEqual(third.recovery.torn, []);
    survivors++;
  }
  assert.equal(survivors, 60);
});

Deno.test("openLogStore() writes back what no sync is known to cover, and not the rest", async () => {
  const drive = newDrive(1);
  const first = await open(drive);
  const log = first.create("log");
  for (let index = 0; index < 37; index++) await log.append(entry(index));
  const second = await open(drive);
  const { bytesScanned, bytesWrittenBack } = second.recovery;
  assert(bytesWrittenBack > 0 && bytesWrittenBack < 2 * TINY_LIMITS.homeBytesMin);
  assert(bytesScanned > 3000, `${bytesScanned} bytes`);
  await second.close();
  assert.equal(
    (await open(drive)).recovery.bytesWrittenBack,
    0,
    "a clean stop leaves nothing open",
  );

  const loose = newDrive(2);
  const unsynced = await open(loose, { durability: "none" });
  const many = unsynced.create("log");
  const unsyncedRecords = 5;
  for (let index = 0; many.endPosition - many.durablePosition < unsyncedRecords; index++) {
    await many.append(entry(index));
  }
  const again = await open(loose, { durability: "none" });
  assert(
    again.recovery.bytesWrittenBack > unsyncedRecords * 40,
    `${again.recovery.bytesWrittenBack} bytes`,
  );
});

Deno.test("openLogStore() writes back in pieces, and byte for byte", async () => {
  const drive = newDrive(3);
  const how = { durability: "none", limits: DEFAULT_LIMITS } as const;
  const store = await open(drive, how);
  const log = store.create("log");
  const count = 40, lengthBytes = 100_000;
  for (let index = 0; index < count; index++) await log.append(entry(index, lengthBytes));
  drive.kill();
  const before = new Map(drive.names().map((name) => [name, drive.copyFile(name)]));
  let commits = 0, bytes = 0;
  const opened = await open(drive, {
    ...how,
    wrap: (disk) =>
      watched(disk, (writes) => {
        let commitBytes = 0;
        for (const { file, fileOffset, buffer, bufferOffset, length } of writes) {
          const was = before.get(file.name)!.subarray(fileOffset, fileOffset + length);
          const is = buffer.subarray(bufferOffset, bufferOffset + length);
          if (Buffer.compare(was, is) === 0) commitBytes += length;
        }
        if (commitBytes === 0) return;
        assert(commitBytes < 2 * 2 ** 20, `${commitBytes} bytes at once`);
        commits++;
        bytes += commitBytes;
      }),
  });
  assert(commits > 2, `${commits} commits`);
  assert(bytes >= count * lengthBytes, `${bytes} bytes`);
  // What is more are the zeroes at the beginning of the new run's journal, over zeroes.
  const { bytesWrittenBack } = opened.recovery;
  assert(
    [0, DIRECT_BLOCK_BYTES].includes(bytes - bytesWrittenBack),
    `${bytesWrittenBack} of ${bytes}`,
  );
  assert.equal((await entriesOf(opened, "log")).length, count);
});

Deno.test("openLogStore() recovers anew when the page cache drops what is not on disk", async () => {
  let changed = 0;
  for (let seed = 0; seed < 60; seed++) {
    const drive = newDrive(seed);
    const first = await open(drive);
    const log = first.create("log");
    for (let index = 0; index < 3; index++) await log.append(entry(index, 900));
    drive.fail({ op: "sync", code: "Io" });
    await assert.rejects(log.append(entry(3, 6000)), StoreFailedError);
    drive.kill();
    if (!drive.dropCleanPages()) continue;
    changed++;
    const second = await open(drive);
    const there = await entriesOf(second, "log");
    assert.deepEqual(there.slice(0, 3), [0, 1, 2]);
    await second.get("log")!.append(entry(9));
    drive.crash("lost");
    assert.deepEqual(await entriesOf(await open(drive), "log"), [...there, 9]);
  }
  assert(changed > 10);
});

Deno.test("openLogStore() gives up on a disk that reads differently each time", async () => {
  const drive = newDrive(4);
  const store = await open(drive);
  await store.create("log").append(entry(1));
  drive.kill();
  let reads = 0;
  const fickle = (disk: Disk) =>
    new Proxy(disk, {
      get(target, key) {
        const value = Reflect.get(target, key);
        if (key !== "read") return typeof value === "function" ? value.bind(target) : value;
        return async (...[list]: Parameters<Disk["read"]>) => {
          await target.read(list);
          // Every second time a frame is looked at it is another one.
          if (list[0]!.length > 16 && ++reads % 2 === 0) list[0]!.buffer.fill(7);
        };
      },
    });
  await assert.rejects(open(drive, { wrap: fickle }), UnsteadyDiskError);
  assert.deepEqual(await entriesOf(await open(drive), "log"), [1]);
});

Deno.test("openLogStore() fails, and can be tried again, when the sync of what it wrote back fails", async () => {
  const drive = newDrive(5);
  const first = await open(drive);
  const log = first.create("log");
  await log.append(entry(1));
  drive.fail({ op: "sync", code: "Io", times: 3 });
  await assert.rejects(log.append(entry(2)), StoreFailedError);
  for (let round = 0; round < 2; round++) {
    await assert.rejects(open(drive), (error) => error instanceof DiskError && error.op === "sync");
  }
  const last = await open(drive);
  assert.deepEqual(await entriesOf(last, "log"), [1, 2]);
  drive.crash("lost");
  assert.deepEqual(await entriesOf(await open(drive), "log"), [1, 2]);
});
