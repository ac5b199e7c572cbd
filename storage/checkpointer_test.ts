import assert from "node:assert/strict";
import { RealClock } from "../world/real/mod.ts";
import { SeededRandom, SimDrive } from "../world/sim/mod.ts";
import { CHECKPOINT_NAMES, decodeCheckpoint } from "./checkpoint.ts";
import { batchOf, crc32cByTables as crc, type LogStore, openLogStore, TINY_LIMITS } from "./mod.ts";

/** The journal goes through several extents from one checkpoint to the next. */
const LIMITS = {
  ...TINY_LIMITS,
  checkpointEveryBytes: 2 ** 30,
  awayBytesMax: 2 ** 30,
  extentBytesMax: 4096,
};

/** In a new process. */
function open(drive: SimDrive): Promise<LogStore> {
  drive.kill();
  const world = { disk: drive.mount(), clock: new RealClock(), random: new SeededRandom(2) };
  return openLogStore(world, { limits: LIMITS });
}

/** Sequence numbers of the two. */
function sequencesOf(drive: SimDrive): number[] {
  return CHECKPOINT_NAMES.map((name) =>
    decodeCheckpoint(drive.copyFile(name), { name, crc })!.sequence
  );
}

Deno.test("A store opens from the older checkpoint though one between the two could not be written", async () => {
  for (const failures of [1, 2, 3]) {
    const drive = new SimDrive({ clock: new RealClock(), random: new SeededRandom(1) });
    const store = await open(drive);
    const log = store.create("log");
    const append = () => log.append(batchOf(new Uint8Array(200).fill(7)));
    /** Until so many checkpoints have been written. */
    const untilCheckpoints = async (count: number) => {
      for (let before = sequencesOf(drive).join(); count > 0;) {
        await append();
        await new Promise((resolve) => setTimeout(resolve, 0));
        const now = sequencesOf(drive).join();
        if (now !== before) count--;
        before = now;
      }
    };
    await untilCheckpoints(3);
    for (const file of CHECKPOINT_NAMES) {
      drive.fail({ op: "write", code: "NoSpace", file, times: failures });
    }
    for (let i = 0; i < 1000 && drive.failures < failures; i++) await append();
    drive.clearFaults();
    await untilCheckpoints(1);
    // What the journal goes on in now must not be what the older one needs.
    const sequences = sequencesOf(drive);
    for (let i = 0; i < 30; i++) await append();
    assert.deepEqual(sequencesOf(drive), sequences, "no other was due");
    const end = log.endPosition;
    drive.kill();
    const [a, b] = sequencesOf(drive) as [number, number];
    drive.flipBit(CHECKPOINT_NAMES[a > b ? 0 : 1], 20, 3);
    const again = await open(drive);
    assert.equal(again.get("log")!.endPosition, end);
    assert.deepEqual(again.recovery.torn, []);
    for (let position = 0; position < end;) {
      position += (await again.get("log")!.read(position, { maxBytes: 10_000 })).count;
    }
  }
});
