import assert from "node:assert/strict";
import { RealClock } from "../world/real/mod.ts";
import { SeededRandom, SimDrive } from "../world/sim/mod.ts";
import { FRAME_HEADER_BYTES } from "./frame.ts";
import { SECTOR_BYTES } from "./lost_sector.ts";
import { RECORD_HEADER_BYTES } from "./record_batch.ts";
import {
  batchOf,
  CorruptionError,
  DiskFullError,
  type LogStore,
  openLogStore,
  TINY_LIMITS,
} from "./mod.ts";

/** Whoever had the drive before is killed. */
function open(drive: SimDrive): Promise<LogStore> {
  drive.kill();
  const world = { disk: drive.mount(), clock: new RealClock(), random: new SeededRandom(2) };
  return openLogStore(world, { limits: TINY_LIMITS });
}

const SMALL = 40;
/** Goes to the log's own extents at once. */
const LARGE = TINY_LIMITS.homeBytesMin;

/** A killed store with one log of entries of these lengths; entry n is full of bytes n + 1. */
async function storeOf(lengths: readonly number[]): Promise<SimDrive> {
  const drive = new SimDrive({ clock: new RealClock(), random: new SeededRandom(1) });
  const store = await open(drive);
  store.create("other");
  const log = store.create("log");
  for (const [index, length] of lengths.entries()) {
    await log.append(batchOf(new Uint8Array(length).fill(index + 1)));
  }
  drive.kill();
  return drive;
}

/** Flips a bit of each copy of entry n that is on disk. */
function rot(drive: SimDrive, n: number): void {
  let copies = 0;
  for (const name of drive.names()) {
    const bytes = drive.copyFile(name);
    const needle = new Uint8Array(SMALL - 8).fill(n + 1);
    for (let at = 0; (at = indexOf(bytes, needle, at)) >= 0; at += SMALL) {
      drive.flipBit(name, at, 3);
      copies++;
      while (bytes[at] === n + 1) at++;
    }
  }
  assert(copies > 0, `entry ${n} is on disk`);
}

/** Zeroes where entry n's frame is: as if it had never been written. */
function lose(drive: SimDrive, n: number): void {
  for (const name of drive.names()) {
    const bytes = drive.copyFile(name);
    const at = indexOf(bytes, new Uint8Array(LARGE).fill(n + 1), 0);
    if (at < 0) continue;
    // Before the payload: the record's header, and the frame's.
    drive.putFile(name, bytes.fill(0, at - RECORD_HEADER_BYTES - FRAME_HEADER_BYTES, at + LARGE));
    return;
  }
  assert.fail(`entry ${n} is on disk`);
}

function indexOf(bytes: Uint8Array, needle: Uint8Array, from: number): number {
  for (let at = from; at + needle.length <= bytes.length; at++) {
    let same = 0;
    while (same < needle.length && bytes[at + same] === needle[same]) same++;
    if (same === needle.length) return at;
  }
  return -1;
}

Deno.test("Recovery calls rot in the journal's last frame torn, and every log uncertain", async () => {
  const drive = await storeOf([SMALL, SMALL, SMALL]);
  rot(drive, 2);
  const store = await open(drive);
  const log = store.get("log")!;
  // Nothing on disk tells it from a frame whose write was cut short: so nobody is to vote with it.
  assert.equal(log.endPosition, 2);
  assert.deepEqual(store.recovery.torn.map(({ log }) => log), ["catalog"]);
  assert.deepEqual(store.list().map(({ certain }) => certain), [false, false]);
  await log.append(batchOf(new Uint8Array(SMALL)));
  assert.equal((await open(drive)).get("log")!.certain, false, "it stays so");
});

Deno.test("Recovery finds a torn journal again until there is room to note that no log is certain", async () => {
  const drive = await storeOf([SMALL, SMALL, SMALL]);
  rot(drive, 2);
  drive.capacityBytes = drive.usedBytes;
  const found: unknown[] = [];
  for (const end of ["kill", "crash", "close", "room"] as const) {
    if (end === "room") drive.capacityBytes = Infinity;
    const store = await open(drive);
    found.push(store.recovery.torn);
    assert.deepEqual(store.list().map(({ certain }) => certain), [false, false], end);
    const appended = store.get("log")!.append(batchOf(new Uint8Array(SMALL)));
    if (end === "room") await appended;
    else await assert.rejects(appended, DiskFullError);
    if (end === "close") await store.close();
    if (end === "crash") drive.crash("lost");
  }
  const [first] = found;
  assert.equal((first as unknown[]).length, 1);
  assert.deepEqual(found, [first, first, first, first]);
  const last = await open(drive);
  assert.deepEqual(last.recovery.torn, []);
  assert.deepEqual(last.list().map(({ certain }) => certain), [false, false], "it is noted");
});

