import assert from "node:assert/strict";
import { RealClock } from "../world/real/clock.ts";
import { SeededRandom, SimDrive } from "../world/sim/mod.ts";
import {
  batchOf,
  type LogStore,
  type LogStoreOptions,
  openLogStore,
  RecordBatchBuilder,
  RecordReader,
  TINY_LIMITS,
} from "./mod.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

function newDrive(): SimDrive {
  return new SimDrive({ clock: new RealClock(), random: new SeededRandom(1) });
}

let runs = 0;

/** Whoever had the drive before is killed. */
function open(drive: SimDrive, options: LogStoreOptions = {}): Promise<LogStore> {
  drive.kill();
  const world = { disk: drive.mount(), clock: new RealClock(), random: new SeededRandom(++runs) };
  return openLogStore(world, { limits: TINY_LIMITS, ...options });
}

async function readAll(store: LogStore, name: string): Promise<string[]> {
  const log = store.get(name)!;
  const texts: string[] = [];
  let position = log.startPosition;
  while (position < log.endPosition) {
    const run = await log.read(position, { maxBytes: 1000 });
    assert.equal(run.firstPosition, position);
    assert(run.count > 0);
    const reader = new RecordReader(run.bytes);
    while (reader.next()) texts.push(decoder.decode(reader.payload()));
    position += run.count;
  }
  return texts;
}

Deno.test("LogStore gives back what was appended, at once and after a reopening", async () => {
  const drive = newDrive();
  const store = await open(drive);
  const expected: Record<string, string[]> = { a: [], b: [] };
  for (const name of ["a", "b"]) store.create(name);
  for (let round = 0; round < 200; round++) {
    const waits = [];
    for (const name of ["a", "b", "a"]) {
      const text = `${name} ${round} ${"x".repeat(round)}`;
      waits.push(store.get(name)!.append(batchOf(encoder.encode(text))));
      expected[name]!.push(text);
    }
    await Promise.all(waits);
  }
  for (const name of ["a", "b"]) assert.deepEqual(await readAll(store, name), expected[name]);
  await store.close();
  const again = await open(drive);
  assert.equal(again.recovery.clean, true);
  for (const name of ["a", "b"]) assert.deepEqual(await readAll(again, name), expected[name]);
  assert.equal(await again.get("a")!.append(batchOf(encoder.encode("more"))), 400);
  // A crash: nothing is closed.
  const third = await open(drive);
  assert.equal(third.recovery.clean, false);
  assert.deepEqual(third.recovery.torn, []);
  assert.deepEqual(await readAll(third, "a"), [...expected["a"]!, "more"]);
  await third.close();
});

Deno.test("Log.truncateTail() and trimHead() hold over a reopening", async () => {
  const drive = newDrive();
  let store = await open(drive);
  let log = store.create("log");
  const builder = new RecordBatchBuilder();
  for (let i = 0; i < 300; i++) {
    builder.clear();
    for (let k = 0; k < 5; k++) {
      builder.add(encoder.encode(`${i}.${k}`), 0, undefined, k === 2 ? "control" : "entry");
    }
    await log.append(builder);
  }
  assert.equal(log.endPosition, 1500);
  assert.equal(log.endOffset, 1200);
  assert.equal(await log.positionOfOffset(601), 150 * 5 + 1);
  await log.truncateTail(1003);
  assert.equal(log.endPosition, 1003);
  assert.equal(log.endOffset, 802);
  assert.deepEqual(await log.lastControl(), { position: 1002, payload: encoder.encode("200.2") });
  await log.trimHead(57);
  assert.equal(log.startOffset, 46);
  store = await open(drive);
  log = store.get("log")!;
  assert.equal(log.endPosition, 1003);
  assert.equal(log.endOffset, 802);
  assert.equal(log.startPosition, 57);
  assert.deepEqual(await log.lastControl(), { position: 1002, payload: encoder.encode("200.2") });
  const texts = await readAll(store, "log");
  assert.equal(texts[0], "11.2");
  assert.equal(texts.at(-1), "200.2");
  assert.equal(await log.append(batchOf(encoder.encode("next"))), 1003);
  assert.deepEqual((await readAll(store, "log")).at(-1), "next");
  await store.close();
});

Deno.test("LogStore.delete() gives space back", async () => {
  const drive = newDrive();
  const store = await open(drive);
  for (let round = 0; round < 20; round++) {
    const log = store.create("log");
    for (let i = 0; i < 50; i++) await log.append(batchOf(new Uint8Array(1000)));
    await store.delete("log");
  }
  assert(store.stats.fileBytes < 300_000, `${store.stats.fileBytes} bytes of files`);
  await store.close();
});

