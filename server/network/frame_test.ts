import { MalformedError } from "../../world/mod.ts";
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  encodeFrame,
  FRAME_HEADER_BYTES,
  FrameKind,
  FrameReader,
  MAX_BODY_BYTES,
} from "./frame.ts";

const small = { bufferBytes: 64, maxBodyBytes: 500 };

interface Frame {
  kind: FrameKind;
  method: number;
  callId: number;
  body: Uint8Array;
}

/** Feeds bytes in pieces of the given sizes, as reads bring them. */
function readAll(bytes: Uint8Array, pieces: number[], reader = new FrameReader(small)): Frame[] {
  const frames: Frame[] = [];
  let at = 0;
  for (let i = 0; at < bytes.length; i++) {
    const space = reader.space();
    assert.ok(space.length > 0, "there is always room to read into");
    const count = Math.min(space.length, pieces[i % pieces.length] ?? 1, bytes.length - at);
    space.set(bytes.subarray(at, at + count));
    at += count;
    reader.filled(count);
    while (reader.next()) {
      const { kind, method, callId } = reader;
      frames.push({ kind, method, callId, body: reader.body.slice() });
    }
  }
  return frames;
}

function concat(parts: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

Deno.test("FrameReader gives back the frames that were written, however the bytes are cut", () => {
  const frame = fc.record({
    kind: fc.integer({ min: 1, max: 9 }) as fc.Arbitrary<FrameKind>,
    method: fc.nat(255),
    callId: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    body: fc.uint8Array({ maxLength: small.maxBodyBytes }),
  }, { noNullPrototype: true });
  const pieces = fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1 });
  fc.assert(fc.property(fc.array(frame), pieces, (frames, sizes) => {
    const bytes = concat(frames.map(({ body, ...header }) => encodeFrame(header, body)));
    assert.deepEqual(readAll(bytes, sizes), frames);
  }));
});

Deno.test("FrameReader takes any bytes without another error or more memory than its bound", () => {
  const pieces = fc.array(fc.integer({ min: 1, max: 64 }), { minLength: 1 });
  const anyBytes = fc.oneof(
    fc.uint8Array({ maxLength: 2000 }),
    // Bytes that look like frames for longer.
    fc.array(fc.tuple(fc.nat(600), fc.nat(12), fc.uint8Array({ maxLength: 600 }))).map((parts) =>
      concat(parts.map(([length, kind, rest]) => {
        const bytes = new Uint8Array(5 + rest.length);
        new DataView(bytes.buffer).setUint32(0, length, true);
        bytes[4] = kind;
        bytes.set(rest, 5);
        return bytes;
      }))
    ),
  );
  fc.assert(fc.property(anyBytes, pieces, (bytes, sizes) => {
    const reader = new FrameReader(small);
    try {
      readAll(bytes, sizes, reader);
    } catch (error) {
      assert.ok(error instanceof MalformedError, String(error));
    }
    assert.ok(reader.capacityBytes <= small.maxBodyBytes + FRAME_HEADER_BYTES);
  }));
});

Deno.test("FrameReader refuses impossible lengths before it allocates them", () => {
  for (const length of [0, 7, 509, 2 ** 32 - 1]) {
    const reader = new FrameReader(small);
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, length, true);
    assert.throws(() => readAll(bytes, [4], reader), MalformedError);
    assert.equal(reader.capacityBytes, small.bufferBytes);
  }
  assert.throws(
    () =>
      readAll(encodeFrame({ kind: 10 as FrameKind, method: 0, callId: 0 }, new Uint8Array(0)), [
        99,
      ]),
    /kind 10/,
  );
});

Deno.test("FrameReader takes the largest frame, and gives its memory back after it", () => {
  const reader = new FrameReader({ bufferBytes: 4096, maxBodyBytes: MAX_BODY_BYTES });
  const body = new Uint8Array(MAX_BODY_BYTES).fill(7);
  const header = { kind: FrameKind.request, method: 1, callId: 2 };
  const frames = readAll(encodeFrame(header, body), [1_000_000], reader);
  assert.equal(frames.length, 1);
  assert.deepEqual(frames[0]!.body, body);
  reader.space();
  assert.ok(reader.capacityBytes <= 8 * 4096);
});

Deno.test("FrameReader.upgraded() keeps what came behind the handshake", () => {
  const hello = encodeFrame({ kind: FrameKind.hello, method: 0, callId: 0 }, Uint8Array.of(1));
  const request = encodeFrame({ kind: FrameKind.request, method: 3, callId: 9 }, Uint8Array.of(2));
  const reader = new FrameReader(small);
  const cutAt = hello.length + 5;
  readOne(reader, concat([hello, request]).subarray(0, cutAt));
  assert.ok(reader.next());
  const upgraded = reader.upgraded({ bufferBytes: 1000, maxBodyBytes: 5000 });
  readOne(upgraded, request.subarray(5));
  assert.ok(upgraded.next());
  assert.equal(upgraded.callId, 9);
});

function readOne(reader: FrameReader, bytes: Uint8Array): void {
  reader.space().set(bytes);
  reader.filled(bytes.length);
}