Deno.test("Recovery finds what a power loss left behind a torn place until there is room to note it", async () => {
  const drive = new SimDrive({ clock: new RealClock(), random: new SeededRandom(1) });
  const store = await open(drive);
  const log = store.create("log", { durability: "none" });
  await log.append(batchOf(new Uint8Array(LARGE).fill(1)));
  await log.sync();
  for (const n of [1, 2]) await log.append(batchOf(new Uint8Array(LARGE).fill(n + 1)));
  drive.kill();
  // Of what was not synced the power loss has left the last frame, in an extent that recovery cuts off.
  lose(drive, 1);
  for (const end of ["kill", "crash", "close", "kill", "room"] as const) {
    const isFull = end !== "room";
    // There is room for a run's journal, and for the newest checkpoint once more, but for no new one.
    for (const [file, after] of [["checkpoint-a", 0], ["checkpoint-b", 1]] as const) {
      if (isFull) drive.fail({ op: "write", code: "NoSpace", file, after, times: 100 });
    }
    const store = await open(drive);
    assert.deepEqual(store.recovery.torn.map(({ log }) => log), ["log"], end);
    assert.equal(store.get("log")!.endPosition, 1);
    assert.equal(store.get("log")!.certain, false, end);
    const appended = store.get("log")!.append(batchOf(new Uint8Array(SMALL)));
    if (isFull) await assert.rejects(appended, DiskFullError);
    else await appended;
    if (end === "close") await store.close();
    if (end === "crash") drive.crash("lost");
    drive.clearFaults();
  }
  assert.equal((await open(drive)).get("log")!.certain, false, "it is noted");
});

Deno.test("Recovery refuses rot in a journal frame that a later one shows to have been synced", async () => {
  for (const n of [0, 1]) {
    const drive = await storeOf([SMALL, SMALL, SMALL]);
    rot(drive, n);
    await assert.rejects(open(drive), (error) => {
      assert(error instanceof CorruptionError);
      assert.match(
        error.message,
        /journal is corrupt in data-\d+ at byte \d+.*remove-node.*backup/,
      );
      return true;
    });
  }
});

Deno.test("Recovery calls rot in a log's last frame damage where the journal shows that it was synced", async () => {
  const drive = await storeOf([LARGE, SMALL]);
  rot(drive, 0);
  const store = await open(drive);
  const log = store.get("log")!;
  assert.deepEqual([log.startPosition, log.endPosition], [0, 2], "nothing is cut");
  assert.deepEqual(
    log.damage.map(({ firstPosition, endPosition }) => [firstPosition, endPosition]),
    [
      [0, 1],
    ],
  );
  assert.equal(log.certain, false);
  assert.deepEqual(store.recovery.torn, [], "it is not called torn as well");
  await assert.rejects(log.read(0, { maxBytes: 100 }), CorruptionError);
  assert.equal((await log.read(1, { maxBytes: 100 })).bytes[4], 2);
  assert.equal(store.get("other")!.certain, true);
});

Deno.test("Recovery cuts rot in a log's last frame that nothing shows to have been synced", async () => {
  const drive = await storeOf([LARGE, LARGE]);
  rot(drive, 1);
  const store = await open(drive);
  const log = store.get("log")!;
  assert.equal(log.endPosition, 1);
  assert.equal(log.certain, false);
  assert.deepEqual(store.recovery.torn.map(({ log, position }) => [log, position]), [["log", 1]]);
  assert.equal(store.get("other")!.certain, true, "one log's tail says nothing of another's");
});

Deno.test("LogStore never cuts what the checkpoint knows, however much of it is rotten", async () => {
  const drive = await storeOf([LARGE, SMALL, LARGE]);
  const closing = await open(drive);
  await closing.close();
  rot(drive, 2);
  for (const isClean of [true, false]) {
    const store = await open(drive);
    const log = store.get("log")!;
    assert.equal(store.recovery.clean, isClean);
    assert.equal(log.endPosition, 3);
    await assert.rejects(log.read(2, { maxBytes: 100 }), CorruptionError);
    assert.equal((await log.read(1, { maxBytes: 100 })).bytes[4], 2);
    assert.deepEqual(store.recovery.torn, []);
  }
});

Deno.test("Recovery cuts nothing where a sector became zeroes at which a frame begins, but the last one", async () => {
  const frameBytes = 5 * SECTOR_BYTES;
  const length = frameBytes - FRAME_HEADER_BYTES - RECORD_HEADER_BYTES;
  assert(length > LARGE);
  // What is known of the extent when it ends, or nothing of it, as checkpoints come and it is full.
  for (let count = 2; count < 24; count++) {
    const drive = await storeOf(Array(count).fill(length));
    const n = count - 2;
    loseSector(drive, n);
    const store = await open(drive);
    const log = store.get("log")!;
    assert.equal(log.endPosition, count, `entry ${n}`);
    await assert.rejects(log.read(n, { maxBytes: 100 }), CorruptionError);
    assert.equal((await log.read(n + 1, { maxBytes: 100 })).bytes[4], n + 2);
  }
});

/** Zeroes the first sector of entry n's frame. */
function loseSector(drive: SimDrive, n: number): void {
  for (const name of drive.names()) {
    const bytes = drive.copyFile(name);
    const payload = indexOf(bytes, new Uint8Array(LARGE).fill(n + 1), 0);
    if (payload < 0) continue;
    const at = payload - RECORD_HEADER_BYTES - FRAME_HEADER_BYTES;
    assert.equal(at % SECTOR_BYTES, 0, "it begins with a sector");
    drive.putFile(name, bytes.fill(0, at, at + SECTOR_BYTES));
    return;
  }
  assert.fail(`entry ${n} is on disk`);
}
