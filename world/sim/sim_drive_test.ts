import assert from "node:assert/strict";
import fc from "fast-check";
import type { Disk, DiskError, DiskFile } from "../mod.ts";
import { SeededRandom, SimClock, SimDrive } from "./mod.ts";

function makeDrive(seed: string | number, options: { capacityBytes?: number } = {}): SimDrive {
  return new SimDrive({ clock: new SimClock(), random: new SeededRandom(seed), ...options });
}

function write(disk: Disk, file: DiskFile, fileOffset: number, bytes: Uint8Array, sync = true) {
  return disk.commit(
    [{ file, fileOffset, buffer: bytes, bufferOffset: 0, length: bytes.length }],
    sync ? [file] : [],
  );
}

async function readAll(disk: Disk, name: string): Promise<Uint8Array> {
  const bytes = await disk.readSmall(name);
  assert(bytes);
  return bytes;
}

const filled = (length: number, value: number) => new Uint8Array(length).fill(value);

Deno.test("SimDrive.crash() keeps everything that was synced, whatever the mode", async () => {
  for (let seed = 0; seed < 200; seed++) {
    const drive = makeDrive(seed);
    const disk = drive.mount();
    const file = await disk.open("a", { create: true });
    await disk.allocate(file, 4000);
    await write(disk, file, 100, filled(3000, 1));
    await disk.writeSmall("meta", filled(10, 2));
    assert(drive.isSynced);
    drive.crash();
    const next = drive.mount();
    const expected = new Uint8Array(4000);
    expected.fill(1, 100, 3100);
    assert.deepEqual(await readAll(next, "a"), expected);
    assert.deepEqual(await readAll(next, "meta"), filled(10, 2));
  }
});

Deno.test("SimDrive.crash() forgets, tears and reorders what was not synced", async () => {
  const seen = { none: 0, all: 0, secondOnly: 0, tornInSector: 0, someSectors: 0 };
  for (let seed = 0; seed < 600; seed++) {
    const drive = makeDrive(seed);
    const disk = drive.mount();
    const file = await disk.open("a", { create: true });
    await disk.allocate(file, 4096);
    await write(disk, file, 0, filled(2048, 1), false);
    await write(disk, file, 2048, filled(2048, 2), false);
    assert.deepEqual((await readAll(disk, "a")).subarray(2048), filled(2048, 2));
    drive.crash();
    const bytes = await readAll(drive.mount(), "a");
    assert.equal(bytes.length, 4096);
    const there = [...bytes].map((byte) => byte !== 0);
    const sectors = Array.from({ length: 8 }, (_, i) => there.slice(i * 512, i * 512 + 512));
    for (const [i, byte] of bytes.entries()) assert([0, i < 2048 ? 1 : 2].includes(byte));
    const first = there.slice(0, 2048), second = there.slice(2048);
    if (!there.includes(true)) seen.none++;
    if (!there.includes(false)) seen.all++;
    if (!first.includes(true) && !second.includes(false)) seen.secondOnly++;
    if (sectors.some((sector) => sector.includes(true) && sector.includes(false))) {
      seen.tornInSector++;
    }
    if (sectors.some((s) => !s.includes(true)) && sectors.some((s) => !s.includes(false))) {
      seen.someSectors++;
    }
  }
  for (const [what, count] of Object.entries(seen)) assert(count >= 10, `${what}: ${count}`);
});

Deno.test("SimDrive.crash() may forget a file whose name was not synced, and a length", async () => {
  const seen = { gone: 0, there: 0, short: 0, long: 0 };
  for (let seed = 0; seed < 100; seed++) {
    const drive = makeDrive(seed);
    const disk = drive.mount();
    const named = await disk.open("named", { create: true });
    await disk.allocate(named, 10);
    await write(disk, named, 0, filled(2000, 3), false);
    await write(disk, await disk.open("new", { create: true }), 0, filled(5, 1));
    drive.crash();
    const sizes = new Map((await drive.mount().list()).map((file) => [file.name, file.sizeBytes]));
    if (sizes.has("new")) seen.there++;
    else seen.gone++;
    if (sizes.get("named") === 10) seen.short++;
    if (sizes.get("named") === 2000) seen.long++;
  }
  for (const [what, count] of Object.entries(seen)) assert(count >= 10, `${what}: ${count}`);
});

