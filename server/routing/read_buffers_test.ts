import assert from "node:assert/strict";
import { ReadBuffers } from "./read_buffers.ts";

Deno.test("ReadBuffers lets so many read at once, and the others one after the other", async () => {
  const buffers = new ReadBuffers();
  for (let i = 0; i < 32; i++) assert.equal(buffers.begin(), undefined);
  const begun: number[] = [];
  const waiting = [1, 2].map((i) => buffers.begin()!.then(() => begun.push(i)));
  buffers.end();
  await waiting[0];
  assert.deepEqual(begun, [1]);
  buffers.end();
  await waiting[1];
  assert.deepEqual(begun, [1, 2]);
  for (let i = 0; i < 32; i++) buffers.end();
  assert.equal(buffers.begin(), undefined);
});
