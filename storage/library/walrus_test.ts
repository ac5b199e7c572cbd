import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { silentLogger } from "../../world/mod.ts";
import { RealClock, RealRandom } from "../../world/real/mod.ts";
import { SeededRandom, SimDrive } from "../../world/sim/mod.ts";
import { crc32cByTables } from "../crc32c.ts";
import { DiskFullError, OutOfRangeError, StoreFailedError } from "../errors.ts";
import { TINY_LIMITS } from "../limits.ts";
import { namespaceFolder } from "./namespace.ts";
import type { LibraryLimits, WalrusOptions } from "./options.ts";
import { openWalrus, Walrus } from "./walrus.ts";

const decoder = new TextDecoder();
const TINY_LIBRARY: Partial<LibraryLimits> = {
  reclaimEveryBytes: 4096,
  readBytesMin: 256,
  readBytesMax: 2048,
  readCacheBytesMax: 8192,
  cursorLogBytesMax: 2048,
};

function newDrive(): SimDrive {
  return new SimDrive({ clock: new RealClock(), random: new SeededRandom(1) });
}

/** Whoever had the drive before is killed. */
function open(drive: SimDrive, options: WalrusOptions = {}): Promise<Walrus> {
  drive.kill();
  return openWalrus({
    disk: drive.mount(),
    clock: new RealClock(),
    random: new RealRandom(),
    logger: silentLogger,
    crc: crc32cByTables,
    bootId: "boot",
  }, { ...options, limits: TINY_LIBRARY, storageLimits: TINY_LIMITS });
}

async function drain(walrus: Walrus, topic: string): Promise<string[]> {
  const texts: string[] = [];
  for (;;) {
    const entry = await walrus.readNext(topic);
    if (entry === null) return texts;
    texts.push(decoder.decode(entry));
  }
}

const numbered = (count: number, from = 0) =>
  Array.from({ length: count }, (_, index) => `entry ${from + index} ${"e".repeat(index % 300)}`);

Deno.test("Walrus.open() refuses options that it does not know, rather than sync less", async () => {
  const wrong = [
    { fsync: "never" },
    { fsync: { ms: -5 } },
    { fsync: { ms: NaN } },
    { fsync: { ms: 0.5 } },
    { consistency: "maybe" },
    { consistency: { atLeastOnce: {} } },
    { consistency: { atLeastOnce: { persistEvery: 0 } } },
    { backend: "tape" },
  ];
  for (const options of wrong) {
    const opening = Walrus.open({ dataDir: "/nowhere", ...options } as WalrusOptions);
    await assert.rejects(opening, RangeError, JSON.stringify(options));
  }
});

Deno.test("Walrus refuses to read from where nothing can be, or less than nothing", async () => {
  const walrus = await open(newDrive());
  await walrus.batchAppendForTopic("topic", numbered(5));
  for (const offset of [-1, 1.5, NaN]) {
    await assert.rejects(walrus.readFrom("topic", offset), OutOfRangeError);
  }
  for (const maxBytes of [-1, NaN]) {
    await assert.rejects(walrus.batchReadForTopic("topic", { maxBytes }), RangeError);
    await assert.rejects(walrus.readFrom("topic", 0, { maxBytes }), RangeError);
  }
  assert.equal((await walrus.batchReadForTopic("topic", { maxBytes: 0 })).length, 1);
});

Deno.test("Walrus.readNext() gives every entry once, in order, over restarts", async () => {
  const drive = newDrive();
  const texts = numbered(300);
  let walrus = await open(drive);
  await Promise.all(texts.map((text) => walrus.appendForTopic("topic", text)));
  const seen: string[] = [];
  for (let index = 0; index < texts.length; index++) {
    seen.push(decoder.decode((await walrus.readNext("topic"))!));
    if (index % 37 !== 0) continue;
    if (index % 2 === 0) await walrus.close();
    drive.crash("lost");
    walrus = await open(drive);
  }
  assert.deepEqual(seen, texts);
  assert.equal(await walrus.readNext("topic"), null);
  assert.equal(walrus.topicEntryCount("topic"), 300);
});

Deno.test("Walrus reads at least once with persistEvery, and at most so many again", async () => {
  const drive = newDrive();
  const consistency = { atLeastOnce: { persistEvery: 10 } };
  let walrus = await open(drive, { consistency });
  await walrus.batchAppendForTopic("topic", numbered(100));
  for (let index = 0; index < 25; index++) await walrus.readNext("topic");
  drive.crash("lost");
  walrus = await open(drive, { consistency });
  // Not once per read, and not never: every tenth.
  assert.equal(walrus.topicReadOffset("topic"), 20);
  for (let index = 0; index < 3; index++) await walrus.readNext("topic");
  await walrus.close();
  walrus = await open(drive, { consistency });
  assert.equal(walrus.topicReadOffset("topic"), 23);
});

