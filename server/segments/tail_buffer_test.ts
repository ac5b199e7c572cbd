import assert from "node:assert/strict";
import fc from "fast-check";
import { RecordBatchBuilder, RecordReader } from "../../storage/mod.ts";
import { TailBuffer } from "./tail_buffer.ts";

function batchOfTexts(texts: string[]) {
  const builder = new RecordBatchBuilder();
  for (const text of texts) builder.add(new TextEncoder().encode(text));
  return builder.copy();
}

function textsOf(bytes: Uint8Array): string[] {
  const reader = new RecordReader(bytes);
  const texts: string[] = [];
  while (reader.next()) texts.push(new TextDecoder().decode(reader.payload()));
  return texts;
}

Deno.test("TailBuffer.from() gives whole batches from where one begins", () => {
  const tail = new TailBuffer(7, { capacityBytes: 1000 });
  tail.append(7, batchOfTexts(["a", "b"]));
  tail.append(9, batchOfTexts(["c"]));
  assert.deepEqual(textsOf(tail.from(7, 1000)!.bytes), ["a", "b", "c"]);
  assert.deepEqual(textsOf(tail.from(7, 1)!.bytes), ["a", "b"]);
  assert.deepEqual(tail.from(9, 1000)!.count, 1);
  assert.equal(tail.from(8, 1000), null);
  assert.equal(tail.from(10, 1000), null);
});

Deno.test("TailBuffer keeps the newest batches, whatever their sizes, and what it gives is right", () => {
  const sizes = fc.array(fc.array(fc.nat(40), { minLength: 1, maxLength: 4 }), { minLength: 1 });
  fc.assert(fc.property(sizes, (batches) => {
    const tail = new TailBuffer(0, { capacityBytes: 100 });
    const all: string[] = [];
    const starts = new Set<number>();
    for (const batch of batches) {
      const texts = batch.map((size, i) => `${all.length + i}:`.padEnd(size, "x"));
      starts.add(all.length);
      tail.append(all.length, batchOfTexts(texts));
      all.push(...texts);
      assert.equal(tail.endPosition, all.length);
      for (let position = 0; position <= all.length; position++) {
        const run = tail.from(position, 1000);
        if (run === null) continue;
        assert.ok(starts.has(position));
        assert.deepEqual(textsOf(run.bytes), all.slice(position));
        assert.equal(run.count, all.length - position);
      }
      const lastStart = all.length - batch.length;
      const isKept = batchOfTexts(texts).bytes.length <= 100;
      assert.equal(tail.from(lastStart, 1000) !== null, isKept);
    }
  }));
});

Deno.test("TailBuffer.trim() lets go of what is before a position, and nothing else", () => {
  const tail = new TailBuffer(0, { capacityBytes: 1 << 20 });
  const text = "x".repeat(3000);
  for (let position = 0; position < 20; position++) tail.append(position, batchOfTexts([text]));
  tail.trim(7);
  assert.equal(tail.from(6, 1 << 20), null);
  assert.equal(tail.from(7, 1 << 20)!.count, 13);
  tail.trim(20);
  assert.equal(tail.from(19, 1 << 20), null);
  tail.append(20, batchOfTexts(["y"]));
  assert.deepEqual(textsOf(tail.from(20, 1 << 20)!.bytes), ["y"]);
});
