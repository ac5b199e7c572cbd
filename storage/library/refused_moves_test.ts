import assert from "node:assert/strict";
import { silentLogger } from "../../world/mod.ts";
import { RealClock, RealRandom } from "../../world/real/mod.ts";
import { SeededRandom, SimDrive } from "../../world/sim/mod.ts";
import { crc32cByTables } from "../crc32c.ts";
import { DiskFullError } from "../errors.ts";
import { TINY_LIMITS } from "../limits.ts";
import { openWalrus, type Walrus } from "./walrus.ts";

const decoder = new TextDecoder();

function newDrive(): SimDrive {
  return new SimDrive({ clock: new RealClock(), random: new SeededRandom(1) });
}

/** Whoever had the drive before is killed. */
function open(drive: SimDrive): Promise<Walrus> {
  drive.kill();
  return openWalrus({
    disk: drive.mount(),
    clock: new RealClock(),
    random: new RealRandom(),
    logger: silentLogger,
    crc: crc32cByTables,
    bootId: "boot",
  }, {
    limits: { readBytesMin: 256, readBytesMax: 256, cursorLogBytesMax: 2048 },
    storageLimits: TINY_LIMITS,
  });
}

async function readText(walrus: Walrus, topic: string): Promise<string | null> {
  const entry = await walrus.readNext(topic);
  return entry && decoder.decode(entry);
}

async function drain(walrus: Walrus, topic: string): Promise<string[]> {
  const texts: string[] = [];
  for (;;) {
    const text = await readText(walrus, topic);
    if (text === null) return texts;
    texts.push(text);
  }
}

Deno.test("Walrus.readNext() that a full disk refuses moves nothing, whatever is written anew later", async () => {
  const drive = newDrive();
  let walrus = await open(drive);
  await walrus.batchAppendForTopic("a", ["a0", "a1", "a2"]);
  await walrus.batchAppendForTopic("b", Array.from({ length: 600 }, (_, index) => `b${index}`));
  assert.equal(await readText(walrus, "a"), "a0");
  drive.capacityBytes = 0;
  // What is preallocated still takes some.
  let taken = 0;
  for (;;) {
    try {
      await readText(walrus, "b");
      taken++;
    } catch (error) {
      assert(error instanceof DiskFullError);
      break;
    }
  }
  await assert.rejects(readText(walrus, "a"), DiskFullError);
  assert.equal(walrus.topicReadOffset("a"), 1);
  drive.capacityBytes = Infinity;
  for (let index = 0; index < 390; index++) await readText(walrus, "b");
  await walrus.close();
  walrus = await open(drive);
  assert.equal(walrus.topicReadOffset("b"), taken + 390);
  assert.deepEqual(await drain(walrus, "a"), ["a1", "a2"]);
  await walrus.close();
});

Deno.test("Walrus.readNext() passes over nothing when reads that wait for each other are refused", async () => {
  const texts = Array.from({ length: 40 }, (_, index) => `${index} ${"e".repeat(300)}`);
  for (let readers = 1; readers <= 24; readers++) {
    const drive = newDrive();
    const walrus = await open(drive);
    await walrus.batchAppendForTopic("topic", texts);
    drive.fail({ op: "write", code: "NoSpace" });
    const seen: string[] = [];
    const read = async () => {
      try {
        seen.push((await readText(walrus, "topic"))!);
      } catch (error) {
        assert(error instanceof DiskFullError);
      }
    };
    await Promise.all(Array.from({ length: readers }, read));
    assert(seen.length < readers, "one was refused");
    seen.push(...await drain(walrus, "topic"));
    assert.deepEqual(seen, texts, `${readers} readers`);
    await walrus.close();
  }
});
