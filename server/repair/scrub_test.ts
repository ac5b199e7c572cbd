import assert from "node:assert/strict";
import { batchOf, openLogStore, TINY_LIMITS } from "../../storage/mod.ts";
import { silentLogger } from "../../world/mod.ts";
import { SeededRandom, SimClock, SimDrive } from "../../world/sim/mod.ts";
import { Scrub } from "./scrub.ts";

const SEGMENTS = 3;
const RECORDS = 50;

async function setUp() {
  const clock = new SimClock();
  const random = new SeededRandom(1);
  const drive = new SimDrive({ clock, random });
  const world = { disk: drive.mount(), clock, random };
  const store = await clock.settle(openLogStore(world, { limits: TINY_LIMITS }));
  const payloads = Array.from({ length: RECORDS }, () => new Uint8Array(200).fill(1));
  for (let segment = 1; segment <= SEGMENTS; segment++) {
    const log = store.create(`segment/t/${segment}`);
    for (const payload of payloads) await clock.settle(log.append(batchOf(payload)));
  }
  let rots = 0;
  const open = new Set<number>();
  const scrub = new Scrub({
    store,
    clock,
    random,
    logger: silentLogger,
    bytesPerSecond: 100_000,
    isSealed: ({ segment }) => !open.has(segment),
    onRot: () => rots++,
  });
  return { clock, drive, store, scrub, open, rots: () => rots };
}

const HOUR_MS = 3600 * 1000;

Deno.test("Scrub reads every sealed segment, once a day, no faster than it may", async () => {
  const { clock, open, scrub } = await setUp();
  open.add(2);
  scrub.start();
  await clock.runFor(9_999);
  assert.equal(scrub.progress.bytes, 0);
  await clock.runFor(100);
  const { bytes } = scrub.progress;
  // One read may be ahead of its time.
  assert.ok(bytes > 0 && bytes < RECORDS * 250, `${bytes} bytes in 100 ms`);
  await clock.runFor(HOUR_MS);
  const { passes, segments, segments_left, rotten } = scrub.progress;
  assert.deepEqual({ passes, segments, segments_left, rotten }, {
    passes: 1,
    segments: 2,
    segments_left: 0,
    rotten: 0,
  });
  open.clear();
  await clock.runFor(24 * HOUR_MS);
  assert.deepEqual([scrub.progress.passes, scrub.progress.segments], [2, 5]);
  scrub.stop();
  await clock.runFor(48 * HOUR_MS);
  assert.equal(scrub.progress.passes, 2);
});

/** Flips a bit in every place of the drive's files where these bytes stand; how many there were. */
function flip(drive: SimDrive, text: string): number {
  let flipped = 0;
  for (const name of drive.names()) {
    const content = new TextDecoder("latin1").decode(drive.copyFile(name));
    for (let at = content.indexOf(text); at >= 0; at = content.indexOf(text, at + 1)) {
      drive.flipBit(name, at, 4);
      flipped++;
    }
  }
  return flipped;
}

Deno.test("Scrub finds rot in segments, and in the node's own logs, and tells the two apart", async () => {
  const { clock, drive, store, scrub, rots } = await setUp();
  const logs = [
    { log: store.get("segment/t/2")!, text: "in a segment" },
    { log: store.create("raft/log"), text: "in its own" },
  ];
  for (const { log, text } of logs) {
    await clock.settle(log.append(batchOf(new TextEncoder().encode(text))));
    for (let i = 0; i < RECORDS; i++) await clock.settle(log.append(batchOf(new Uint8Array(200))));
  }
  for (const { text } of logs) assert.ok(flip(drive, text) > 0, text);
  scrub.start();
  await clock.runFor(HOUR_MS);
  const { passes, segments, rotten, rotten_own } = scrub.progress;
  assert.deepEqual({ passes, segments, rotten, rotten_own }, {
    passes: 1,
    segments: SEGMENTS,
    rotten: 1,
    rotten_own: 1,
  });
  assert.equal(rots(), 1);
  scrub.stop();
});
