import assert from "node:assert/strict";
import { RefusalCode } from "../network/mod.ts";
import { Refusals } from "./admission.ts";

const view = { others: [1, 2], hasHeardMajority: false, isServing: false, nowMs: 0 };
const refusalWith = (code: number) => ({ reason: "no", code });

Deno.test("Refusals.note() takes a removal for final, whoever says it", () => {
  const removed = refusalWith(RefusalCode.removed);
  assert.equal(new Refusals().note(2, removed, { ...view, hasHeardMajority: true }), "no");
});

Deno.test("Refusals.note() takes an older copy for final, whoever says it", () => {
  const older = refusalWith(RefusalCode.olderCopy);
  assert.equal(new Refusals().note(2, older, { ...view, isServing: true }), "no");
});

Deno.test("Refusals.note() takes another cluster for final when most of the others say so", () => {
  const refusals = new Refusals();
  const foreign = refusalWith(RefusalCode.otherCluster);
  assert.equal(refusals.note(1, foreign, view), null);
  assert.equal(refusals.note(1, foreign, view), null);
  assert.match(refusals.note(2, foreign, view)!, /right data directory/);
});

Deno.test("Refusals.note() stays where a majority was heard, and strangers took over ports", () => {
  const refusals = new Refusals();
  const foreign = refusalWith(RefusalCode.otherCluster);
  const member = { ...view, hasHeardMajority: true };
  for (const from of [1, 2]) assert.equal(refusals.note(from, foreign, member), null);
});

Deno.test("Refusals.note() takes the word of one other for final only when it lasts", () => {
  const refusals = new Refusals();
  const foreign = refusalWith(RefusalCode.otherCluster);
  const pair = { ...view, others: [1] };
  for (const nowMs of [100, 2000, 5099]) {
    assert.equal(refusals.note(1, foreign, { ...pair, nowMs }), null);
  }
  assert.match(refusals.note(1, foreign, { ...pair, nowMs: 5100 })!, /right data directory/);
});

Deno.test("Refusals.note() ends no node that serves because of another cluster", () => {
  const refusals = new Refusals();
  const foreign = refusalWith(RefusalCode.otherCluster);
  for (const from of [1, 2, 1]) {
    assert.equal(refusals.note(from, foreign, { ...view, isServing: true, nowMs: 60_000 }), null);
  }
});

Deno.test("Refusals.note() waits where the other side may be behind", () => {
  for (const code of [RefusalCode.otherDisk, RefusalCode.notNow, 99]) {
    assert.equal(new Refusals().note(1, refusalWith(code), view), null);
  }
});
