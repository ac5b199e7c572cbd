import assert from "node:assert/strict";
import { batchOf, crc32cByTables, type Log, type ReadResult } from "../../storage/mod.ts";
import { digestOf } from "./digest.ts";

Deno.test("digestOf() ends with an error where the log is cut while it is read", async () => {
  // Seed 3035 of the cluster simulation: the log's end was taken, the tail cut, and every further read
  // brought nothing, for ever and without giving way to anything else.
  let reads = 0;
  const batch = batchOf(new Uint8Array([1]));
  const log = {
    name: "segment/t/1",
    startPosition: 0,
    endPosition: 2,
    endOffset: 2,
    read: (position: number): Promise<ReadResult> => {
      assert.ok(++reads < 10, "it goes round in circles");
      const run = position === 0 ? batch : { bytes: new Uint8Array(0), count: 0, entryCount: 0 };
      return Promise.resolve({
        ...run,
        firstPosition: position,
        firstOffset: position,
        goesOn: false,
      });
    },
  };
  await assert.rejects(digestOf(log as unknown as Log, crc32cByTables), /was cut at 1/);
});
