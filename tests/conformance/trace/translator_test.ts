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
    "OpenWriter 1 0",
    "AppendEntry 1 1",
    "AppendEntry 1 2",
    "ReplicaAppend 2 1",
    "ReplicaAppend 2 2",
    "Sync 1 0",
    "Sync 2 0",
    "Commit 1 1",
    "Commit 1 2",
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
  assert.deepEqual(actionsOf(events).slice(6), [
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
    "Sync 3 0",
    "ProposeSeal 2 1",
    "CommitSeal 0 1",
    "Learn 2 0",
    "Learn 3 0",
    "Restart 1 0",
  ]);
});

Deno.test("translate() ends before what the specification has no words for, and says so", () => {
  const events = [...cluster(), ...put(0, [11]), on(2, "takeBack", { length: 1 }), ...put(1, [12])];
  const { steps, end } = translate(events, OPTIONS);
  assert.match(end!, /no words for it.*takeBack/);
  assert.equal(steps.filter(({ action }) => action === "Commit").length, 1);
});

Deno.test("moduleOf() and configurationOf() name every node, and each step once", () => {
  const trace = translate([...cluster(), ...put(0, [11])], OPTIONS);
  const text = moduleOf(trace);
  assert.equal(text.split("[a |->").length - 1, trace.steps.length);
  assert.match(text, /\[a \|-> "Commit", n \|-> n1, other \|-> 0, s \|-> 1, to \|-> 1/);
  assert.match(configurationOf(trace), /Nodes = \{n1, n2, n3\}/);
  assert.match(configurationOf(trace), /MaxSegments = 2\n/);
});
