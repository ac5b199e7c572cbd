import assert from "node:assert/strict";
import { RealClock } from "../world/real/mod.ts";
import { type FaultyOp, SeededRandom, SimDrive } from "../world/sim/mod.ts";
import { DiskError } from "../world/mod.ts";
import {
  batchOf,
  DiskFullError,
  type Durability,
  type Log,
  type LogStore,
  openLogStore,
  RecordReader,
  StoreFailedError,
  TINY_LIMITS,
} from "./mod.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

function newDrive(): SimDrive {
  return new SimDrive({ clock: new RealClock(), random: new SeededRandom(1) });
}

/** Whoever had the drive before is killed. */
function open(drive: SimDrive, durability: Durability = "each"): Promise<LogStore> {
  drive.kill();
  const world = { disk: drive.mount(), clock: new RealClock(), random: new SeededRandom(2) };
  return openLogStore(world, { limits: TINY_LIMITS, durability });
}

async function readAll(log: Log): Promise<string[]> {
  const texts: string[] = [];
  for (let position = log.startPosition; position < log.endPosition;) {
    const run = await log.read(position, { maxBytes: 4000 });
    assert(run.count > 0, `something at ${position}`);
    const reader = new RecordReader(run.bytes);
    while (reader.next()) texts.push(decoder.decode(reader.payload()));
    position += run.count;
  }
  return texts;
}

const NAMES = ["a", "b", "c"];
const ROUNDS = 40;
/** More calls of one kind than the work makes. */
const CALLS_MAX = 2000;

/** A log that comes, fills files and goes, and the files with it. */
async function passing(store: LogStore): Promise<void> {
  const log = store.get("passing") ?? store.create("passing");
  for (let index = 0; index < 4; index++) await log.append(batchOf(new Uint8Array(30_000)));
  await store.delete("passing");
}

/** Appends to three logs until it is through or refused; what was acknowledged, by log. */
async function work(store: LogStore): Promise<Map<string, string[]>> {
  const acknowledged = new Map<string, string[]>(NAMES.map((name) => [name, []]));
  for (const name of NAMES) if (store.get(name) === undefined) store.create(name);
  for (let round = 0; round < ROUNDS; round++) {
    const size = round % 10 === 9 ? 3000 : 60;
    await Promise.all(NAMES.map(async (name) => {
      const text = `${name} ${round} ${"x".repeat(size)}`;
      await store.get(name)!.append(batchOf(encoder.encode(text)));
      acknowledged.get(name)!.push(text);
    })).catch(() => {});
    await Promise.allSettled([store.get("a")!.sync()]);
    if (round % 10 === 5) await passing(store).catch(() => {});
  }
  return acknowledged;
}

/** Everything acknowledged is there in its order; what was refused may be there, once. */
async function check(store: LogStore, acknowledged: Map<string, string[]>): Promise<void> {
  for (const [name, expected] of acknowledged) {
    const log = store.get(name);
    const texts = log === undefined ? [] : await readAll(log);
    assert.equal(new Set(texts).size, texts.length, `${name}: nothing twice`);
    const wanted = new Set(expected);
    assert.deepEqual(texts.filter((text) => wanted.has(text)), expected, `${name}: all, in order`);
  }
}

Deno.test("LogStore keeps what comes after a refused append, and nothing of that", async () => {
  const large = (text: string) => batchOf(encoder.encode(text.repeat(TINY_LIMITS.homeBytesMin)));
  // What a write that finds no room leaves behind differs: nothing, all, or a part.
  for (let seed = 1; seed <= 20; seed++) {
    for (const next of ["log", "other"]) {
      const drive = new SimDrive({ clock: new RealClock(), random: new SeededRandom(seed) });
      const store = await open(drive);
      store.create("other");
      const log = store.create("log");
      // The third leaves room behind it in its extent.
      for (let index = 0; index < 3; index++) await log.append(large("a"));
      drive.fail({ op: "write", code: "NoSpace" });
      await assert.rejects(log.append(large("b")), DiskFullError);
      // Goes to the journal, at the position of what was refused.
      await store.get(next)!.append(batchOf(encoder.encode("c")));
      drive.crash("lost");
      const again = await open(drive);
      assert.deepEqual(again.recovery.torn, []);
      assert.deepEqual(again.list().map(({ certain }) => certain), [true, true]);
      const texts = async (name: string) =>
        (await readAll(again.get(name)!)).map((text) => text[0]).join("");
      const expected = next === "log" ? ["aaac", ""] : ["aaa", "c"];
      assert.deepEqual([await texts("log"), await texts("other")], expected, `seed ${seed}`);
    }
  }
});