Deno.test("SimDrive.crash() leaves a small file old or new, never between", async () => {
  const seen = new Set<number>();
  for (let seed = 0; seed < 100; seed++) {
    const clock = new SimClock();
    const random = new SeededRandom(seed);
    const drive = new SimDrive({ clock, random, latencyMs: { min: 1, max: 9 } });
    const disk = drive.mount();
    await clock.settle(disk.writeSmall("meta", filled(2000, 1)));
    void disk.writeSmall("meta", filled(3000, 2));
    await clock.runFor(random.below(30));
    drive.crash();
    const bytes = await clock.settle(readAll(drive.mount(), "meta"));
    assert.deepEqual(bytes, bytes[0] === 1 ? filled(2000, 1) : filled(3000, 2));
    seen.add(bytes[0]!);
  }
  assert.deepEqual([...seen].sort(), [1, 2]);
});

Deno.test("SimDrive.crash() silences the dead process's calls", async () => {
  const clock = new SimClock();
  const random = new SeededRandom(1);
  const drive = new SimDrive({ clock, random, latencyMs: { min: 1, max: 2 } });
  const disk = drive.mount();
  const file = await clock.settle(disk.open("a", { create: true }));
  let settled = false;
  const note = () => settled = true;
  write(disk, file, 0, filled(5, 1)).then(note, note);
  drive.kill();
  disk.list().then(note, note);
  await clock.runFor(100);
  assert(!settled);
  await clock.settle(drive.mount().list());
});

Deno.test("SimDrive.kill() keeps the page cache, and any part of a commit under way", async () => {
  const lengths = new Set<number>();
  for (let seed = 0; seed < 60; seed++) {
    const clock = new SimClock();
    const latencyMs = { min: 1, max: 2 };
    const drive = new SimDrive({ clock, random: new SeededRandom(seed), latencyMs });
    const disk = drive.mount();
    const file = await clock.settle(disk.open("a", { create: true }));
    await clock.settle(write(disk, file, 0, filled(10, 1), false));
    void write(disk, file, 10, filled(10, 2));
    drive.kill();
    const bytes = await clock.settle(readAll(drive.mount(), "a"));
    assert.deepEqual(bytes.subarray(0, 10), filled(10, 1));
    lengths.add(bytes.length);
  }
  assert(lengths.has(10) && lengths.has(20) && lengths.size > 4, [...lengths].join());
});

Deno.test("SimDrive.fail() strikes the operation, the file and the call that it names", async () => {
  const drive = makeDrive(1);
  const disk = drive.mount();
  const a = await disk.open("a", { create: true });
  const b = await disk.open("b", { create: true });
  drive.fail({ op: "write", code: "Io", file: "b", after: 1, times: 2 });
  const expected = { name: "DiskError", op: "write", code: "Io", file: "b" };
  await write(disk, b, 0, filled(1, 1));
  await write(disk, a, 0, filled(1, 1));
  await assert.rejects(write(disk, b, 0, filled(1, 1)), expected);
  await assert.rejects(write(disk, b, 0, filled(1, 1)), expected);
  await write(disk, b, 0, filled(1, 1));
  for (const op of ["open", "read", "allocate", "remove"] as const) {
    drive.fail({ op, code: "Io" });
    const calls = {
      open: () => disk.open("a", { create: false }),
      read: () => disk.readSmall("a"),
      allocate: () => disk.allocate(a, 100),
      remove: () => disk.remove("c"),
    };
    await assert.rejects(calls[op](), { op, code: "Io" });
    await calls[op]();
  }
});

Deno.test("SimDrive.fail() of a sync loses what was unsynced, though it is read and a later sync succeeds", async () => {
  let lost = 0;
  for (let seed = 0; seed < 50; seed++) {
    const drive = makeDrive(seed);
    const disk = drive.mount();
    const file = await disk.open("a", { create: true });
    await disk.allocate(file, 1000);
    drive.fail({ op: "sync", code: "Io" });
    await assert.rejects(write(disk, file, 0, filled(1000, 1)), { op: "sync", code: "Io" });
    assert.deepEqual(await readAll(disk, "a"), filled(1000, 1));
    await disk.commit([], [file]);
    drive.crash("kept");
    if ((await readAll(drive.mount(), "a")).includes(0)) lost++;
  }
  assert(lost > 10, String(lost));
});

