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
  homeBytesMin: 12_000,
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

/** One log whose entries all stay in the journal, and one that has all in extents of its own. */
class Life {
  private constructor(readonly drive: SimDrive, readonly store: LogStore) {}

  static async begin(drive: SimDrive): Promise<Life> {
    const store = await open(drive);
    for (const name of ["log", "other"]) if (store.get(name) === undefined) store.create(name);
    return new Life(drive, store);
  }

  async append(count: number): Promise<void> {
    const batch = batchOf(new Uint8Array(200).fill(7));
    for (let i = 0; i < count; i++) await this.store.get("log")!.append(batch);
  }

  /** Appends until so many checkpoints have been written. */
  async untilCheckpoints(count: number): Promise<void> {
    for (let before = sequencesOf(this.drive).join(); count > 0;) {
      await this.append(1);
      await new Promise((resolve) => setTimeout(resolve, 0));
      const now = sequencesOf(this.drive).join();
      if (now !== before) count--;
      before = now;
    }
  }

  /**
   * All space that is free is written to; then the newest checkpoint rots. Before that a process may find no room
   * to begin a run.
   */
  async mustOpenFromOlder({ isFull = false } = {}): Promise<void> {
    const { drive, store } = this;
    const sequences = sequencesOf(drive);
    await this.append(30);
    const large = batchOf(new Uint8Array(LIMITS.homeBytesMin).fill(8));
    for (let i = 0; i < 8; i++) await store.get("other")!.append(large);
    assert.deepEqual(sequencesOf(drive), sequences, "no other was due");
    const end = store.get("log")!.endPosition;
    const [a, b] = sequences as [number, number];
    const [newer, older] = a > b ? CHECKPOINT_NAMES : CHECKPOINT_NAMES.toReversed();
    if (isFull) {
      // The newest one is written once more, and no new one.
      drive.fail({ op: "write", code: "NoSpace", file: newer!, after: 1, times: 100 });
      drive.fail({ op: "write", code: "NoSpace", file: older!, times: 100 });
      await open(drive);
      assert(drive.clearFaults() === 2 && drive.failures > 0, "no run has begun");
    }
    drive.kill();
    drive.flipBit(newer!, 20, 3);
    const again = await open(drive);
    assert.equal(again.get("log")!.endPosition, end);
    assert.equal(again.get("other")!.endPosition, 8);
    assert.deepEqual(again.recovery.torn, []);
    for (let position = 0; position < end;) {
      position += (await again.get("log")!.read(position, { maxBytes: 10_000 })).count;
    }
  }
}

Deno.test("A store opens from the older checkpoint though one between the two could not be written", async () => {
  for (const failures of [1, 2, 3]) {
    const drive = new SimDrive({ clock: new RealClock(), random: new SeededRandom(1) });
    const life = await Life.begin(drive);
    await life.untilCheckpoints(3);
    for (const file of CHECKPOINT_NAMES) {
      drive.fail({ op: "write", code: "NoSpace", file, times: failures });
    }
    for (let i = 0; i < 1000 && drive.failures < failures; i++) await life.append(1);
    assert.equal(drive.failures, failures);
    drive.clearFaults();
    await life.untilCheckpoints(1);
    await life.mustOpenFromOlder();
  }
});

Deno.test("A store opens from a run's first checkpoint though what it copied took several extents", async () => {
  const drive = new SimDrive({ clock: new RealClock(), random: new SeededRandom(1) });
  const first = await Life.begin(drive);
  await first.untilCheckpoints(1);
  await first.append(50);
  const second = await Life.begin(drive);
  await second.untilCheckpoints(1);
  await second.mustOpenFromOlder();
});

Deno.test("A store opens from the older checkpoint though a process found no room to begin a run", async () => {
  const drive = new SimDrive({ clock: new RealClock(), random: new SeededRandom(1) });
  const life = await Life.begin(drive);
  await life.untilCheckpoints(2);
  await life.mustOpenFromOlder({ isFull: true });
});