const FAULTS: [FaultyOp, DiskError["code"]][] = [
  ["write", "Io"],
  ["write", "NoSpace"],
  ["sync", "Io"],
  ["sync", "NoSpace"],
  ["allocate", "NoSpace"],
  ["allocate", "Io"],
  ["open", "Io"],
  ["remove", "Io"],
];

for (const [op, code] of FAULTS) {
  Deno.test(`LogStore loses nothing acknowledged when ${op} fails with ${code}, at each call in turn`, async () => {
    let tried = 0;
    for (let struck = true; struck; tried++) {
      for (const restart of ["machine", "process"] as const) {
        const drive = newDrive();
        drive.fail({ op, code, after: tried });
        const store = await open(drive).catch((error) => {
          assert(error instanceof DiskError, String(error));
          return null;
        });
        const acknowledged = store === null ? new Map<string, string[]>() : await work(store);
        if (store !== null && store.failure === null) await check(store, acknowledged);
        // One that never came to pass: all calls were tried.
        struck = drive.clearFaults() === 0;
        if (restart === "process") {
          // What the page cache shows of the work is taken on, and more behind it.
          const second = await open(drive);
          await check(second, acknowledged);
          for (const name of NAMES) {
            const log = second.get(name) ?? second.create(name);
            await log.append(batchOf(encoder.encode("behind")));
            acknowledged.set(name, [...acknowledged.get(name) ?? [], "behind"]);
          }
        }
        drive.crash("lost");
        await check(await open(drive), acknowledged);
      }
      assert(tried < CALLS_MAX, "the work has an end");
    }
    assert(tried > 1, "a call was met");
  });
}

Deno.test("LogStore refuses every append after a failed sync, also one in the background", async () => {
  for (const durability of ["each", { ms: 1 }] as const) {
    const drive = newDrive();
    const store = await open(drive, durability);
    const log = store.create("log");
    await log.append(batchOf(encoder.encode("first")));
    await log.sync();
    drive.fail({ op: "sync", code: "Io" });
    const second = log.append(batchOf(encoder.encode("second")));
    if (durability === "each") await assert.rejects(second, StoreFailedError);
    assert(await store.failed instanceof StoreFailedError);
    assert(store.failure instanceof StoreFailedError);
    await assert.rejects(log.append(batchOf(encoder.encode("third"))), StoreFailedError);
    assert.equal((await readAll(log))[0], "first");
    await store.close();
    drive.crash("lost");
    const again = await open(drive);
    assert.equal((await readAll(again.get("log")!))[0], "first");
  }
});

Deno.test("LogStore takes appends again when a full disk has room", async () => {
  const drive = newDrive();
  const store = await open(drive);
  const log = store.create("log");
  const texts: string[] = [];
  drive.capacityBytes = 96 * 1024;
  let refusals = 0;
  for (let index = 0; index < 400; index++) {
    const text = `${index} ${"y".repeat(400)}`;
    const before = log.endPosition;
    await log.append(batchOf(encoder.encode(text))).then(() => texts.push(text), (error) => {
      assert(error instanceof DiskFullError, String(error));
      assert.equal(log.endPosition, before);
      refusals++;
    });
    if (refusals === 5) drive.capacityBytes = Infinity;
  }
  assert(refusals >= 5);
  assert.deepEqual(await readAll(log), texts);
  drive.crash("lost");
  assert.deepEqual(await readAll((await open(drive)).get("log")!), texts);
});

