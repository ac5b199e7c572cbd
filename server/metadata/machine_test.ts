import assert from "node:assert/strict";
import { type Command, encodeCommand, KEEP_ALL } from "./mod.ts";
import { MetadataMachine } from "./machine.ts";

const CREATE: Command = {
  kind: "createTopic",
  topic: "t",
  replicationFactor: 1,
  durability: null,
  leader: 1,
  replicas: [1],
  firstSegment: 1,
  retention: KEEP_ALL,
};
const SEAL: Command = {
  kind: "sealSegment",
  topic: "t",
  segment: 1,
  expectedRun: "",
  count: 0,
  length: 0,
  bytes: 0,
  mayHaveLost: false,
  sealedMs: 0,
  cursors: [],
  nextLeader: 1,
  nextReplicas: [1],
};

Deno.test("MetadataMachine.isEndedForEver() believes in a seal when a snapshot on disk has it", () => {
  const machine = new MetadataMachine();
  machine.apply(1, encodeCommand(CREATE));
  const before = machine.snapshot();
  assert.deepEqual(machine.apply(2, encodeCommand(SEAL)), { ok: true });
  assert.ok(!machine.isEndedForEver({ topic: "t", segment: 1 }), "the next process may not know");
  machine.restore(before, 1);
  machine.snapshotIsDurable(1);
  assert.ok(!machine.isEndedForEver({ topic: "t", segment: 1 }));
  machine.apply(2, encodeCommand(SEAL));
  machine.restore(machine.snapshot(), 2);
  machine.snapshotIsDurable(1);
  assert.ok(!machine.isEndedForEver({ topic: "t", segment: 1 }), "it is not on disk yet");
  machine.snapshotIsDurable(2);
  assert.ok(machine.isEndedForEver({ topic: "t", segment: 1 }));
  assert.ok(!machine.isEndedForEver({ topic: "t", segment: 2 }), "it is open");
  assert.ok(!machine.isEndedForEver({ topic: "u", segment: 1 }), "nobody knows that topic");
});