Deno.test("Walrus.readNext() keeps its place at the tail", async () => {
  const drive = newDrive();
  let walrus = await open(drive);
  for (let index = 0; index < 40; index++) {
    await walrus.appendForTopic("topic", `${index}`);
    assert.equal(decoder.decode((await walrus.readNext("topic"))!), `${index}`);
    assert.equal(await walrus.readNext("topic"), null);
    if (index % 7 === 0) {
      drive.crash("lost");
      walrus = await open(drive);
      assert.equal(await walrus.readNext("topic"), null, `at ${index}`);
    }
  }
});

/** Three entries were read, and the last of them is gone; nobody has the drive. */
async function driveWithLostEntry(): Promise<SimDrive> {
  const drive = newDrive();
  const walrus = await open(drive);
  const payloads = [11, 22, 33].map((fill) => new Uint8Array(2500).fill(fill));
  for (const payload of payloads) await walrus.appendForTopic("topic", payload);
  assert.equal((await walrus.batchReadForTopic("topic")).length, 3);
  drive.kill();
  // The last frame rots, and nothing on disk tells that from a write that was cut short.
  for (const name of drive.names()) {
    const at = Buffer.from(drive.copyFile(name)).indexOf(payloads[2]!);
    if (at >= 0) drive.flipBit(name, at, 2);
  }
  return drive;
}

Deno.test("Walrus.readNext() passes over nothing where entries that were read are lost and others come", async () => {
  const drive = await driveWithLostEntry();
  let walrus = await open(drive);
  assert.equal(walrus.topicEntryCount("topic"), 2, "it is cut");
  await walrus.appendForTopic("topic", "new");
  drive.crash("lost");
  walrus = await open(drive);
  assert.deepEqual(await drain(walrus, "topic"), ["new"]);
});

for (const end of ["kill", "crash", "close"] as const) {
  Deno.test(`Walrus.readNext() passes over nothing where the disk was full when entries were found lost (${end})`, async () => {
    const drive = await driveWithLostEntry();
    drive.capacityBytes = drive.usedBytes;
    let walrus = await open(drive);
    assert.equal(walrus.topicEntryCount("topic"), 2);
    const both = () => Promise.allSettled(["x", "y"].map((x) => walrus.appendForTopic("topic", x)));
    for (const { status } of await both()) assert.equal(status, "rejected");
    assert.equal(walrus.topicEntryCount("topic"), 2);
    drive.capacityBytes = Infinity;
    const texts = ["new", "newer", "newest"];
    const offsets = await Promise.all(texts.map((text) => walrus.appendForTopic("topic", text)));
    assert.deepEqual(offsets, [2, 3, 4]);
    if (end === "close") await walrus.close();
    if (end === "crash") drive.crash("lost");
    walrus = await open(drive);
    assert.deepEqual(await drain(walrus, "topic"), texts);
    await walrus.close();
  });
}

Deno.test("Walrus.readNext() without checkpoint moves nothing", async () => {
  const walrus = await open(newDrive());
  await walrus.batchAppendForTopic("topic", ["one", "two"]);
  for (let index = 0; index < 3; index++) {
    const entry = await walrus.readNext("topic", { checkpoint: false });
    assert.equal(decoder.decode(entry!), "one");
  }
  assert.deepEqual(await drain(walrus, "topic"), ["one", "two"]);
});

Deno.test("Walrus.readNext() hands many waiting readers different entries", async () => {
  const walrus = await open(newDrive());
  const texts = numbered(60);
  await walrus.batchAppendForTopic("topic", texts);
  const entries = await Promise.all(texts.map(() => walrus.readNext("topic")));
  assert.deepEqual(entries.map((entry) => decoder.decode(entry!)), texts);
});

Deno.test("Walrus.batchReadForTopic() skips nothing where the tail begins", async () => {
  // The tail is in memory or in the journal, what is before it in extents: a read must cross from one to the other.
  const walrus = await open(newDrive());
  const texts: string[] = [];
  const seen: string[] = [];
  for (let round = 0; round < 30; round++) {
    const more = numbered(7, texts.length);
    texts.push(...more);
    await Promise.all(more.map((text) => walrus.appendForTopic("topic", text)));
    for (const entry of await walrus.batchReadForTopic("topic", { maxBytes: 700 })) {
      seen.push(decoder.decode(entry));
    }
  }
  for (;;) {
    const entries = await walrus.batchReadForTopic("topic", { maxBytes: 5000 });
    if (entries.length === 0) break;
    seen.push(...entries.map((entry) => decoder.decode(entry)));
  }
  assert.deepEqual(seen, texts);
});

