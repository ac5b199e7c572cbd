import assert from "node:assert/strict";
import {
  batchOf,
  DiskFullError,
  openLogStore,
  StoreFailedError,
  TINY_LIMITS,
} from "../../storage/mod.ts";
import { SeededRandom, SimClock, SimDrive } from "../../world/sim/mod.ts";
import { OutcomeUnknownError } from "../errors.ts";
import type { AppendMeter } from "./append_meter.ts";
import type { Leases } from "./leases.ts";
import { FULL_PATIENCE_MS, SegmentWriter, STALLED_MS } from "./segment_writer.ts";

async function setUp(replicas: number[]) {
  const clock = new SimClock();
  const random = new SeededRandom(1);
  const drive = new SimDrive({ clock, random });
  const store = await openLogStore({ disk: drive.mount(), clock, random }, { limits: TINY_LIMITS });
  const abandoned: Error[] = [];
  const writer = new SegmentWriter({
    name: "t/1",
    nodeId: 1,
    replicas,
    log: store.create("segment/t/1"),
    store,
    leases: { isValid: true } as Leases,
    clock,
    limits: { entries: 100_000, bytes: 1e9 },
    meter: { add: () => {} } as unknown as AppendMeter,
    onReadable: () => {},
    onAppended: () => {},
    onDurable: () => {},
    onFull: () => {},
    onAbandoned: (reason) => abandoned.push(reason),
  });
  return { clock, drive, writer, abandoned };
}

const entry = batchOf(new Uint8Array(10));

Deno.test("SegmentWriter.expire() gives up a segment in which nothing is committed any more", async () => {
  const { clock, writer, abandoned } = await setUp([1, 2, 3]);
  const first = writer.append(entry);
  await clock.runFor(1);
  writer.expire(0);
  writer.acknowledge(2, 1);
  await clock.settle(first);
  writer.expire(STALLED_MS); // nothing waits
  const second = assert.rejects(writer.append(entry), OutcomeUnknownError);
  await clock.runFor(1);
  writer.expire(2 * STALLED_MS);
  writer.expire(3 * STALLED_MS - 1);
  assert.equal(abandoned.length, 0);
  writer.expire(3 * STALLED_MS);
  assert.equal(abandoned.length, 1);
  await second;
});

Deno.test("SegmentWriter.append() hands on what its log refuses at once, again and again", async () => {
  const { clock, drive, writer } = await setUp([1]);
  drive.fail({ op: "sync", code: "Io", times: 1 });
  const mustFail = () => assert.rejects(writer.append(entry), StoreFailedError);
  await clock.settle(mustFail());
  await clock.settle(Promise.all([mustFail(), mustFail()]));
});

/** Appends until one is rejected, and tells with what. */
async function failureOf(append: () => Promise<unknown>): Promise<unknown> {
  for (let i = 0; i < 10_000; i++) {
    const error = await append().then(() => null, (error) => error);
    if (error !== null) return error;
  }
  throw new Error("nothing was rejected");
}

Deno.test("SegmentWriter.append() says that the outcome is unknown where its disk is full and others may hold it", async () => {
  const { clock, drive, writer, abandoned } = await setUp([1, 2, 3]);
  drive.capacityBytes = drive.usedBytes;
  const error = await clock.settle(failureOf(async () => {
    const appended = writer.append(entry);
    writer.acknowledge(2, writer.log.endPosition);
    await appended;
  }));
  assert.ok(error instanceof OutcomeUnknownError, String(error));
  assert.match(error.message, /disk/);
  assert.equal(abandoned.length, 1);
});

Deno.test("SegmentWriter.appendControl() says that the outcome is unknown where its disk failed and others may hold it", async () => {
  const { clock, drive, writer } = await setUp([1, 2]);
  drive.fail({ op: "sync", code: "Io", times: 1 });
  const move = batchOf(new Uint8Array(10), "control");
  const error = await clock.settle(failureOf(() => writer.appendControl(move)));
  assert.ok(error instanceof OutcomeUnknownError, String(error));
});

Deno.test("SegmentWriter.append() says that the disk is full where it holds the segment alone", async () => {
  const { clock, drive, writer, abandoned } = await setUp([1]);
  drive.capacityBytes = drive.usedBytes;
  const error = await clock.settle(failureOf(() => writer.append(entry)));
  assert.ok(error instanceof DiskFullError, String(error));
  assert.deepEqual(abandoned, []);
});

Deno.test("SegmentWriter.append() gives up a segment whose disk took no entry for a while, each time anew", async () => {
  const { clock, writer, abandoned } = await setUp([1, 2, 3]);
  const append = writer.log.append.bind(writer.log);
  let isFull = true;
  writer.log.append = (batch) =>
    isFull && batch.entryCount > 0 ? Promise.reject(new DiskFullError("full")) : append(batch);
  const refused = () => clock.settle(assert.rejects(writer.append(entry), DiskFullError));
  const taken = (appended: Promise<unknown>) => {
    writer.acknowledge(2, writer.log.endPosition);
    return clock.settle(appended);
  };
  await refused();
  await clock.runFor(FULL_PATIENCE_MS);
  isFull = false;
  await taken(writer.append(entry));
  isFull = true;
  await refused();
  assert.equal(abandoned.length, 0, "it was full long ago, and had room since");
  // Moves of the cursor are taken on a full disk too, and say nothing about room.
  await clock.runFor(FULL_PATIENCE_MS);
  await taken(writer.appendControl(batchOf(new Uint8Array(10), "control")));
  await refused();
  assert.equal(abandoned.length, 1);
});
