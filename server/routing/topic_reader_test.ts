import assert from "node:assert/strict";
import { batchOf, type Log } from "../../storage/mod.ts";
import { UnavailableError } from "../errors.ts";
import type { Segments } from "../segments/mod.ts";
import { writeReadReply } from "../messages.ts";
import type { SegmentInfo } from "../metadata/mod.ts";
import type { Routes } from "./routes.ts";
import { readReplica, readSealed } from "./topic_reader.ts";

/** A replica that has accepted one entry; what of it can be read the test says. */
function segmentsWith(written: () => boolean): Segments {
  const entry = { ...batchOf(new Uint8Array(3)), firstPosition: 0, firstOffset: 0 };
  const nothing = { ...entry, bytes: new Uint8Array(0), count: 0, entryCount: 0 };
  const log = {
    endOffset: 1,
    endPosition: 1,
    read: () => Promise.resolve(written() ? entry : nothing),
  } as unknown as Log;
  return { replica: () => log, emitterOf: () => undefined } as unknown as Segments;
}

Deno.test("readReplica() refuses what others have committed and this node has not written: another one is asked", async () => {
  let isWritten = false;
  const segments = segmentsWith(() => isWritten);
  const request = { topic: "t", segment: 1, offset: 0, count: 1, maxBytes: 100 };
  await assert.rejects(readReplica(segments, request), UnavailableError);
  isWritten = true;
  assert.equal((await readReplica(segments, request)).count, 1);
});

Deno.test("readSealed() asks the nodes first to which there is a connection", async () => {
  const asked: number[] = [];
  const peers = {
    isConnected: (node: number) => node === 4,
    call: (node: number) => {
      asked.push(node);
      if (node === 4 && asked.length === 1) return Promise.reject(new Error("it has none of it"));
      return Promise.resolve(writeReadReply({ ...batchOf(new Uint8Array(3)) }));
    },
  };
  const routes = { nodeId: 1, peers } as unknown as Routes;
  const segment = { number: 7, replicas: [2, 3, 4] } as unknown as SegmentInfo;
  const request = { topic: "t", segment: 7, offset: 0, count: 1, maxBytes: 100 };
  assert.equal((await readSealed(routes, segment, request)).count, 1);
  assert.deepEqual(asked, [4, 2]);
});
