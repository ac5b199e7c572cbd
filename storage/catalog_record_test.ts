import { ByteWriter, MalformedError } from "../world/mod.ts";
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type CatalogRecord,
  CatalogReplay,
  decodeCatalogRecord,
  encodeCatalogRecord,
  EXTENT_RECORD_BYTES,
} from "./catalog_record.ts";
import type { StoreImage } from "./store_image.ts";

const POINT = { position: 2 ** 33, offset: 5, payload: 6 };
const RECORDS: CatalogRecord[] = [
  { kind: "created", logId: 16, name: "größer", durability: null },
  { kind: "created", logId: 17, name: "b", durability: { ms: 7 } },
  { kind: "deleted", logId: 16 },
  {
    kind: "extent",
    logId: 18,
    fileNumber: 2,
    start: 4096,
    sizeBytes: 2 ** 33,
    generation: 9,
    first: POINT,
    previousBytes: 4096,
    previousUsedBytes: 50,
    previousLastControl: -1,
  },
  {
    kind: "tailCut",
    logId: 18,
    end: POINT,
    extents: 2,
    sizeBytes: 8,
    usedBytes: 8,
    lastControl: 0,
  },
  { kind: "headTrimmed", logId: 18, start: POINT, extents: 1 },
];

Deno.test("Catalog records read back as they were written", () => {
  for (const record of RECORDS) {
    const out = new ByteWriter(1);
    encodeCatalogRecord(out, record);
    assert.deepEqual(decodeCatalogRecord(out.view), record);
    if (record.kind === "extent") assert.equal(out.lengthBytes, EXTENT_RECORD_BYTES);
  }
});

Deno.test("decodeCatalogRecord() refuses what it can't understand, and nothing else happens", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 120 }), fc.nat(8), (bytes, kind) => {
    if (bytes.length > 0) bytes[0] = kind;
    try {
      decodeCatalogRecord(bytes);
    } catch (error) {
      assert(error instanceof MalformedError, String(error));
    }
  }));
});

Deno.test("CatalogReplay passes over records of a log that was deleted, and refuses those of none", () => {
  const image: StoreImage = {
    sequence: 1,
    storeId: "",
    salt: 0,
    run: 1,
    nextGeneration: 1,
    nextLogId: 21,
    isClean: false,
    bootId: "",
    durability: "each",
    logs: [],
  };
  const replay = new CatalogReplay(image);
  replay.apply({ kind: "headTrimmed", logId: 20, start: POINT, extents: 1 }, 1);
  replay.apply({ kind: "deleted", logId: 20 }, 1);
  assert.throws(
    () => replay.apply({ kind: "headTrimmed", logId: 21, start: POINT, extents: 1 }, 1),
    MalformedError,
  );
  replay.apply({ kind: "created", logId: 21, name: "new", durability: null }, 1);
  replay.apply({ kind: "headTrimmed", logId: 21, start: POINT, extents: 0 }, 1);
  replay.apply({ kind: "headTrimmed", logId: 21, start: POINT, extents: 5 }, 1); // twice is once
  assert.deepEqual(replay.finish().logs[0]!.start, POINT);
});
