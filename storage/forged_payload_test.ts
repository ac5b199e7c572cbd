import assert from "node:assert/strict";
import { RealClock } from "../world/real/mod.ts";
import { SeededRandom, SimDrive } from "../world/sim/mod.ts";
import { CHECKPOINT_NAMES as INDEX_FILES, decodeCheckpoint } from "./checkpoint.ts";
import { crc32cByTables } from "./crc32c.ts";
import { FRAME_HEADER_BYTES, type FrameHeader, sealFrame } from "./frame.ts";
import { batchOf, type LogStore, openLogStore, RecordReader } from "./mod.ts";

const ENTRY_BYTES = 12 << 20;
const FORGED_BODY_BYTES = 16;
const FIRST_LOG_ID = 16;

/** Whoever had the drive before is killed. */
function open(drive: SimDrive): Promise<LogStore> {
  drive.kill();
  const world = { disk: drive.mount(), clock: new RealClock(), random: new SeededRandom(2) };
  return openLogStore(world);
}

async function lengthsOf(store: LogStore, name: string): Promise<number[]> {
  const log = store.get(name)!;
  const lengths: number[] = [];
  for (let position = 0; position < log.endPosition;) {
    const run = await log.read(position, { maxBytes: 1 << 20 });
    const reader = new RecordReader(run.bytes);
    while (reader.next()) lengths.push(reader.payload().length);
    position += run.count;
  }
  return lengths;
}

/**
 * An entry full of frames that are right in everything: the log, the run, the generation, ascending
 * positions, the checksum. Only the salt, which never leaves the store's files, had to be guessed.
 */
function forge(
  marks: { run: number; generation: number; salt: number },
  { logs = 2 } = {},
): Uint8Array {
  const bytes = new Uint8Array(ENTRY_BYTES);
  const buffer = { bytes, view: new DataView(bytes.buffer) };
  const frameBytes = FRAME_HEADER_BYTES + FORGED_BODY_BYTES;
  const key = { crc: crc32cByTables, salt: marks.salt };
  let position = 3;
  // The entry's own first byte stands 4 behind a multiple of 8: so must the forged headers, to be looked at.
  for (let at = 4; at + frameBytes <= bytes.length; at += frameBytes, position++) {
    const header: FrameHeader = {
      bodyBytes: FORGED_BODY_BYTES,
      goesOn: false,
      logId: FIRST_LOG_ID + position % logs,
      run: marks.run,
      generation: marks.generation,
      count: 1,
      entryCount: 1,
      lag: 0,
      firstPosition: position,
      firstOffset: position,
    };
    buffer.view.setUint32(at + FRAME_HEADER_BYTES, FORGED_BODY_BYTES - 4, true);
    sealFrame(buffer, at, { header, key });
  }
  return bytes;
}

/** A killed store whose log `a` has two entries and the forged one; what its frames are marked with. */
async function storeWith(makeEntry: (own: { salt: number; run: number }) => Uint8Array) {
  const drive = new SimDrive({ clock: new RealClock(), random: new SeededRandom(1) });
  const store = await open(drive);
  const [a, b] = [store.create("a"), store.create("b")];
  for (const log of [a, b]) {
    for (const length of [10, 20]) await log.append(batchOf(new Uint8Array(length)));
  }
  const images = INDEX_FILES.map((name) =>
    decodeCheckpoint(drive.copyFile(name), { name, crc: crc32cByTables })!
  );
  const { salt, run } = images.sort((x, y) => y.sequence - x.sequence)[0]!;
  await a.append(batchOf(makeEntry({ salt, run })));
  drive.kill();
  return { drive, salt, run };
}

/** Where the frame with the large entry starts, in which file, and its generation. */
function findLarge(drive: SimDrive): { name: string; at: number; generation: number } {
  for (const name of drive.names()) {
    if (!name.startsWith("data-")) continue;
    const bytes = drive.copyFile(name);
    const view = new DataView(bytes.buffer);
    for (let at = 0; at + FRAME_HEADER_BYTES < bytes.length; at += 8) {
      const isLarge = view.getUint32(at + 4, true) >= ENTRY_BYTES &&
        view.getUint32(at + 4, true) < ENTRY_BYTES + 1000 &&
        view.getUint32(at + 8, true) === FIRST_LOG_ID;
      if (isLarge) return { name, at, generation: view.getUint32(at + 16, true) };
    }
  }
  throw new Error("the large frame is somewhere");
}

async function survives(drive: SimDrive, isWhole: boolean): Promise<void> {
  const store = await open(drive);
  const lengths = isWhole ? [10, 20, ENTRY_BYTES] : [10, 20];
  assert.deepEqual(await lengthsOf(store, "a"), lengths);
  assert.deepEqual(await lengthsOf(store, "b"), [10, 20], "no entry of another topic");
  assert.deepEqual(store.list().map(({ name }) => name), ["a", "b"]);
  assert.deepEqual(store.get("a")!.damage, []);
  assert.equal(store.recovery.torn.length, isWhole ? 0 : 1);
  await store.get("a")!.append(batchOf(new Uint8Array(30)));
  assert.deepEqual(await lengthsOf(await open(drive), "a"), [...lengths, 30]);
}

for (const isWhole of [true, false]) {
  const how = isWhole ? "whole" : "torn";
  Deno.test(`Recovery takes nothing of a ${how} 12 MiB entry for frames, however well it was forged`, async () => {
    // The first run tells the generation that the second one's entry is forged for.
    const { generation } = findLarge((await storeWith(() => new Uint8Array(ENTRY_BYTES))).drive);
    const { drive } = await storeWith(({ salt, run }) =>
      forge({ run, generation, salt: salt + 1 })
    );
    const large = findLarge(drive);
    assert.equal(large.generation, generation);
    if (!isWhole) drive.flipBit(large.name, large.at, 0);
    await survives(drive, isWhole);
  });
}

Deno.test("Recovery would take forged frames if their salt were known: the forgery is a good one", async () => {
  const { generation } = findLarge((await storeWith(() => new Uint8Array(ENTRY_BYTES))).drive);
  const { drive } = await storeWith(({ salt, run }) =>
    forge({ run, generation, salt }, { logs: 1 })
  );
  const large = findLarge(drive);
  drive.flipBit(large.name, large.at, 0);
  const store = await open(drive);
  assert.notEqual(store.get("a")!.endPosition, 2, "what the salt is there for");
});
