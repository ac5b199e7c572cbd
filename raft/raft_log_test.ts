import assert from "node:assert/strict";
import fc from "fast-check";
import type { Entry } from "./messages.ts";
import { entryBytes, RaftLog } from "./raft_log.ts";

const entry = (index: number, term: number, size = 0): Entry => ({
  index,
  term,
  kind: "command",
  data: new Uint8Array(size),
});

function logOf(terms: readonly number[], committed = 0): RaftLog {
  return new RaftLog({ index: 0, term: 0 }, {
    entries: terms.map((term, i) => entry(i + 1, term)),
    committed,
    applied: 0,
  });
}

Deno.test("RaftLog.lastNotAbove() passes whole terms, for any two logs", () => {
  const terms = fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 12 })
    .map((list) => list.sort());
  fc.assert(fc.property(terms, terms, (leaderTerms, followerTerms) => {
    const leader = logOf(leaderTerms);
    const follower = logOf(followerTerms);
    // The dialogue of replication.ts until the logs agree: it ends, and at an index where they do.
    let index = leader.lastIndex;
    let rounds = 0;
    while (follower.termAt(index) !== leader.termAt(index)) {
      const hint = follower.lastNotAbove(index, leader.termAt(index)!);
      index = Math.min(index - 1, leader.lastNotAbove(hint.index, hint.term).index);
      rounds++;
    }
    const distinct = new Set([...leaderTerms, ...followerTerms]).size;
    assert.ok(rounds <= distinct, `${rounds} rounds for ${distinct} terms`);
  }));
});

Deno.test("RaftLog.stableTo() takes only a place that is still part of the log", () => {
  const log = logOf([1], 1);
  log.append([entry(2, 1), entry(3, 1)]);
  log.handOut();
  log.truncateFrom(2);
  log.append([entry(2, 2)]);
  log.stableTo({ index: 2, term: 1 });
  assert.equal(log.stable, 1);
  log.stableTo({ index: 2, term: 2 });
  assert.equal(log.stable, 2);
});

Deno.test("RaftLog.handOut() gives each entry once, and again what was replaced", () => {
  const log = logOf([1], 1);
  log.append([entry(2, 1), entry(3, 1)]);
  assert.deepEqual(log.handOut().map(({ index }) => index), [2, 3]);
  assert.deepEqual(log.handOut(), []);
  log.truncateFrom(3);
  log.append([entry(3, 2), entry(4, 2)]);
  assert.deepEqual(log.handOut().map(({ index }) => index), [3, 4]);
});

Deno.test("RaftLog.slice() is bounded by bytes, and gives one entry at least", () => {
  const log = logOf([]);
  log.append([entry(1, 1, 100), entry(2, 1, 100), entry(3, 1, 100)]);
  const size = entryBytes(entry(1, 1, 100));
  assert.equal(log.slice(1, 1).length, 1);
  assert.equal(log.slice(1, 2 * size).length, 2);
  assert.equal(log.slice(2, Infinity).length, 2);
});

Deno.test("RaftLog.takeCommitted() gives each committed entry once, in bounded pieces", () => {
  const log = logOf([1, 1, 1, 1, 1]);
  log.commitTo(4);
  assert.deepEqual(log.takeCommitted(3).map(({ index }) => index), [1, 2, 3]);
  assert.deepEqual(log.takeCommitted(3).map(({ index }) => index), [4]);
  assert.deepEqual(log.takeCommitted(3), []);
});

Deno.test("RaftLog.compactTo() forgets entries, and keeps the place of the last one", () => {
  const log = logOf([1, 2, 2, 3], 3);
  log.takeCommitted(10);
  assert.equal(log.retentionIndex(3, { entries: 1, bytes: Infinity }), 2);
  assert.equal(log.retentionIndex(3, { entries: 10, bytes: entryBytes(entry(1, 1)) }), 2);
  log.compactTo(2);
  assert.deepEqual([log.baseIndex, log.termAt(2), log.termAt(1), log.lastIndex], [
    2,
    2,
    undefined,
    4,
  ]);
  assert.equal(log.retentionIndex(3, { entries: 10, bytes: Infinity }), 2);
});

Deno.test("RaftLog refuses what would break Raft", () => {
  const log = logOf([1, 2], 1);
  assert.throws(() => log.append([entry(5, 2)]), /follows/);
  assert.throws(() => log.append([entry(3, 1)]), /terms never go down/);
  assert.throws(() => log.truncateFrom(1), /not committed/);
  assert.throws(() => log.commitTo(9), /is in the log/);
  assert.throws(() => log.compactTo(1), /applied/);
});
