import assert from "node:assert/strict";
import fc from "fast-check";
import { crc32cByTables } from "./crc32c.ts";
import { FRAME_HEADER_BYTES, frameBytes, newFrameHeader, sealFrame } from "./frame.ts";
import { FrameScanner } from "./frame_scan.ts";

const KEY = { crc: crc32cByTables, salt: 0x5a17 };
const OWNER = { logId: 20, run: 0xfeedface, generation: 7 };

/** A frame with one record of `payload`. */
function frameOf(payload: Uint8Array, position: number, lag = 0): Uint8Array {
  const bodyBytes = payload.length + 4;
  const bytes = new Uint8Array(frameBytes(bodyBytes));
  const view = new DataView(bytes.buffer);
  view.setUint32(FRAME_HEADER_BYTES, payload.length, true);
  bytes.set(payload, FRAME_HEADER_BYTES + 4);
  const header = {
    ...newFrameHeader(),
    ...OWNER,
    bodyBytes,
    count: 1,
    entryCount: 1,
    lag,
    firstPosition: position,
    firstOffset: position,
  };
  sealFrame({ bytes, view }, 0, { header, key: KEY });
  return bytes;
}

function concat(...parts: Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

Deno.test("FrameScanner reads back what sealFrame wrote", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(2 ** 40), (payload, position) => {
    const bytes = frameOf(payload, position);
    const scanner = new FrameScanner(bytes, OWNER, KEY);
    assert.equal(scanner.judge(0, bytes.length), "frame");
    assert.equal(scanner.header.firstPosition, position);
    assert.equal(scanner.header.bodyBytes, payload.length + 4);
    assert(scanner.bodyIsWhole(0));
    assert.equal(scanner.endOf(0), bytes.length);
  }));
});

Deno.test("FrameScanner finds every flipped bit", () => {
  const bytes = frameOf(new TextEncoder().encode("every bit of it"), 3);
  const checked = FRAME_HEADER_BYTES + 4 + 15;
  for (let bit = 0; bit < checked * 8; bit++) {
    bytes[bit >> 3]! ^= 1 << (bit & 7);
    const verdict = new FrameScanner(bytes, OWNER, KEY).judge(0, bytes.length);
    assert.notEqual(verdict, "frame", `bit ${bit}`);
    bytes[bit >> 3]! ^= 1 << (bit & 7);
  }
});

Deno.test("FrameScanner eats arbitrary bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), fc.nat(500), fc.nat(100), (bytes, rest, at) => {
      const scanner = new FrameScanner(bytes, OWNER, KEY);
      assert.notEqual(scanner.judge(Math.min(at, bytes.length), rest), "frame");
      assert.equal(scanner.findBehind(0, -1), -1);
    }),
    { numRuns: 3000 },
  );
});

Deno.test("FrameScanner eats arbitrary headers of its own extent", () => {
  const words = fc.array(fc.nat(0xffffffff), { minLength: 12, maxLength: 12 });
  fc.assert(
    fc.property(words, fc.uint8Array({ maxLength: 100 }), (fields, behind) => {
      const bytes = concat(new Uint8Array(48), behind);
      const view = new DataView(bytes.buffer);
      fields.forEach((word, index) => view.setUint32(index * 4, word, true));
      view.setUint32(8, OWNER.logId, true);
      view.setUint32(12, OWNER.run, true);
      view.setUint32(16, OWNER.generation, true);
      const scanner = new FrameScanner(bytes, OWNER, KEY);
      assert.notEqual(scanner.judge(0, bytes.length + 10), "frame");
    }),
    { numRuns: 3000 },
  );
});

Deno.test("FrameScanner takes no frame of another log, run or generation", () => {
  const bytes = frameOf(new Uint8Array(10), 0);
  for (const other of [{ logId: 21 }, { run: 1 }, { generation: 6 }]) {
    const scanner = new FrameScanner(bytes, { ...OWNER, ...other }, KEY);
    assert.equal(scanner.judge(0, bytes.length), "bad");
  }
});

Deno.test("FrameScanner.findBehind() passes over what only looks like a frame", () => {
  // A payload that holds a whole frame of this log, made by somebody who does not know the salt.
  const forged = frameOf(new Uint8Array(5), 9);
  new DataView(forged.buffer).setUint32(
    0,
    crc32cByTables(forged, 4, FRAME_HEADER_BYTES + 9, 0),
    true,
  );
  const bytes = concat(new Uint8Array(64).fill(7), forged, frameOf(new Uint8Array(20), 5));
  const scanner = new FrameScanner(bytes, OWNER, KEY);
  assert.equal(scanner.findBehind(0, 4), 64 + forged.length);
  assert.equal(scanner.header.firstPosition, 5);
});
