import assert from "node:assert/strict";
import fc from "fast-check";
import { CommitTracker, majorityOf } from "./commit_tracker.ts";

Deno.test("majorityOf() is more than half", () => {
  assert.deepEqual([1, 2, 3, 4, 5].map(majorityOf), [1, 2, 2, 3, 3]);
});

Deno.test("CommitTracker commits what a majority has, at the ends of batches", () => {
  const tracker = new CommitTracker([1, 2, 3], { position: 0, offset: 0 });
  tracker.appended(4, 3);
  tracker.appended(9, 8);
  tracker.acknowledge(1, 9);
  assert.equal(tracker.position, 0);
  tracker.acknowledge(2, 4);
  assert.deepEqual([tracker.position, tracker.offset], [4, 3]);
  tracker.acknowledge(3, 7);
  assert.deepEqual([tracker.position, tracker.offset], [4, 3]);
  tracker.acknowledge(3, 9);
  assert.deepEqual([tracker.position, tracker.offset], [9, 8]);
});

Deno.test("CommitTracker.reached() resolves in order, as soon as it is so", async () => {
  const tracker = new CommitTracker([1, 2, 3], { position: 0, offset: 0 });
  const seen: number[] = [];
  tracker.appended(1, 1);
  tracker.appended(2, 2);
  for (const position of [1, 2]) tracker.reached(position, 1).then(() => seen.push(position));
  tracker.acknowledge(1, 2);
  await Promise.resolve();
  assert.deepEqual(seen, []);
  tracker.acknowledge(2, 2);
  await Promise.resolve();
  assert.deepEqual(seen, [1, 2]);
});

Deno.test("CommitTracker.expire() rejects who has waited long enough, and commits go on", async () => {
  const tracker = new CommitTracker([1, 2, 3], { position: 0, offset: 0 });
  tracker.appended(1, 1);
  tracker.appended(2, 2);
  const early = tracker.reached(1, 100);
  const late = tracker.reached(2, 200);
  tracker.expire(150, () => new Error("late"));
  await assert.rejects(early, /late/);
  tracker.acknowledge(1, 2);
  tracker.acknowledge(2, 2);
  await late;
  assert.equal(tracker.offset, 2);
});

Deno.test("CommitTracker.fail() ends it: nothing more is committed", async () => {
  const tracker = new CommitTracker([1, 2, 3], { position: 0, offset: 0 });
  tracker.appended(1, 1);
  const waiting = tracker.reached(1, 100);
  tracker.fail(new Error("fenced"));
  await assert.rejects(waiting, /fenced/);
  tracker.acknowledge(1, 1);
  tracker.acknowledge(2, 1);
  assert.equal(tracker.position, 0);
  await assert.rejects(tracker.reached(1, 100), /fenced/);
});

Deno.test("CommitTracker agrees with a count over all replicas", () => {
  const replicas = fc.integer({ min: 1, max: 5 });
  const step = fc.record({ replica: fc.nat(4), position: fc.integer({ min: 0, max: 20 }) });
  fc.assert(fc.property(replicas, fc.array(step), (size, steps) => {
    const ids = Array.from({ length: size }, (_, i) => i);
    const tracker = new CommitTracker(ids, { position: 0, offset: 0 });
    for (let position = 1; position <= 20; position++) tracker.appended(position, position);
    const durable = ids.map(() => 0);
    for (const { replica, position } of steps) {
      const id = replica % size;
      durable[id] = Math.max(durable[id]!, position);
      tracker.acknowledge(id, position);
      let expected = 0;
      while (durable.filter((length) => length > expected).length >= majorityOf(size)) expected++;
      assert.equal(tracker.position, expected);
    }
  }));
});
