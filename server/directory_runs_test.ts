import assert from "node:assert/strict";
import { silentLogger } from "../world/mod.ts";
import { SeededRandom, SimClock, SimDrive } from "../world/sim/mod.ts";
import { DirectoryRuns } from "./directory_runs.ts";
import { openIdentity, UNFIT_FORMAT } from "./identity.ts";
import { type FormerRuns, PENDING_RUNS_MAX, runNumber } from "./runs.ts";

const random = new SeededRandom("directory runs");
const whole = { sync: () => Promise.resolve(), durablePosition: 1 };

/** One directory, started again and again. */
class Directory {
  readonly drive = new SimDrive({ clock: new SimClock(), random });
  readonly #disk = this.drive.mount();

  async identity() {
    return (await openIdentity(this.#disk, 3, random)).identity;
  }

  async begin(): Promise<DirectoryRuns> {
    const file = await openIdentity(this.#disk, 3, random);
    return await DirectoryRuns.begin(file, { uuid: random.uuid(), logger: silentLogger });
  }

  /** What is on the disk when all writes are done. */
  async saved(): Promise<FormerRuns | undefined> {
    await new Promise((resolve) => setTimeout(resolve, 0));
    return (await this.identity()).runs;
  }
}

Deno.test("DirectoryRuns.begin() writes a start down before anybody hears of it, and takeBack() takes it back", async () => {
  const directory = new Directory();
  const first = await directory.begin();
  assert.deepEqual(await directory.saved(), { confirmed: null, pending: [first.current] });
  assert.equal(first.wasMember, false);
  await first.takeBack();
  assert.deepEqual(await directory.saved(), { confirmed: null, pending: [] });
  const second = await directory.begin();
  assert.equal(runNumber(second.current), 1);
});

Deno.test("DirectoryRuns.begin() gives a start no number where the disk has no room for it", async () => {
  const directory = new Directory();
  const first = await directory.begin();
  directory.drive.capacityBytes = directory.drive.usedBytes;
  const second = await directory.begin();
  assert.equal(runNumber(second.current), null);
  directory.drive.capacityBytes = Infinity;
  assert.deepEqual(await directory.saved(), { confirmed: null, pending: [first.current] });
  assert.equal(second.learnRegistered(first.current, undefined), true);
  assert.equal(runNumber((await directory.begin()).current), 2);
});

Deno.test("DirectoryRuns.begin() forgets no start, however many were never seen registered", async () => {
  const directory = new Directory();
  const first = await directory.begin();
  for (let n = 1; n < PENDING_RUNS_MAX; n++) await directory.begin();
  const later = await directory.begin();
  assert.equal(runNumber(later.current), null);
  assert.equal(later.learnRegistered(first.current, undefined), true);
  // Seen registered itself, it makes room: numbers go on behind those before it.
  assert.equal(later.learnRegistered(later.current, whole), true);
  assert.deepEqual((await directory.saved())?.pending, []);
  const next = await directory.begin();
  assert.equal(runNumber(next.current), PENDING_RUNS_MAX + 1);
  assert.equal(next.wasMember, true);
});

Deno.test("DirectoryRuns.learnRegistered() confirms an earlier start that metadata has", async () => {
  const directory = new Directory();
  const [first, second] = [await directory.begin(), await directory.begin()];
  const third = await directory.begin();
  assert.equal(third.learnRegistered(second.current, whole), true);
  const pending = [third.current];
  assert.deepEqual(await directory.saved(), { confirmed: second.current, pending });
  // What was before it says nothing new.
  assert.equal(third.learnRegistered(first.current, whole), true);
  assert.deepEqual(await directory.saved(), { confirmed: second.current, pending });
});

Deno.test("DirectoryRuns.learnRegistered() finds a start that the directory doesn't know", async () => {
  const directory = new Directory();
  const other = new Directory();
  await other.begin();
  const runs = await directory.begin();
  assert.equal(runs.learnRegistered((await other.begin()).current, whole), false);
});

Deno.test("DirectoryRuns.learnRegistered() confirms nothing before the Raft log holds something durable", async () => {
  const directory = new Directory();
  const runs = await directory.begin();
  const unconfirmed = { confirmed: null, pending: [runs.current] };
  for (const log of [undefined, { ...whole, durablePosition: 0 }]) {
    assert.equal(runs.learnRegistered(runs.current, log), true);
    assert.deepEqual(await directory.saved(), unconfirmed);
  }
  let synced = () => {};
  const log = {
    durablePosition: 0,
    sync: () => new Promise<void>((resolve) => synced = resolve),
  };
  runs.learnRegistered(runs.current, log);
  assert.deepEqual(await directory.saved(), unconfirmed);
  log.durablePosition = 1;
  synced();
  assert.deepEqual(await directory.saved(), { confirmed: runs.current, pending: [] });
});

Deno.test("DirectoryRuns.forbid() keeps every later process out, and older programs, too", async () => {
  const directory = new Directory();
  await (await directory.begin()).forbid("it has forgotten a vote");
  const stored = JSON.parse(new TextDecoder().decode(directory.drive.copyFile("node.json")));
  // A program that reads format 1 knows nothing of the rest.
  assert.equal(stored.format, UNFIT_FORMAT);
  await assert.rejects(directory.begin(), /it has forgotten a vote\. Remove the node/);
});
