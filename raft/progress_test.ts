import assert from "node:assert/strict";
import { DEFAULT_LIMITS } from "./limits.ts";
import { InflightWindow, Progress } from "./progress.ts";

const limits = { ...DEFAULT_LIMITS, inflightMessages: 3, inflightBytes: 100 };

Deno.test("InflightWindow is full by messages or by bytes, and freed by what arrived", () => {
  const window = new InflightWindow(limits);
  window.add(1, 10);
  window.add(3, 10);
  assert.ok(!window.full);
  window.add(4, 10);
  assert.ok(window.full);
  window.freeTo(2);
  assert.deepEqual([window.count, window.bytes], [2, 20]);
  window.add(9, 90);
  assert.ok(window.full);
  window.freeOldest();
  window.freeTo(4);
  assert.deepEqual([window.count, window.bytes, window.full], [1, 90, false]);
  window.clear();
  window.freeOldest();
  assert.deepEqual([window.count, window.bytes], [0, 0]);
});

Deno.test("Progress: probing pauses after one message, replicating with a full window", () => {
  const progress = new Progress({ next: 5, match: 0, limits });
  assert.ok(!progress.paused);
  progress.probeSent = true;
  assert.ok(progress.paused);
  assert.ok(progress.maybeMatch(7));
  assert.ok(!progress.maybeMatch(6));
  progress.becomeReplicate();
  assert.deepEqual([progress.next, progress.paused], [8, false]);
  for (let i = 0; i < 3; i++) progress.inflight.add(8 + i, 1);
  assert.ok(progress.paused);
  // Never back behind what is known to be there.
  progress.becomeProbe(2);
  assert.deepEqual([progress.next, progress.paused, progress.inflight.count], [8, false, 0]);
});
