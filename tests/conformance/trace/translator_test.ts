import assert from "node:assert/strict";
import {
  begin,
  cluster,
  commandAt,
  decide,
  died,
  fence,
  learn,
  on,
  propose,
  put,
  registration,
  restarted,
  rollover,
  sealing,
} from "../scenes.ts";
import { configurationOf, moduleOf } from "./trace_module.ts";
import { translate } from "./translator.ts";

const OPTIONS = { topic: "t", stepsMax: 1000 };

function actionsOf(events: Parameters<typeof translate>[0]): string[] {
  const { steps, end } = translate(events, OPTIONS);
  assert.equal(end, null);
  return steps.map(({ action, node, to }) => `${action} ${node} ${to}`);
}

Deno.test("translate() makes a batch as many steps, and a rollover what the specification makes of it", () => {
  assert.deepEqual(actionsOf([...cluster(), ...put(0, [11, 12], [2]), ...rollover(2)]), [
    "RefreshLease 1 0",
    "OpenWriter 1 0",
    "AppendEntry 1 1",
    "AppendEntry 1 2",
    "ReplicaAppend 2 1",
    "ReplicaAppend 2 2",
    "Acknowledge 1 2",
    "Acknowledge 2 2",
    "Commit 1 1",
    "Commit 1 2",
    "Close 1 0",
    "TakeCount 1 2",
    "CommitSeal 0 2",
    "Learn 1 0",
    "Learn 2 0",
    "Learn 3 0",
  ]);
});

Deno.test("translate() has a failover hear the answers that it decides with, and a restart know all metadata", () => {
  const events = [
    ...cluster(),
    ...put(0, [11], [2]),
    died(1),
    ...begin(),
    ...fence(2, 1),
    ...fence(3, 0),
    decide([2, 1], [3, 0]),
    on(3, "copy", { position: 0, records: [11], from: 2 }),
    on(3, "sync", { length: 1 }),
    propose(1),
    ...learn(6, sealing({ run: null, count: 1 }), { nodes: [2, 3] }),
    ...restarted(1, 1),
    ...[1, 2, 3, 4].flatMap((index) => learn(index, commandAt(index), { nodes: [1] })),
    ...learn(7, registration(1, "run 1 again")),
  ];
  assert.deepEqual(actionsOf(events).slice(7), [
    "Crash 1 0",
    "StartRecovery 2 0",
    "CommitBegin 0 0",
    "Learn 2 0",
    "Learn 3 0",
    "Fence 2 0",
    "AnswerFence 2 1",
    "Fence 3 0",
    "AnswerFence 2 0",
    "Decide 2 1",
    "CopyTail 2 1",
    "Sync 3 1",
    "ProposeSeal 2 1",
    "CommitSeal 0 1",
    "Learn 2 0",
    "Learn 3 0",
    "Restart 1 3",
  ]);
});

Deno.test("translate() has a process that knows less learn metadata again, where the specification can say so", () => {
  const events = [
    ...cluster(),
    ...put(0, [11], [2]),
    ...rollover(1),
    died(3),
    ...restarted(3, 0),
    ...learn(5, sealing({ run: "run 1", count: 1 }), { nodes: [3] }),
  ];
  const last = (restartsKnowLess: boolean) =>
    translate(events, { ...OPTIONS, restartsKnowLess }).steps.slice(-2)
      .map(({ action, node, to }) => `${action} ${node} ${to}`);
  assert.deepEqual(last(true), ["Restart 3 1", "Learn 3 0"]);
  assert.deepEqual(last(false), ["Crash 3 0", "Restart 3 2"]);
});

Deno.test("translate() names the entries that a read brought, and 0 for one that was never written", () => {
  const read = (records: number[]) => on(2, "read", { offset: 1, known: 3, records });
  const before = [...cluster(), ...put(0, [11]), ...put(1, [-2]), ...put(2, [12, 13])];
  const listOf = (records: number[]) =>
    translate([...before, read(records)], OPTIONS).steps.at(-1)!;
  assert.deepEqual(listOf([12, 13]).list, [2, 3]);
  assert.equal(listOf([12, 13]).to, 3);
  assert.deepEqual(listOf([12, 14]).list, [2, 0]);
});

Deno.test("translate() takes back what a full disk refuses, and leaves out what repair does behind a seal", () => {
  const events = [
    ...cluster(),
    ...put(0, [11], [2]),
    on(3, "replicaAppend", { position: 0, records: [11] }),
    on(3, "takeBack", { length: 0 }),
    ...rollover(1),
    ...learn(6, { kind: "dropReplica", topic: "t", segment: 1, node: 2, expectedChanges: null }),
    on(2, "delete"),
    on(2, "deleted"),
    on(2, "copy", { position: 0, records: [11], from: 1 }),
    on(2, "sync", { length: 1 }),
  ];
  const steps = actionsOf(events);
  assert.ok(steps.includes("TakeBack 3 0"), steps.join());
  assert.equal(steps.at(-1), "Learn 3 0");
});

Deno.test("translate() ends before what the specification has no words for, and says so", () => {
  const deletion = { kind: "deleteTopic", topic: "t", bornSegment: 1 } as const;
  const events = [...cluster(), ...put(0, [11]), ...learn(5, deletion), ...put(1, [12])];
  const { steps, end } = translate(events, OPTIONS);
  assert.match(end!, /the topic is deleted: .*deleteTopic/);
  assert.equal(steps.filter(({ action }) => action === "Commit").length, 1);
});

Deno.test("moduleOf() and configurationOf() name every node, and each step once", () => {
  const trace = translate([...cluster(), ...put(0, [11])], OPTIONS);
  const spec = "\n  TakeAtOnce, \\* so many\nhistoryVars == <<acked, taking,\n  crashes, wipes>>\n";
  const text = moduleOf(trace, spec);
  assert.equal(text.split("[a |->").length - 1, trace.steps.length);
  assert.match(text, /\[a \|-> "Commit", n \|-> n1, other \|-> 0, s \|-> 1, to \|-> 1/);
  assert.match(text, /streamed, acked, taking, wipes>>/);
  const configuration = configurationOf(trace, spec);
  assert.match(configuration, /Nodes = \{n1, n2, n3\}/);
  assert.match(configuration, /MaxSegments = 2\n/);
  assert.match(configuration, /TakeAtOnce = \d+\n {2}MaxCrashes/);
});
