import assert from "node:assert/strict";
import fc from "fast-check";
import { decodeCheckpoint, encodeCheckpoint, FORMAT_VERSION } from "./checkpoint.ts";
import { crc32cByTables as crc } from "./crc32c.ts";
import { ForeignDirectoryError } from "./errors.ts";
import { newLogImage, type StoreImage } from "./store_image.ts";

const NAME = "checkpoint-a";

function image(): StoreImage {
  const log = newLogImage(16, "a log", { ms: 20 });
  log.known = { position: 2 ** 40, offset: 7, payload: 9 };
  log.extents.push({
    fileNumber: 3,
    start: 4096,
    sizeBytes: 8192,
    run: 0xffffffff,
    generation: 2,
    first: { position: 1, offset: 0, payload: 3 },
    usedBytes: 100,
    lastControl: -1,
  });
  log.damage.push({
    fileNumber: 3,
    fileOffset: 4200,
    first: { position: 5, offset: 5, payload: 5 },
    next: { position: 8, offset: 6, payload: 5 },
  });
  return {
    sequence: 12,
    storeId: "id",
    salt: 1,
    run: 2,
    nextGeneration: 3,
    nextLogId: 17,
    isClean: true,
    bootId: "boot",
    durability: "each",
    logs: [log, newLogImage(17, "b", null)],
  };
}

Deno.test("decodeCheckpoint() reads back what encodeCheckpoint() wrote", () => {
  assert.deepEqual(decodeCheckpoint(encodeCheckpoint(image(), crc), { name: NAME, crc }), image());
});

Deno.test("decodeCheckpoint() takes no checkpoint with a flipped bit or a missing byte", () => {
  const bytes = encodeCheckpoint(image(), crc);
  for (let at = 0; at < bytes.length; at++) {
    bytes[at]! ^= 16;
    assert.equal(decodeCheckpoint(bytes, { name: NAME, crc }), null, `byte ${at}`);
    bytes[at]! ^= 16;
    assert.equal(decodeCheckpoint(bytes.subarray(0, at), { name: NAME, crc }), null, `cut ${at}`);
  }
});

Deno.test("decodeCheckpoint() refuses a newer format", () => {
  const bytes = encodeCheckpoint(image(), crc);
  const view = new DataView(bytes.buffer);
  view.setUint32(12, FORMAT_VERSION + 1, true);
  view.setUint32(8, crc(bytes, 12, bytes.length, 0), true);
  assert.throws(() => decodeCheckpoint(bytes, { name: NAME, crc }), ForeignDirectoryError);
});

Deno.test("decodeCheckpoint() eats arbitrary bytes behind a good checksum", () => {
  const head = encodeCheckpoint(image(), crc).subarray(0, 16);
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (body) => {
    const bytes = new Uint8Array([...head, ...body]);
    new DataView(bytes.buffer).setUint32(8, crc(bytes, 12, bytes.length, 0), true);
    decodeCheckpoint(bytes, { name: NAME, crc });
  }));
});