Deno.test("LogStore gives space back on a full disk, and uses it", async () => {
  const drive = newDrive();
  const store = await open(drive);
  const old = store.create("old");
  for (let index = 0; index < 100; index++) await old.append(batchOf(new Uint8Array(700)));
  drive.capacityBytes = drive.usedBytes;
  const log = store.create("new");
  const fill = async () => {
    for (let index = 0; index < 300; index++) await log.append(batchOf(new Uint8Array(700)));
  };
  await assert.rejects(fill, DiskFullError);
  const { endPosition } = log;
  await store.delete("old");
  for (let index = 0; index < 20; index++) await log.append(batchOf(new Uint8Array(700)));
  assert.equal(log.endPosition, endPosition + 20);
});

/** "z" */
const FILLER = 122;

/** A drive as it was, again and again. */
function copyOf(files: ReadonlyMap<string, Uint8Array>): SimDrive {
  const drive = newDrive();
  for (const [name, bytes] of files) drive.putFile(name, bytes);
  return drive;
}

async function smallStore({ isClean }: { isClean: boolean }): Promise<{
  files: Map<string, Uint8Array>;
  expected: Map<string, string[]>;
}> {
  const drive = newDrive();
  const store = await open(drive);
  const expected = new Map<string, string[]>();
  for (const name of ["a", "b"]) {
    store.create(name);
    expected.set(name, []);
  }
  for (let round = 0; round < 6; round++) {
    for (const name of ["a", "b"]) {
      const text = `${name}${round}${"z".repeat(round === 3 ? 2100 : 8)}`;
      await store.get(name)!.append(batchOf(encoder.encode(text)));
      expected.get(name)!.push(text);
    }
  }
  if (isClean) await store.close();
  drive.kill();
  const files = new Map(drive.names().map((name) => [name, drive.copyFile(name)]));
  return { files, expected };
}

/**
 * Opens a damaged copy and reads everything. What it gives must be what was appended; what it does not give
 * it must own up to: by an error, by `damage`, by a torn tail, by not being certain.
 */
async function mustBeHonest(
  drive: SimDrive,
  expected: ReadonlyMap<string, string[]>,
  what: string,
): Promise<void> {
  let store: LogStore;
  try {
    store = await open(drive);
  } catch (error) {
    const { name } = error as Error;
    assert.match(name, /^(ForeignDirectoryError|CorruptionError)$/, `${what}: ${error}`);
    return;
  }
  for (const [name, texts] of expected) {
    const log = store.get(name);
    const got = log === undefined ? [] : await readSome(log, texts, what);
    if (got === texts.length) continue;
    const isSaid = store.recovery.torn.length > 0 || store.recovery.damaged.length > 0 ||
      (log !== undefined && (log.damage.length > 0 || !log.certain));
    assert(isSaid, `${what}: log ${name} gives ${got} of ${texts.length} and says nothing`);
  }
}

/** How many entries could be read; each is the one that was appended there. */
async function readSome(log: Log, texts: readonly string[], what: string): Promise<number> {
  let got = 0;
  assert(log.endPosition <= texts.length, `${what}: ${log.name} has more than was appended`);
  for (let position = 0; position < log.endPosition; position++) {
    const run = await log.read(position, { maxBytes: 1, maxRecords: 1 }).catch((error) => {
      assert.equal(error.name, "CorruptionError", `${what}: ${error}`);
      return null;
    });
    if (run === null || run.count === 0) continue;
    const reader = new RecordReader(run.bytes);
    assert(reader.next());
    assert.equal(decoder.decode(reader.payload()), texts[position], `${what}: ${log.name}`);
    got++;
  }
  return got;
}

