import assert from "node:assert/strict";
import { RealClock } from "../world/real/mod.ts";
import { SeededRandom, SimDrive } from "../world/sim/mod.ts";
import { batchOf, DiskFullError, type LogStore, openLogStore, TINY_LIMITS } from "./mod.ts";

const ENTRY = batchOf(new Uint8Array(100));
/** Until a sync that is owed must have been made: not a measure, but the end of patience. */
const PATIENCE_MS = 10_000;

const NEVER_BYTES = 2 ** 30;
const NO_CHECKPOINTS = {
  ...TINY_LIMITS,
  checkpointEveryBytes: NEVER_BYTES,
  checkpointEveryJournalBytes: NEVER_BYTES,
  checkpointEveryJournalBytesMin: NEVER_BYTES,
  awayBytesMax: NEVER_BYTES,
};

function newDrive(options: { seed?: number; latencyMs?: { min: number; max: number } } = {}) {
  const { seed = 1, ...rest } = options;
  return new SimDrive({ clock: new RealClock(), random: new SeededRandom(seed), ...rest });
}

/** In a new process. */
function open(drive: SimDrive, limits = TINY_LIMITS): Promise<LogStore> {
  drive.kill();
  const world = { disk: drive.mount(), clock: new RealClock(), random: new SeededRandom(2) };
  return openLogStore(world, { limits });
}

