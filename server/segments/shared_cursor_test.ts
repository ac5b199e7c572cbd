import assert from "node:assert/strict";
import { type RecordBatch, RecordBatchBuilder, RecordReader } from "../../storage/mod.ts";
import { SegmentClosedError } from "../errors.ts";
import { decodeCursors } from "./control_record.ts";
import type { Entries, EntrySource } from "./entry_source.ts";
import type { SegmentWriter } from "./segment_writer.ts";
import { SharedCursor, type Taken } from "./shared_cursor.ts";

/** A writer whose moves commit or fail when the test says so. */
class FakeWriter {
  committedOffset = 0;
  isClosed = false;
  readonly moves: { offset: number; commit: () => void; fail: (error: Error) => void }[] = [];

  mustAccept(): void {
    if (this.isClosed) throw new SegmentClosedError("closed");
  }

  appendControl(batch: RecordBatch): Promise<void> {
    const reader = new RecordReader(batch.bytes);
    reader.next();
    const offset = decodeCursors(reader.payload())[0]!.offset;
    return new Promise((commit, fail) => this.moves.push({ offset, commit, fail }));
  }
}

/** Entry n of the topic is the text `n`. */
class FakeSource implements EntrySource {
  reads = 0;
  failure: Error | null = null;

  read(offset: number, limits: { count: number }): Promise<Entries> {
    this.reads++;
    if (this.failure) return Promise.reject(this.failure);
    const builder = new RecordBatchBuilder();
    for (let i = 0; i < limits.count; i++) {
      builder.add(new TextEncoder().encode(String(offset + i)));
    }
    return Promise.resolve(builder.copy());
  }
}

function setUp(committed: number) {
  const writer = new FakeWriter();
  writer.committedOffset = committed;
  const source = new FakeSource();
  const trimmed = { firstOffset: 0 };
  const cursor = new SharedCursor({
    writer: writer as unknown as SegmentWriter,
    source,
    baseOffset: 0,
    position: 0,
    firstOffset: () => trimmed.firstOffset,
  });
  return { writer, source, cursor, trimmed };
}

function textsOf(taken: Taken): string[] {
  const reader = new RecordReader(taken.bytes);
  const texts: string[] = [];
  while (reader.next()) texts.push(new TextDecoder().decode(reader.payload()));
  return texts;
}

/** Lets everything that can run without outside help run. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

Deno.test("SharedCursor.take() answers when the move is committed, not before", async () => {
  const { writer, cursor } = setUp(5);
  let taken: Taken | null = null;
  cursor.take(2).then((result) => taken = result);
  await settle();
  assert.equal(taken, null);
  assert.equal(cursor.committed, 0);
  writer.moves[0]!.commit();
  await settle();
  assert.deepEqual(textsOf(taken!), ["0", "1"]);
  assert.equal(cursor.committed, 2);
});

Deno.test("SharedCursor.take() gives each entry to one consumer, with one move for all who wait", async () => {
  const { writer, source, cursor } = setUp(100);
  const first = cursor.take(1);
  const others = [cursor.take(2), cursor.take(3), cursor.take(1)];
  await settle();
  assert.deepEqual(writer.moves.map((move) => move.offset), [1]);
  writer.moves[0]!.commit();
  await settle();
  assert.deepEqual(writer.moves.map((move) => move.offset), [1, 7]);
  assert.equal(source.reads, 2);
  writer.moves[1]!.commit();
  const all = (await Promise.all([first, ...others])).map(textsOf);
  assert.deepEqual(all, [["0"], ["1", "2"], ["3", "4", "5"], ["6"]]);
});

Deno.test("SharedCursor.take() says that it is exhausted where no more is committed", async () => {
  const { writer, cursor } = setUp(3);
  const taken = [cursor.take(2), cursor.take(2), cursor.take(2)];
  for (let i = 0; i < 2; i++) {
    await settle();
    writer.moves[i]?.commit();
  }
  const results = await Promise.all(taken);
  assert.deepEqual(results.map(textsOf), [["0", "1"], ["2"], []]);
  assert.deepEqual(results.map((result) => result.isExhausted), [false, true, true]);
  writer.committedOffset = 4;
  const later = cursor.take(1);
  await settle();
  writer.moves.at(-1)!.commit();
  assert.deepEqual(textsOf(await later), ["3"]);
});

Deno.test("SharedCursor.take() hands entries out again when their move failed", async () => {
  const { writer, cursor } = setUp(5);
  const failed = cursor.take(2);
  await settle();
  const behind = cursor.take(1); // its read overlaps the move that fails
  await settle();
  const outcomes = Promise.allSettled([failed, behind]);
  writer.moves[0]!.fail(new Error("disk full"));
  assert.deepEqual((await outcomes).map((outcome) => outcome.status), ["rejected", "rejected"]);
  const again = cursor.take(3);
  await settle();
  writer.moves.at(-1)!.commit();
  assert.deepEqual(textsOf(await again), ["0", "1", "2"]);
});

Deno.test("SharedCursor.take() skips nothing when a read fails", async () => {
  const { writer, source, cursor } = setUp(5);
  source.failure = new Error("holder is down");
  await assert.rejects(cursor.take(1), /holder is down/);
  assert.equal(writer.moves.length, 0);
  source.failure = null;
  const again = cursor.take(1);
  await settle();
  writer.moves[0]!.commit();
  assert.deepEqual(textsOf(await again), ["0"]);
});

Deno.test("SharedCursor.take() is refused once the segment is closed", async () => {
  const { writer, cursor } = setUp(5);
  writer.isClosed = true;
  await assert.rejects(cursor.take(1), SegmentClosedError);
});

Deno.test("SharedCursor.settled() waits until a move that was just committed counts", async () => {
  const { writer, cursor } = setUp(10);
  const taking = cursor.take(4);
  await settle();
  writer.moves[0]!.commit();
  await cursor.settled();
  assert.equal(cursor.committed, 4);
  await taking;
});

Deno.test("SharedCursor.take() goes on behind what was trimmed, and moves there durably", async () => {
  const { writer, cursor, trimmed } = setUp(9);
  trimmed.firstOffset = 7;
  const first = cursor.take(1);
  await settle();
  assert.equal(writer.moves[0]!.offset, 8);
  writer.moves[0]!.fail(new Error("no majority"));
  await assert.rejects(first, /no majority/);
  const again = cursor.take(1);
  await settle();
  writer.moves[1]!.commit();
  assert.deepEqual(textsOf(await again), ["7"]);
  assert.equal(cursor.committed, 8);
});

Deno.test("SharedCursor serves from what is left where entries are trimmed while it reads them", async () => {
  const { cursor, source, trimmed, writer } = setUp(9);
  source.failure = new Error("no replica is held here");
  const first = cursor.take(1);
  const second = cursor.take(2);
  trimmed.firstOffset = 4;
  source.failure = null;
  await settle();
  writer.moves.at(-1)?.commit();
  assert.deepEqual(textsOf(await first), ["4"]);
  await settle();
  writer.moves.at(-1)?.commit();
  assert.deepEqual(textsOf(await second), ["5", "6"]);
});