for (const isClean of [true, false]) {
  const state = isClean ? "closed" : "killed";
  Deno.test(`LogStore is honest about a flipped bit at every byte of a ${state} store`, async () => {
    const { files, expected } = await smallStore({ isClean });
    for (const [name, bytes] of files) {
      for (let at = 0; at < bytes.length; at++) {
        // Of zeroes and of one long entry, some will do.
        if (bytes[at] === 0 && at % 97 !== 0) continue;
        if (bytes[at] === FILLER && at % 16 !== 0) continue;
        const drive = copyOf(files);
        drive.flipBit(name, at, at % 8);
        await mustBeHonest(drive, expected, `bit ${at % 8} of byte ${at} of ${name}`);
      }
    }
  });

  Deno.test(`LogStore is honest about a file cut at any byte of a ${state} store`, async () => {
    const { files, expected } = await smallStore({ isClean });
    for (const [name, bytes] of files) {
      const used = bytes.findLastIndex((byte) => byte !== 0) + 2;
      for (let at = 0; at < Math.min(used, bytes.length); at += at < 200 ? 1 : 13) {
        const drive = copyOf(files);
        drive.cutFile(name, at);
        await mustBeHonest(drive, expected, `${name} cut at ${at}`);
      }
    }
  });

  Deno.test(`LogStore is honest about any file that is gone from a ${state} store`, async () => {
    const { files, expected } = await smallStore({ isClean });
    for (const name of files.keys()) {
      const drive = copyOf(files);
      drive.loseFile(name);
      await mustBeHonest(drive, expected, `${name} is gone`);
    }
  });
}

Deno.test("LogStore is honest about an old copy of any file that was put back", async () => {
  for (const isClean of [true, false]) {
    const drive = newDrive();
    const store = await open(drive);
    const expected = new Map<string, string[]>([["a", []], ["b", []]]);
    const copies = new Map<string, Uint8Array>();
    for (const name of expected.keys()) store.create(name);
    for (let round = 0; round < 60; round++) {
      for (const [name, texts] of expected) {
        const text = `${name}${round}${"z".repeat(round * 7)}`;
        await store.get(name)!.append(batchOf(encoder.encode(text)));
        texts.push(text);
      }
      if (round === 20) {
        for (const name of drive.names()) copies.set(name, drive.copyFile(name));
      }
    }
    if (isClean) await store.close();
    drive.kill();
    const files = new Map(drive.names().map((name) => [name, drive.copyFile(name)]));
    assert(copies.size > 2);
    for (const [name, bytes] of copies) {
      const changed = copyOf(files);
      changed.putFile(name, bytes);
      await mustBeHonest(
        changed,
        expected,
        `an old ${name} of a ${isClean ? "closed" : "killed"} store`,
      );
    }
  }
});

Deno.test("LogStore is honest about arbitrary bytes anywhere", async () => {
  const random = new SeededRandom("garbage");
  for (const isClean of [true, false]) {
    const { files, expected } = await smallStore({ isClean });
    const names = [...files.keys()];
    for (let trial = 0; trial < 400; trial++) {
      const name = names[random.below(names.length)]!;
      const bytes = files.get(name)!.slice();
      const used = bytes.findLastIndex((byte) => byte !== 0) + 1;
      const at = random.below(used);
      const length = 1 + random.below(random.below(2) === 0 ? 16 : 3000);
      for (let place = at; place < Math.min(bytes.length, at + length); place++) {
        bytes[place] = random.below(256);
      }
      const drive = copyOf(files);
      drive.putFile(name, bytes);
      await mustBeHonest(drive, expected, `trial ${trial}: ${length} bytes at ${at} of ${name}`);
    }
  }
});

Deno.test("LogStore reads on with one of its two checkpoints gone or rotten", async () => {
  const { files, expected } = await smallStore({ isClean: false });
  for (const name of ["checkpoint-a", "checkpoint-b"]) {
    for (const damage of ["flip", "lose"]) {
      const drive = copyOf(files);
      if (damage === "flip") drive.flipBit(name, 40, 3);
      else drive.loseFile(name);
      const store = await open(drive);
      for (const [log, texts] of expected) assert.deepEqual(await readAll(store.get(log)!), texts);
    }
  }
});

Deno.test("openLogStore() refuses a directory whose index is gone", async () => {
  const { files } = await smallStore({ isClean: true });
  const drive = copyOf(files);
  drive.loseFile("checkpoint-a");
  drive.loseFile("checkpoint-b");
  await assert.rejects(open(drive), { name: "ForeignDirectoryError" });
});