Deno.test("Walrus.batchReadForTopic() gives one entry although it is larger than maxBytes", async () => {
  const walrus = await open(newDrive());
  await walrus.batchAppendForTopic("topic", [new Uint8Array(5000), "small"]);
  const [entry, ...more] = await walrus.batchReadForTopic("topic", { maxBytes: 10 });
  assert.equal(entry!.length, 5000);
  assert.deepEqual(more, []);
});

Deno.test("Walrus.readFrom() drops nothing at any boundary", async () => {
  const walrus = await open(newDrive());
  const texts = numbered(200);
  for (const text of texts) await walrus.appendForTopic("topic", text);
  for (const maxBytes of [1, 100, 1000, 100_000]) {
    const seen: string[] = [];
    while (seen.length < texts.length) {
      const entries = await walrus.readFrom("topic", seen.length, { maxBytes });
      assert.equal(entries[0]!.offset, seen.length);
      for (const { payload } of entries) seen.push(decoder.decode(payload));
    }
    assert.deepEqual(seen, texts, `${maxBytes} bytes at a time`);
  }
  assert.equal(walrus.topicReadOffset("topic"), 0);
});

Deno.test("Walrus gives the space of consumed entries back, at once and after a restart", async () => {
  const drive = newDrive();
  let walrus = await open(drive);
  const payload = new Uint8Array(900);
  for (let round = 0; round < 20; round++) {
    for (let index = 0; index < 30; index++) await walrus.appendForTopic("topic", payload);
    await drain(walrus, "topic");
    if (round % 5 === 4) {
      await walrus.close();
      walrus = await open(drive);
    }
  }
  // 540 KB went through.
  assert(drive.usedBytes < 300_000, `${drive.usedBytes} bytes are used`);
  assert(walrus.topicSize("topic") < 40_000, `${walrus.topicSize("topic")} bytes are kept`);
  await assert.rejects(walrus.readFrom("topic", 0), OutOfRangeError);
  const files = drive.names().length;
  for (let index = 0; index < 12; index++) {
    await walrus.close();
    walrus = await open(drive);
  }
  assert(drive.names().length <= files, "no opening leaves a file behind");
});

Deno.test("Walrus.batchAppendForTopic() is atomic with 2,000 entries and with 64 MiB", async () => {
  const dataDir = await Deno.makeTempDir();
  let walrus = await Walrus.open({ dataDir });
  assert.equal(await walrus.batchAppendForTopic("many", numbered(2000)), 0);
  const large = Array.from({ length: 64 }, (_, index) => new Uint8Array(1 << 20).fill(index));
  assert.equal(await walrus.batchAppendForTopic("large", large), 0);
  await walrus.close();
  walrus = await Walrus.open({ dataDir });
  assert.equal((await drain(walrus, "many")).length, 2000);
  for (let index = 0; index < 64; index++) {
    const entry = await walrus.readNext("large");
    assert(entry!.length === 1 << 20 && entry![77] === index);
  }
  await walrus.close();
  await Deno.remove(dataDir, { recursive: true });
});

Deno.test("Walrus takes no payload for a header, whatever is in it", async () => {
  // 12 MiB full of copies of the store's own files: every byte of them is a good frame somewhere.
  const dataDir = await Deno.makeTempDir();
  let walrus = await Walrus.open({ dataDir });
  for (const topic of ["a", "b"]) await walrus.batchAppendForTopic(topic, numbered(50));
  const own = (await Deno.readFile(`${dataDir}/data-00000001`)).subarray(0, 12 << 20);
  await walrus.appendForTopic("a", own);
  await walrus.appendForTopic("a", "behind");
  const count = walrus.topicEntryCount("a");
  // Killed: the next start reads the tail.
  const lost = await Deno.makeTempDir();
  for await (const { name } of Deno.readDir(dataDir)) {
    await Deno.copyFile(`${dataDir}/${name}`, `${lost}/${name}`);
  }
  await walrus.close();
  walrus = await Walrus.open({ dataDir: lost });
  assert.equal(walrus.topicEntryCount("a"), count);
  assert.deepEqual(await drain(walrus, "b"), numbered(50));
  const texts = numbered(50);
  for (const text of texts) assert.equal(decoder.decode((await walrus.readNext("a"))!), text);
  assert.equal((await walrus.readNext("a"))!.length, own.length);
  assert.deepEqual(await drain(walrus, "a"), ["behind"]);
  await walrus.close();
  for (const path of [dataDir, lost]) await Deno.remove(path, { recursive: true });
});