/** @throws {CorruptionError} where an entry can't be read */
async function readAll(store: LogStore): Promise<void> {
  for (const { name, startPosition, endPosition } of store.list()) {
    for (let position = startPosition; position < endPosition; position++) {
      await store.get(name)!.read(position, { maxBytes: 1, maxRecords: 1 });
    }
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

Deno.test("A store gives space back only once that a full disk could not note as free", async () => {
  for (const how of ["delete", "trim"] as const) {
    const drive = newDrive();
    const first = await open(drive);
    for (const name of ["keep", "old"]) await first.create(name).append(ENTRY);
    await first.close();
    drive.capacityBytes = drive.usedBytes;
    const store = await open(drive);
    const old = store.get("old")!;
    const freed = how === "delete" ? store.delete("old") : old.trimHead(old.endPosition);
    await freed.catch((error) => assert(error instanceof DiskFullError));
    drive.capacityBytes = Infinity;
    // What was given back twice is two owners' now: both write.
    for (let round = 0; round < 8; round++) {
      await store.get("keep")!.append(ENTRY);
      const big = store.get("big") ?? store.create("big");
      await big.append(batchOf(new Uint8Array(3000).fill(round)));
      const small = store.create(`small-${round}`);
      for (let i = 0; i < 2; i++) await small.append(ENTRY);
      await small.truncateTail(1);
    }
    await readAll(store);
    drive.crash("lost");
    const again = await open(drive);
    assert.equal(again.get("keep")!.endPosition, 9);
    assert.equal(again.get("big")!.endPosition, 8);
    await readAll(again);
  }
});

Deno.test("LogStore.delete() resolves durably when a full disk refused it before", async () => {
  // Of a write that is refused some may stand on disk: by the seed.
  for (let seed = 0; seed < 16; seed++) {
    const callers = seed < 12 ? 1 : 2;
    const drive = newDrive({ seed });
    const store = await open(drive);
    for (const name of ["keep", "old"]) await store.create(name).append(ENTRY);
    for (const file of drive.names()) {
      drive.fail({ op: "write", code: "NoSpace", file, times: 1000 });
    }
    const deleteAll = () =>
      Promise.allSettled(Array.from({ length: callers }, () => store.delete("old")));
    const refused = await deleteAll();
    drive.clearFaults();
    const done = await deleteAll();
    drive.crash("lost");
    const again = await open(drive);
    assert.deepEqual(again.list().map(({ name }) => name), ["keep"], `seed ${seed}`);
    await readAll(again);
    assert(refused.every(({ status }) => status === "rejected"), `seed ${seed}`);
    assert(done.every(({ status }) => status === "fulfilled"), `seed ${seed}`);
  }
});

Deno.test("A store takes no more of a full disk by each append that it refuses", async () => {
  const drive = newDrive();
  const store = await open(drive);
  await store.create("log").append(ENTRY);
  for (const file of ["checkpoint-a", "checkpoint-b"]) {
    drive.fail({ op: "write", code: "NoSpace", file, times: 1000 });
  }
  drive.fail({ op: "write", code: "NoSpace", file: "data-00000001", times: 1 });
  const refuse = async () => {
    for (let i = 0; i < 20; i++) await assert.rejects(store.get("log")!.append(ENTRY));
    return drive.usedBytes;
  };
  const usedBytes = await refuse();
  assert.equal(await refuse(), usedBytes);
  assert.equal(store.failure, null);
  drive.clearFaults();
  await store.get("log")!.append(ENTRY);
});

Deno.test("Log.truncateTail() ends with an error where a full disk has no room for what stays", async () => {
  const drive = newDrive({ latencyMs: { min: 0, max: 1 } });
  const store = await open(drive, NO_CHECKPOINTS);
  const log = store.create("log");
  // Its extent has no room left: the small ones stay in the journal.
  await log.append(batchOf(new Uint8Array(3900)));
  for (let i = 0; i < 3; i++) await log.append(ENTRY);
  drive.capacityBytes = drive.usedBytes;
  const filler = store.create("filler");
  const fill = () => filler.append(batchOf(new Uint8Array(3000))).then(() => true, () => false);
  // A run that begins anew gives some room back.
  for (let refused = 0; refused < 5;) if (!await fill()) refused++;
  try {
    for (const position of [1, 2]) {
      const cut = log.truncateTail(position).then(() => "done", (error) => error);
      const outcome = await Promise.race([cut, pause(PATIENCE_MS).then(() => "hangs")]);
      assert(outcome instanceof DiskFullError, String(outcome));
      assert.equal(log.endPosition, 4, "nothing was cut");
    }
    drive.capacityBytes = Infinity;
    await log.truncateTail(2);
    await log.append(ENTRY);
    drive.crash("lost");
    const again = await open(drive);
    assert.equal(again.get("log")!.endPosition, 3);
    await readAll(again);
  } finally {
    drive.kill();
  }
});

Deno.test("A log of mode ms is synced though the cycle that was to do it found no room", async () => {
  for (let seed = 0; seed < 8; seed++) {
    const drive = newDrive({ seed, latencyMs: { min: 0, max: 2 } });
    const store = await open(drive, NO_CHECKPOINTS);
    const timed = store.create("timed", { durability: { ms: 10 } });
    const none = store.create("none", { durability: "none" });
    await timed.append(ENTRY);
    drive.capacityBytes = drive.usedBytes;
    const appends = (bytes: number) =>
      none.append(batchOf(new Uint8Array(bytes))).then(() => true, () => false);
    while (await appends(3000)) { /* until it is full */ }
    await none.sync().catch(() => {});
    if (!await timed.append(ENTRY).then(() => true, () => false)) continue;
    // Each cycle of the time in which the sync falls due finds no room.
    for (let i = 0; i < 10; i++) await Promise.race([appends(90_000), pause(5)]);
    for (let ms = 0; timed.durablePosition < timed.endPosition; ms += 20) {
      assert(ms < PATIENCE_MS, `seed ${seed}: what was acknowledged is never synced`);
      await pause(20);
    }
    drive.capacityBytes = Infinity;
    await store.close();
  }
});

Deno.test("LogStore.delete() ends when the store fails between two cycles", async () => {
  let failed = 0;
  for (let after = 0; after < 30; after++) {
    const drive = newDrive({ latencyMs: { min: 0, max: 1 } });
    const store = await open(drive);
    const log = store.create("log", { durability: "none" });
    await log.append(ENTRY);
    for (let i = 0; i < 30; i++) store.create(`gone-${i}`);
    await log.sync();
    drive.fail({ op: "sync", code: "Io", file: "data-00000001", after: 0 });
    const append = () => log.append(batchOf(new Uint8Array(3000))).catch(() => {});
    const deletions: Promise<unknown>[] = [];
    for (let i = 0; i < 30 && store.failure === null; i++) {
      await append();
      if (i !== after) continue;
      void append();
      await pause(0);
      deletions.push(store.delete(`gone-${i}`).catch(() => {}));
    }
    if (store.failure !== null) failed++;
    const patience = pause(PATIENCE_MS).then(() => "hangs");
    assert.notEqual(await Promise.race([Promise.all(deletions), patience]), "hangs");
  }
  assert(failed > 0, "the sync fails at all");
});