Deno.test("SimDrive.dropCleanPages() shows what a failed sync did not write, and nothing else", async () => {
  let shown = 0;
  for (let seed = 0; seed < 40; seed++) {
    const drive = makeDrive(seed);
    const disk = drive.mount();
    const file = await disk.open("a", { create: true });
    await disk.allocate(file, 3 * 4096);
    await write(disk, file, 0, filled(4096, 1));
    assert(!drive.dropCleanPages(), "all of it is on disk");
    drive.fail({ op: "sync", code: "Io" });
    await assert.rejects(write(disk, file, 4096, filled(4096, 2)));
    await write(disk, file, 8192, filled(4096, 3), false);
    const isChanged = drive.dropCleanPages();
    const bytes = await readAll(disk, "a");
    assert.deepEqual(bytes.subarray(0, 4096), filled(4096, 1));
    assert.deepEqual(bytes.subarray(8192), filled(4096, 3), "a dirty page stays");
    assert.equal(isChanged, bytes.subarray(4096, 8192).includes(0));
    if (isChanged) shown++;
    // Written once more, the page is dirty, and a sync is a sync.
    await write(disk, file, 4096, filled(4096, 2));
    assert(!drive.dropCleanPages());
    drive.crash("lost");
    assert.deepEqual((await readAll(drive.mount(), "a")).subarray(4096, 8192), filled(4096, 2));
  }
  assert(shown > 0);
});

Deno.test("SimDrive.capacityBytes bounds allocate and growing writes, until there is room", async () => {
  const drive = makeDrive(1, { capacityBytes: 1000 });
  const disk = drive.mount();
  const file = await disk.open("a", { create: true });
  await assert.rejects(disk.allocate(file, 1001), { op: "allocate", code: "NoSpace" });
  await disk.allocate(file, 900);
  assert.equal(file.sizeBytes, 900);
  await assert.rejects(write(disk, file, 800, filled(300, 1)), { op: "write", code: "NoSpace" });
  await write(disk, file, 700, filled(200, 1));
  await assert.rejects(disk.writeSmall("meta", filled(101, 1)), { code: "NoSpace" });
  drive.capacityBytes = 2000;
  await write(disk, file, 800, filled(300, 1));
  await disk.remove("a");
  assert.equal(drive.usedBytes, 0);
});

Deno.test("SimDrive flips bits, cuts files and puts old copies back, for good", async () => {
  const drive = makeDrive(1);
  const disk = drive.mount();
  const file = await disk.open("a", { create: true });
  await write(disk, file, 0, filled(10, 1));
  await disk.allocate(file, 10);
  const old = drive.copyFile("a");
  await write(disk, file, 0, filled(10, 2));
  drive.flipBit("a", 3, 7);
  assert.equal((await readAll(disk, "a"))[3], 130);
  drive.cutFile("a", 5);
  drive.crash("lost");
  assert.deepEqual(await readAll(drive.mount(), "a"), Uint8Array.of(2, 2, 2, 130, 2));
  drive.putFile("a", old);
  drive.crash("lost");
  assert.deepEqual(await readAll(drive.mount(), "a"), filled(10, 1));
  drive.loseFile("a");
  drive.crash("kept");
  assert.deepEqual(drive.names(), []);
});

Deno.test("SimDrive.mount() gives the drive to one process at a time", async () => {
  const drive = makeDrive(1);
  const disk = drive.mount();
  assert.throws(() => drive.mount(), (error) => (error as DiskError).code === "Locked");
  await disk.close();
  drive.mount();
});

Deno.test("SimDrive asserts that a buffer does not change while the disk holds it", async () => {
  const disk = makeDrive(1).mount();
  const file = await disk.open("a", { create: true });
  const bytes = filled(10, 1);
  const commit = write(disk, file, 0, bytes);
  bytes[9] = 2;
  await assert.rejects(commit, { message: /Invariant broken: a buffer does not change/ });
});

Deno.test("SimDrive is a function of its seed", async () => {
  const run = async (seed: number) => {
    const clock = new SimClock();
    const random = new SeededRandom(seed);
    const drive = new SimDrive({ clock, random, latencyMs: { min: 0, max: 3 } });
    const transcript: string[] = [];
    for (let round = 0; round < 20; round++) {
      const disk = drive.mount();
      const work = async () => {
        const file = await disk.open(`f${random.below(3)}`, { create: true });
        for (let i = 0; i < 5; i++) {
          await write(disk, file, random.below(3000), filled(random.below(1500), round), i % 2 > 0);
          transcript.push(`${round} ${i} ${clock.nowMs()}`);
        }
      };
      void work();
      await clock.runFor(random.below(30));
      if (random.below(2) === 0) drive.kill();
      else drive.crash();
      transcript.push(drive.names().map((name) => `${name} ${drive.copyFile(name)}`).join());
    }
    return transcript.join("\n");
  };
  await fc.assert(
    fc.asyncProperty(fc.nat(), async (seed) => {
      assert.equal(await run(seed), await run(seed));
    }),
    { numRuns: 10 },
  );
  assert.notEqual(await run(1), await run(2));
});
