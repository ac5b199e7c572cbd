import assert from "node:assert/strict";
import { DiskError } from "../world/mod.ts";
import { RealClock } from "../world/real/mod.ts";
import { SeededRandom, SimDrive } from "../world/sim/mod.ts";
import { batchOf, type Log, type LogStore, openLogStore, TINY_LIMITS } from "./mod.ts";

const ENTRIES = 60;

/** Whoever had the drive before is killed. */
function open(drive: SimDrive): Promise<LogStore> {
  drive.kill();
  const world = { disk: drive.mount(), clock: new RealClock(), random: new SeededRandom(2) };
  return openLogStore(world, { limits: TINY_LIMITS });
}

function mustBeDiskError(error: unknown): null {
  assert(error instanceof DiskError && error.op === "read", String(error));
  return null;
}

/** Reads entry by entry; how many could not be read. */
async function readAll(log: Log): Promise<number> {
  let unread = 0;
  for (let position = 0; position < ENTRIES; position++) {
    const run = await log.read(position, { maxBytes: 1, maxRecords: 1 }).catch(mustBeDiskError);
    if (run === null) unread++;
    else assert.equal(run.bytes[4], position, `the entry at ${position}`);
  }
  return unread;
}

Deno.test("LogStore takes no read that fails for rot or for an end, at each read in turn", async () => {
  let tried = 0, failedOpenings = 0, failedReads = 0;
  for (let struck = true; struck; tried++) {
    const drive = new SimDrive({ clock: new RealClock(), random: new SeededRandom(1) });
    const first = await open(drive);
    const log = first.create("log");
    for (let index = 0; index < ENTRIES; index++) {
      await log.append(batchOf(new Uint8Array(index % 9 === 0 ? 1200 : 30).fill(index)));
    }
    drive.kill();
    drive.fail({ op: "read", code: "Io", after: tried });
    const second = await open(drive).catch(mustBeDiskError);
    if (second === null) failedOpenings++;
    else {
      const found = second.get("log")!;
      assert.equal(found.endPosition, ENTRIES);
      failedReads += await readAll(found);
      assert.deepEqual(found.damage, [], "a read that fails says nothing of what is there");
      assert(found.certain);
    }
    struck = drive.clearFaults() === 0;
    const last = await open(drive);
    assert.equal(last.get("log")!.endPosition, ENTRIES);
    assert.equal(await readAll(last.get("log")!), 0);
    assert.deepEqual(last.recovery.torn, []);
    assert(tried < 1000, "the reads have an end");
  }
  assert(failedOpenings > 2 && failedReads > 2, `${failedOpenings} and ${failedReads}`);
});
