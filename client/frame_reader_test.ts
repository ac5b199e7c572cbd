import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { FrameReader } from "./frame_reader.ts";
import { FrameWriter } from "./frame_writer.ts";

function framed(contents: Uint8Array[]): Uint8Array {
  const writer = new FrameWriter();
  for (const content of contents) writer.addFrame(content);
  return writer.bytes.slice();
}

function header(length: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, length, true);
  return bytes;
}

/** Feeds `chunk` the way a socket does: as much as each space takes, frames read out in between. */
function feed(
  reader: FrameReader,
  chunk: Uint8Array,
  onFrame: (content: Uint8Array) => void,
): void {
  for (let at = 0; at < chunk.length;) {
    const space = reader.space();
    ok(space.length > 0, "there is always space for a read");
    const part = chunk.subarray(at, at + space.length);
    space.set(part);
    reader.filled(part.length);
    at += part.length;
    while (reader.next() === "frame") onFrame(reader.bytes.slice(reader.start, reader.end));
  }
}

Deno.test("FrameReader gives back any frames, however the stream is cut", () => {
  fc.assert(fc.property(
    fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 20 }),
    fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 50 }),
    (contents, cuts) => {
      const stream = framed(contents);
      const reader = new FrameReader();
      const got: Uint8Array[] = [];
      for (let at = 0, i = 0; at < stream.length; i++) {
        const cut = cuts[i % cuts.length]!;
        feed(reader, stream.subarray(at, at + cut), (content) => got.push(content));
        at += cut;
      }
      deepStrictEqual(got, contents);
      strictEqual(reader.isMidFrame, false);
    },
  ));
});

Deno.test("FrameReader gives back frames cut at every single byte", () => {
  const contents = [new Uint8Array(0), new Uint8Array([1]), new Uint8Array([2, 3, 4])];
  const stream = framed(contents);
  for (let cut = 0; cut <= stream.length; cut++) {
    const reader = new FrameReader();
    const got: Uint8Array[] = [];
    feed(reader, stream.subarray(0, cut), (content) => got.push(content));
    feed(reader, stream.subarray(cut), (content) => got.push(content));
    deepStrictEqual(got, contents);
  }
});

Deno.test("FrameReader gives back frames longer than its buffers, also pushed", () => {
  const contents = [100_000, 3, 300_000, 0, 70_000].map((length, i) =>
    new Uint8Array(length).fill(i + 1)
  );
  const stream = framed(contents);
  const got: Uint8Array[] = [];
  feed(new FrameReader(), stream, (content) => got.push(content));
  deepStrictEqual(got, contents);

  const pushed: Uint8Array[] = [];
  const reader = new FrameReader();
  for (let at = 0; at < stream.length; at += 40_000) {
    reader.push(stream.subarray(at, at + 40_000));
    while (reader.next() === "frame") pushed.push(reader.bytes.slice(reader.start, reader.end));
  }
  deepStrictEqual(pushed, contents);
});

Deno.test("FrameReader takes the longest frame and refuses one byte more", () => {
  const reader = new FrameReader({ maxFrameBytes: 10 });
  reader.push(framed([new Uint8Array(10)]));
  strictEqual(reader.next(), "frame");
  strictEqual(reader.end - reader.start, 10);
  reader.push(header(11));
  strictEqual(reader.next(), "impossible");
  strictEqual(reader.announcedBytes, 11);
});

Deno.test("FrameReader reads lengths as unsigned", () => {
  const reader = new FrameReader();
  reader.push(header(0xffffffff));
  strictEqual(reader.next(), "impossible");
  strictEqual(reader.announcedBytes, 0xffffffff);
});

Deno.test("FrameReader does not allocate what is only announced", () => {
  const reader = new FrameReader();
  reader.push(header(16 * 1024 * 1024));
  strictEqual(reader.next(), "more");
  strictEqual(reader.isMidFrame, true);
  reader.push(new Uint8Array(10_000));
  strictEqual(reader.next(), "more");
  ok(reader.bytes.length < 64 * 1024, `${reader.bytes.length} bytes are held for 10,004 that came`);
});

Deno.test("FrameReader gives a large buffer back once it is empty", () => {
  const reader = new FrameReader();
  reader.push(framed([new Uint8Array(2_000_000)]));
  strictEqual(reader.next(), "frame");
  reader.space();
  ok(reader.bytes.length <= 4096);
});

Deno.test("FrameReader grows by what has arrived when a long frame is announced, and keeps what it may", () => {
  const frame = framed([new Uint8Array(72_600)]);
  const reader = new FrameReader({ retainBytes: 256 * 1024 });
  const reads: number[] = [];
  for (let round = 0; round < 3; round++) {
    let count = 0;
    for (let at = 0; at < frame.length; count++) {
      const space = reader.space();
      const part = frame.subarray(at, at + space.length);
      space.set(part);
      reader.filled(part.length);
      at += part.length;
    }
    strictEqual(reader.next(), "frame");
    reads.push(count);
  }
  // 4 KiB, 32 KiB, and the rest; then all at once.
  deepStrictEqual(reads, [3, 1, 1]);
});