Deno.test("Walrus recovers entries behind an append that failed, and larger than any block", async () => {
  const drive = newDrive();
  const walrus = await open(drive);
  await walrus.appendForTopic("topic", "first");
  drive.capacityBytes = drive.usedBytes;
  await assert.rejects(walrus.appendForTopic("topic", new Uint8Array(90_000)), DiskFullError);
  drive.capacityBytes = Infinity;
  await walrus.appendForTopic("topic", new Uint8Array(90_000));
  await walrus.appendForTopic("topic", "last");
  drive.crash("lost");
  const again = await open(drive);
  const sizes = (await again.readFrom("topic", 0, { maxBytes: 200_000 })).map(({ payload }) =>
    payload.length
  );
  while (sizes.length < 3) {
    sizes.push((await again.readFrom("topic", sizes.length))[0]!.payload.length);
  }
  assert.deepEqual(sizes, [5, 90_000, 4]);
});

Deno.test("Walrus does not report a full disk as success", async () => {
  const drive = newDrive();
  const walrus = await open(drive);
  const texts: string[] = [];
  drive.capacityBytes = 120 * 1024;
  for (let index = 0; index < 400; index++) {
    const text = `${index} ${"f".repeat(500)}`;
    await walrus.appendForTopic("topic", text).then(
      () => texts.push(text),
      (error) => assert(error instanceof DiskFullError),
    );
  }
  assert(texts.length < 400);
  drive.capacityBytes = Infinity;
  drive.crash("lost");
  assert.deepEqual(await drain(await open(drive), "topic"), texts);
});

Deno.test("Walrus.open() refuses a directory that another one has", async () => {
  const dataDir = await Deno.makeTempDir();
  const walrus = await Walrus.open({ dataDir });
  await assert.rejects(Walrus.open({ dataDir }), { name: "DiskError", code: "Locked" });
  await walrus.close();
  await (await Walrus.open({ dataDir })).close();
  await Deno.remove(dataDir, { recursive: true });
});

Deno.test("Walrus hands an error of a background sync to its callers", async () => {
  const drive = newDrive();
  const walrus = await open(drive, { fsync: { ms: 1 } });
  drive.fail({ op: "sync", code: "Io" });
  await walrus.appendForTopic("topic", "one");
  assert(await walrus.failed instanceof StoreFailedError);
  await assert.rejects(walrus.appendForTopic("topic", "two"), StoreFailedError);
});

Deno.test("Walrus.entries() waits for what comes, and stops when it is told", async () => {
  const walrus = await open(newDrive());
  const stop = new AbortController();
  const seen: string[] = [];
  const reading = (async () => {
    for await (const { payload } of walrus.entries("topic", { signal: stop.signal })) {
      seen.push(decoder.decode(payload));
    }
  })();
  for (let index = 0; index < 5; index++) await walrus.appendForTopic("topic", `${index}`);
  while (seen.length < 5) await new Promise((resolve) => setTimeout(resolve, 1));
  stop.abort();
  await reading;
  assert.deepEqual(seen, ["0", "1", "2", "3", "4"]);
});

Deno.test("Walrus keeps read positions when their log is written anew", async () => {
  const drive = newDrive();
  let walrus = await open(drive);
  for (const topic of ["a", "b", "c"]) await walrus.batchAppendForTopic(topic, numbered(200));
  for (let index = 0; index < 200; index++) {
    await walrus.readNext("a");
    if (index % 2 === 0) await walrus.readNext("b");
  }
  drive.crash("lost");
  walrus = await open(drive);
  assert.equal(walrus.topicReadOffset("a"), 200);
  assert.equal(walrus.topicReadOffset("b"), 100);
  assert.equal(walrus.topicReadOffset("c"), 0);
});

Deno.test("Walrus keeps the read positions of topics apart whose names differ by a byte order mark", async () => {
  const drive = newDrive();
  let walrus = await open(drive);
  for (const topic of ["\ufeffa", "a"]) await walrus.batchAppendForTopic(topic, numbered(5));
  assert.deepEqual(await drain(walrus, "\ufeffa"), numbered(5));
  await walrus.close();
  walrus = await open(drive);
  await walrus.close();
  walrus = await open(drive);
  assert.equal(walrus.topicReadOffset("\ufeffa"), 5);
  assert.deepEqual(await drain(walrus, "a"), numbered(5));
  await walrus.close();
});

Deno.test("namespaceFolder() gives different keys different folders", () => {
  const keys = ["billing", "a/b", "a_b", "../x", ".", "", "ü", "a".repeat(300), "a".repeat(301)];
  const folders = keys.map(namespaceFolder);
  assert.equal(new Set(folders).size, keys.length);
  for (const folder of folders) assert.match(folder, /^[A-Za-z0-9_-][A-Za-z0-9._-]*$/);
  assert.equal(folders[0], "billing");
});
