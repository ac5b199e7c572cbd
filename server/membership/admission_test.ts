import assert from "node:assert/strict";
import { type Hello, RefusalCode } from "../network/mod.ts";
import type { NodeInfo } from "../metadata/mod.ts";
import { admit, Refusals } from "./admission.ts";

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

const CLUSTER = "11111111-2222-4333-8444-555555555555";
const runOf = (n: number) => `0000000${n}-7654-8210-9edc-ba9876543210`;
const registered: NodeInfo = {
  id: 2,
  incarnation: "01234567-89ab-4def-8123-456789abcdef",
  raftHost: "n2",
  raftPort: 6002,
  clientHost: "n2",
  clientPort: 8082,
  run: runOf(1),
};

/** What node 1 says to a start of node 2's directory that comes after the registered one, or to that one itself. */
function admitRun(run: string, isConnected: boolean) {
  const hello: Hello = {
    version: 3,
    purpose: "stream",
    nodeId: 2,
    clusterId: CLUSTER,
    incarnation: registered.incarnation,
    runId: run,
    raftAddress: { host: "n2", port: 7002 },
    clientAddress: { host: "n2", port: 9082 },
    formerRuns: { confirmed: runOf(1), pending: [] },
  };
  return admit(
    {
      nodeId: 1,
      clusterId: CLUSTER,
      knownNode: () => registered,
      isRemoved: () => false,
      isConnected: ({ run }) => isConnected && run === registered.run,
    },
    hello,
    "incoming",
  );
}

Deno.test("admit() has a second process of a node wait while the registered one is connected", () => {
  const admission = admitRun(runOf(2), true);
  assert.ok("refuse" in admission);
  assert.equal(admission.code, RefusalCode.runsAlready);
  assert.match(admission.refuse, /disk of node 2 is running, at n2:6002/);
});

Deno.test("admit() lets a restarted node in, and the registered run again", () => {
  assert.deepEqual(admitRun(runOf(2), false), { ok: true });
  assert.deepEqual(admitRun(runOf(1), true), { ok: true });
});

Deno.test("Refusals.note() ends a process whose node runs already only when that lasts", () => {
  const refusals = new Refusals();
  const running = refusalWith(RefusalCode.runsAlready);
  for (const nowMs of [100, 2000, 4000, 6099]) {
    assert.equal(refusals.note(1, running, { ...view, nowMs }), null);
  }
  assert.equal(refusals.note(1, running, { ...view, nowMs: 6100 }), "no");
  // Long ago it was another one.
  assert.equal(refusals.note(1, running, { ...view, nowMs: 60_000 }), null);
});