Deno.test("Log.append() takes a batch larger than an extent", async () => {
  const drive = newDrive();
  let store = await open(drive);
  const builder = new RecordBatchBuilder();
  for (let i = 0; i < 90; i++) builder.add(new Uint8Array(1000).fill(i));
  await store.create("log").append(builder);
  store = await open(drive);
  assert.equal((await readAll(store, "log")).length, 90);
  await store.close();
});

Deno.test("LogStore.backlogged says when to wait, and drained() until when", async () => {
  const store = await open(newDrive());
  const log = store.create("log");
  const appends: Promise<number>[] = [];
  for (let i = 0; i < 20; i++) appends.push(log.append(batchOf(new Uint8Array(1000))));
  assert.equal(store.backlogged, true);
  assert.equal(log.endPosition, 20);
  await store.drained();
  assert.equal(store.backlogged, false);
  assert.deepEqual(await Promise.all(appends), Array.from({ length: 20 }, (_, i) => i));
  await store.close();
});

Deno.test("Log.durablePosition follows the sync, whatever the mode resolves after", async () => {
  const store = await open(newDrive(), { durability: "none" });
  const log = store.create("log");
  const each = store.create("each", { durability: "each" });
  await log.append(batchOf(encoder.encode("one")));
  assert.deepEqual([log.endPosition, log.durablePosition], [1, 0]);
  await each.append(batchOf(encoder.encode("one")));
  assert.equal(each.durablePosition, 1);
  await log.sync();
  assert.equal(log.durablePosition, 1);
  await store.close();
});

Deno.test("Log.certain is false after a power loss in a mode that may forget, and stays so", async () => {
  const drive = newDrive();
  const none = { durability: "none", bootId: "1" } as const;
  let store = await open(drive, none);
  await store.create("log").append(batchOf(encoder.encode("one")));
  await store.create("each", { durability: "each" }).append(batchOf(encoder.encode("one")));
  store = await open(drive, none);
  assert.equal(store.get("log")!.certain, true, "only the process died");
  drive.crash("lost");
  store = await open(drive, { ...none, bootId: "2" });
  assert.equal(store.get("log")!.certain, false);
  assert.equal(store.get("each")!.certain, true);
  await store.close();
  store = await open(drive, { ...none, bootId: "2" });
  assert.equal(store.get("log")!.certain, false, "nothing that is missing has come back");
  await store.close();
});

Deno.test("openLogStore() reads the tail behind the newest checkpoint, not the data", async () => {
  const drive = newDrive();
  let store = await open(drive);
  const log = store.create("log");
  for (let i = 0; i < 600; i++) await log.append(batchOf(new Uint8Array(500)));
  store = await open(drive);
  assert.equal(store.recovery.clean, false);
  assert.equal(store.get("log")!.endPosition, 600);
  const { bytesScanned } = store.recovery;
  assert(bytesScanned < 100_000, `${bytesScanned} bytes of 300 KB were scanned`);
  await store.close();
  store = await open(drive);
  assert.equal(store.recovery.bytesScanned, 0);
  await store.close();
});

Deno.test("LogStore.delete() of a log that is being cut or written leaves a store that opens", async () => {
  const drive = newDrive();
  let store = await open(drive);
  let rest = store.create("rest");
  for (let round = 0; round < 60; round++) {
    const log = store.create("log");
    for (let i = 0; i < 5; i++) await log.append(batchOf(new Uint8Array(300)));
    const works: Promise<unknown>[] = [
      rest.append(batchOf(new Uint8Array(900))),
      log.truncateTail(round % 5),
      log.append(batchOf(new Uint8Array(200))),
    ];
    for (let turn = 0; turn < round % 9; turn++) await undefined;
    works.push(store.delete("log"), rest.append(batchOf(new Uint8Array(2000 * (round % 5)))));
    await Promise.allSettled(works);
    if (round % 3 !== 0) continue;
    drive.crash(round % 2 === 0 ? "lost" : undefined);
    store = await open(drive);
    assert.equal(store.get("log"), undefined);
    rest = store.get("rest")!;
    assert.equal(rest.endPosition, 2 * (round + 1));
  }
  await store.close();
});

Deno.test("openLogStore() leaves no file and no space behind, however often and whatever came before", async () => {
  const drive = newDrive();
  let after: { names: string[]; usedBytes: number } | null = null;
  for (let round = 0; round < 60; round++) {
    const store = await open(drive);
    const log = store.get("log") ?? store.create("log");
    await log.append(batchOf(new Uint8Array(50)));
    await log.trimHead(log.endPosition);
    if (round % 3 === 0) await store.close();
    else if (round % 3 === 1) drive.crash("lost");
    const now = { names: drive.names(), usedBytes: drive.usedBytes };
    // After the first few every opening finds what it needs.
    if (round === 5) after = now;
    if (after === null) continue;
    assert.deepEqual(now.names, after.names, `round ${round}`);
    assert(now.usedBytes < 1.2 * after.usedBytes, `round ${round}: ${now.usedBytes} bytes`);
  }
});
