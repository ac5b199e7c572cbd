import assert from "node:assert/strict";
import fc from "fast-check";
import { type Command, GIVE_UP_FORMAT, KEEP_ALL, REPAIR_FORMAT } from "./command.ts";
import { decodeCommand, encodeCommand } from "./command_codec.ts";
import { decodeSnapshot, encodeSnapshot } from "./snapshot.ts";
import { type Change, MetadataState, openSegmentOf, segmentAt } from "./state.ts";

function applyAll(state: MetadataState, commands: Command[]): void {
  for (const command of commands) state.apply(command, []);
}

const nodes: Command[] = [1, 2, 3].map((id) => ({
  kind: "registerNode",
  id,
  incarnation: `disk-${id}`,
  raftHost: "h",
  raftPort: id,
  clientHost: "h",
  clientPort: id,
  run: `run-${id}`,
}));

const create = {
  kind: "createTopic" as const,
  topic: "logs",
  replicationFactor: 1,
  durability: null,
  leader: 2,
  replicas: [2],
  firstSegment: 1,
  retention: KEEP_ALL,
};

function seal(
  segment: number,
  count: number,
  options: { by: string | null; next: number },
): Command {
  return {
    kind: "sealSegment",
    topic: "logs",
    segment,
    expectedRun: options.by,
    count,
    length: count,
    bytes: 10 * count,
    mayHaveLost: false,
    cursors: [{ name: "", offset: count }],
    nextLeader: options.next,
    nextReplicas: [options.next],
    sealedMs: 1000 * segment,
  };
}

Deno.test("MetadataState.apply() creates a topic once", () => {
  const state = new MetadataState();
  const changes: Change[] = [];
  assert.deepEqual(state.apply(create, changes), { ok: true });
  assert.deepEqual(state.apply({ ...create, leader: 3, replicas: [3] }, changes), { ok: true });
  assert.deepEqual(changes, [{ kind: "topic", topic: "logs", segment: null }]);
  assert.equal(openSegmentOf(state.topics.get("logs")!).leader, 2);
});

Deno.test("MetadataState.apply() seals a segment at its count and opens the next one behind it", () => {
  const state = new MetadataState();
  applyAll(state, [
    ...nodes,
    create,
    seal(1, 10, { by: "run-2", next: 3 }),
    seal(2, 0, { by: "run-3", next: 1 }),
  ]);
  const topic = state.topics.get("logs")!;
  assert.deepEqual(topic.segments.map((segment) => segment.count), [10, 0, null]);
  assert.deepEqual(topic.segments.map((segment) => segment.baseOffset), [0, 10, 10]);
  assert.deepEqual(topic.segments.map((segment) => segment.leader), [2, 3, 1]);
});

Deno.test("MetadataState.apply() gives the same seal one effect, and a stale one none", () => {
  const state = new MetadataState();
  applyAll(state, [...nodes, create, seal(1, 10, { by: "run-2", next: 3 })]);
  const before = encodeSnapshot(state);
  for (
    const stale of [
      seal(1, 10, { by: "run-2", next: 3 }),
      seal(1, 12, { by: "run-2", next: 3 }),
      seal(2, 5, { by: "run-2", next: 3 }),
      seal(3, 5, { by: "run-3", next: 1 }),
    ]
  ) {
    assert.equal(state.apply(stale, []).ok, false);
  }
  assert.deepEqual(encodeSnapshot(state), before);
});

Deno.test("MetadataState.apply() lets a recovery seal only what it began to seal, and then nobody else", () => {
  const state = new MetadataState();
  applyAll(state, [...nodes, create]);
  const recovery = seal(1, 7, { by: null, next: 3 });
  assert.equal(state.apply(recovery, []).ok, false);
  const begin: Command = { kind: "beginSeal", topic: "logs", segment: 1 };
  assert.deepEqual([state.apply(begin, []), state.apply(begin, [])], [{ ok: true }, { ok: true }]);
  assert.equal(state.apply(seal(1, 10, { by: "run-2", next: 3 }), []).ok, false);
  assert.deepEqual(state.apply(recovery, []), { ok: true });
  assert.equal(state.apply(begin, []).ok, false);
  assert.equal(state.topics.get("logs")!.segments[0]!.count, 7);
});

Deno.test("MetadataState.apply() lets a new run resume what nobody else holds, and ends the old run's seals", () => {
  const state = new MetadataState();
  const shared: Command = { ...create, topic: "shared", leader: 2, replicas: [1, 2, 3] } as Command;
  applyAll(state, [...nodes, create, shared]);
  const changes: Change[] = [];
  state.apply({ ...nodes[1], run: "run-2b" } as Command, changes);
  assert.equal(openSegmentOf(state.topics.get("logs")!).leaderRun, "run-2b");
  assert.equal(openSegmentOf(state.topics.get("shared")!).leaderRun, "run-2");
  assert.deepEqual(changes, [{ kind: "node", id: 2 }, {
    kind: "topic",
    topic: "logs",
    segment: 1,
  }]);
  assert.equal(state.apply(seal(1, 10, { by: "run-2", next: 3 }), []).ok, false);
});

Deno.test("MetadataState.apply() changes who holds a segment only once it is sealed, and never to nobody", () => {
  const state = new MetadataState();
  applyAll(state, [...nodes, create]);
  const add: Command = {
    kind: "addReplica",
    topic: "logs",
    segment: 1,
    node: 3,
    expectedChanges: null,
  };
  const drop: Command = {
    kind: "dropReplica",
    topic: "logs",
    segment: 1,
    node: 2,
    expectedChanges: null,
  };
  assert.equal(state.apply(add, []).ok, false);
  applyAll(state, [seal(1, 10, { by: "run-2", next: 3 })]);
  assert.equal(state.apply(drop, []).ok, false);
  assert.deepEqual([state.apply(add, []), state.apply(add, [])], [{ ok: true }, { ok: true }]);
  assert.deepEqual([state.apply(drop, []), state.apply(drop, [])], [{ ok: true }, { ok: true }]);
  assert.deepEqual(state.topics.get("logs")!.segments[0]!.replicas, [3]);
});

Deno.test("MetadataState.apply() refuses a repair that was decided on other replicas, were they the same nodes", () => {
  const state = new MetadataState();
  applyAll(state, [...nodes, create, seal(1, 10, { by: "run-2", next: 3 })]);
  const repair = (
    kind: "addReplica" | "dropReplica",
    node: number,
    expectedChanges: number | null,
  ) => state.apply({ kind, topic: "logs", segment: 1, node, expectedChanges }, []).ok;
  const info = () => state.topics.get("logs")!.segments[0]!;
  assert.ok(repair("addReplica", 1, 0));
  assert.equal(info().replicaChanges, 0, "snapshots of this format could not tell");
  applyAll(state, [{ kind: "raiseFormat", format: REPAIR_FORMAT }]);
  assert.ok(!repair("dropReplica", 2, null), "decided on before anybody counted");
  assert.ok(repair("addReplica", 3, 0));
  assert.ok(!repair("dropReplica", 2, 0));
  assert.ok(repair("addReplica", 3, 0), "the same one for a second time");
  assert.ok(repair("dropReplica", 3, 1));
  assert.ok(repair("addReplica", 3, 2));
  assert.ok(!repair("dropReplica", 2, 1), "nodes 1, 2 and 3 again, and not the same copies");
  assert.deepEqual(info().replicas, [2, 1, 3]);
  const restored = decodeSnapshot(encodeSnapshot(state)).topics.get("logs")!.segments[0]!;
  assert.deepEqual(restored, info());
  assert.ok(repair("dropReplica", 2, restored.replicaChanges));
});

Deno.test("MetadataState.apply() removes a node only when it is drained and holds nothing", () => {
  const state = new MetadataState();
  applyAll(state, [...nodes, create]);
  const remove: Command = { kind: "removeNode", id: 2 };
  assert.equal(state.apply(remove, []).ok, false);
  assert.deepEqual(state.apply({ kind: "drainNode", id: 2 }, []), { ok: true });
  assert.equal(state.apply(remove, []).ok, false); // it leads segment 1
  applyAll(state, [
    seal(1, 10, { by: "run-2", next: 3 }),
    { kind: "addReplica", topic: "logs", segment: 1, node: 3, expectedChanges: null },
    { kind: "dropReplica", topic: "logs", segment: 1, node: 2, expectedChanges: null },
  ]);
  assert.deepEqual(state.apply(remove, []), { ok: true });
  assert.deepEqual([...state.nodes.keys()], [1, 3]);
  assert.equal(state.draining.size, 0);
  const back = state.apply(nodes[1]!, []);
  assert.match(back.ok ? "" : back.reason, /node 2 was removed/);
  assert.deepEqual(state.apply({ ...nodes[1], incarnation: "new" } as Command, []), { ok: true });
});

Deno.test("MetadataState.apply() gives a node up until it is removed, and snapshots remember it", () => {
  const state = new MetadataState();
  applyAll(state, [...nodes, { kind: "raiseFormat", format: GIVE_UP_FORMAT }]);
  assert.deepEqual(state.apply({ kind: "giveUpNode", id: 2 }, []), { ok: true });
  assert.ok(state.draining.has(2) && state.givenUp.has(2));
  const restored = decodeSnapshot(encodeSnapshot(state));
  assert.deepEqual([...restored.givenUp], [2]);
  applyAll(restored, [{ kind: "removeNode", id: 2 }]);
  assert.equal(restored.givenUp.size, 0);
  assert.equal(state.apply({ kind: "giveUpNode", id: 9 }, []).ok, false);
  assert.ok(!state.givenUp.has(9));
});

Deno.test("MetadataState.apply() does not drain the last node", () => {
  const state = new MetadataState();
  applyAll(state, [nodes[0]!]);
  assert.equal(state.apply({ kind: "drainNode", id: 1 }, []).ok, false);
});

Deno.test("MetadataState.apply() refuses a leader that holds no replica", () => {
  const state = new MetadataState();
  assert.equal(state.apply({ ...create, replicas: [1] }, []).ok, false);
  applyAll(state, [...nodes, create]);
  const outside = { ...seal(1, 1, { by: "run-2", next: 3 }), nextReplicas: [1] } as Command;
  assert.equal(state.apply(outside, []).ok, false);
  assert.equal(state.topics.get("logs")!.segments.length, 1);
});

Deno.test("MetadataState.apply() refuses a node id that comes back with another disk", () => {
  const state = new MetadataState();
  const node = {
    id: 4,
    incarnation: "a",
    raftHost: "h",
    raftPort: 1,
    clientHost: "h",
    clientPort: 2,
    run: "r",
  };
  assert.deepEqual(state.apply({ kind: "registerNode", ...node }, []), { ok: true });
  const wiped = state.apply({ kind: "registerNode", ...node, incarnation: "b" }, []);
  assert.match(wiped.ok ? "" : wiped.reason, /node id 4 belongs to another data directory/);
  const moved = state.apply({ kind: "registerNode", ...node, raftPort: 9 }, []);
  assert.deepEqual(moved, { ok: true });
  assert.equal(state.nodes.get(4)!.raftPort, 9);
});

Deno.test("segmentAt() finds what a walk over all segments finds", () => {
  fc.assert(fc.property(
    fc.array(fc.nat(4), { minLength: 1, maxLength: 20 }),
    fc.nat(90),
    (counts, offset) => {
      const state = new MetadataState();
      applyAll(state, [...nodes, create]);
      counts.forEach((count, i) => applyAll(state, [seal(i + 1, count, { by: "run-2", next: 2 })]));
      const topic = state.topics.get("logs")!;
      const holder = topic.segments.find(({ baseOffset, count }) =>
        count === null || (offset >= baseOffset && offset < baseOffset + count)
      )!;
      assert.equal(segmentAt(topic, offset).number, holder.number);
    },
  ));
});

const id = fc.integer({ min: 1, max: 2 ** 32 - 1 });
const promise = fc.option(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), { nil: null });
const retention = fc.record({ bytes: promise, ms: promise, entries: promise });
const command: fc.Arbitrary<Command> = fc.oneof(
  fc.record({
    kind: fc.constant("registerNode" as const),
    id,
    incarnation: fc.uuid(),
    raftHost: fc.string(),
    raftPort: fc.nat(65535),
    clientHost: fc.string(),
    clientPort: fc.nat(65535),
    run: fc.string(),
  }),
  fc.record({
    kind: fc.constant("createTopic" as const),
    topic: fc.string(),
    replicationFactor: fc.nat(9),
    durability: fc.constantFrom(null, "each" as const, "none" as const, { ms: 7 }),
    leader: id,
    replicas: fc.array(id),
    firstSegment: id,
    retention,
  }),
  fc.record({
    kind: fc.constant("sealSegment" as const),
    topic: fc.string(),
    segment: id,
    expectedRun: fc.option(fc.string(), { nil: null }),
    count: fc.maxSafeNat(),
    length: fc.maxSafeNat(),
    bytes: fc.maxSafeNat(),
    mayHaveLost: fc.boolean(),
    cursors: fc.array(fc.record({ name: fc.string(), offset: fc.maxSafeNat() })),
    nextLeader: id,
    nextReplicas: fc.array(id),
    sealedMs: fc.maxSafeNat(),
  }),
  fc.record({ kind: fc.constant("raiseFormat" as const), format: fc.nat(255) }),
  fc.record({ kind: fc.constant("deleteTopic" as const), topic: fc.string(), bornSegment: id }),
  fc.record({ kind: fc.constant("trimTopic" as const), topic: fc.string(), firstSegment: id }),
  fc.record({
    kind: fc.constant("setRetention" as const),
    topic: fc.string(),
    bornSegment: id,
    retention,
  }),
  fc.record({ kind: fc.constant("beginSeal" as const), topic: fc.string(), segment: id }),
  fc.record({
    kind: fc.constantFrom("drainNode" as const, "giveUpNode" as const, "removeNode" as const),
    id,
  }),
  fc.record({
    kind: fc.constantFrom("addReplica" as const, "dropReplica" as const),
    topic: fc.string(),
    segment: id,
    node: id,
    expectedChanges: fc.option(fc.nat(), { nil: null }),
  }),
);

function canonical(value: Command): string {
  return JSON.stringify(Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1));
}

Deno.test("decodeCommand() gives back what encodeCommand() wrote", () => {
  fc.assert(fc.property(command, (value) => {
    // JSON: fast-check's records have no prototype, which a deep comparison would mind.
    assert.equal(canonical(decodeCommand(encodeCommand(value))), canonical(value));
  }));
});

Deno.test("decodeCommand() refuses any bytes that are no command, and never crashes", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
    try {
      decodeCommand(bytes);
    } catch (error) {
      assert.equal((error as Error).name, "MalformedError");
    }
  }));
});

Deno.test("decodeSnapshot() gives back the state, which goes on as the original does", () => {
  const names = ["a", "b"];
  const step = fc.record({
    topic: fc.constantFrom(...names),
    segment: fc.integer({ min: 1, max: 4 }),
    count: fc.nat(20),
    leader: fc.integer({ min: 1, max: 3 }),
    what: fc.constantFrom("seal", "seal", "seal", "trim", "delete", "create", "keep"),
  });
  fc.assert(fc.property(fc.array(step), fc.array(step), (first, second) => {
    const original = new MetadataState();
    applyAll(original, [...nodes, { kind: "raiseFormat", format: 2 }]);
    for (const topic of names) applyAll(original, [{ ...create, topic, leader: 1, replicas: [1] }]);
    const commands = (steps: typeof first): Command[] =>
      steps.map(({ topic, segment, count, leader, what }): Command => {
        const place = { topic, bornSegment: segment, firstSegment: segment };
        if (what === "trim") return { kind: "trimTopic", ...place };
        if (what === "delete") return { kind: "deleteTopic", ...place };
        if (what === "create") return { ...create, leader: 1, replicas: [1], ...place };
        const retention = { ...KEEP_ALL, entries: count + 1 };
        if (what === "keep") return { kind: "setRetention", ...place, retention };
        const sealed = seal(segment, count, { by: "run-1", next: leader });
        return { ...sealed as Extract<Command, { segment: number }>, topic };
      });
    applyAll(original, commands(first));
    const restored = decodeSnapshot(encodeSnapshot(original));
    applyAll(original, commands(second));
    applyAll(restored, commands(second));
    assert.deepEqual(restored, original);
  }));
});

Deno.test("MetadataState.apply() deletes the topic that is meant, and uses no number of its segments again", () => {
  const state = new MetadataState();
  applyAll(state, [...nodes, create, seal(1, 7, { by: "run-2", next: 2 })]);
  const changes: Change[] = [];
  const drop = { kind: "deleteTopic" as const, topic: "logs", bornSegment: 1 };
  assert.deepEqual(state.apply(drop, changes), { ok: true });
  assert.deepEqual(changes.map(({ kind }) => kind), ["topic", "gone"]);
  assert.ok(!state.topics.has("logs"));
  assert.ok(state.isGone({ topic: "logs", segment: 2 }));
  // What was on its way for the old topic makes none anew, and takes none away.
  assert.deepEqual(state.apply(create, []), { ok: true });
  assert.ok(!state.topics.has("logs"));
  assert.deepEqual(state.apply({ ...create, firstSegment: 3 }, []), { ok: true });
  const topic = state.topics.get("logs")!;
  assert.deepEqual([openSegmentOf(topic).number, openSegmentOf(topic).baseOffset], [3, 0]);
  assert.deepEqual(topic.cursors, [{ name: "", offset: 0 }]);
  assert.equal(state.apply(seal(2, 9, { by: "run-2", next: 2 }), []).ok, false);
  assert.deepEqual(state.apply(drop, []), { ok: true });
  assert.ok(state.topics.has("logs"));
  assert.ok(!state.isGone({ topic: "logs", segment: 3 }));
});

Deno.test("MetadataState.apply() trims whole sealed segments, and moves cursors behind them", () => {
  const state = new MetadataState();
  applyAll(state, [...nodes, create]);
  // The cursor stands at 3 all the time.
  for (const segment of [1, 2, 3]) {
    const stuck = seal(segment, 5, { by: "run-2", next: 2 }) as Extract<Command, { count: number }>;
    applyAll(state, [{ ...stuck, cursors: [{ name: "", offset: 3 }] }]);
  }
  const topic = state.topics.get("logs")!;
  const trim = { kind: "trimTopic" as const, topic: "logs", firstSegment: 3 };
  for (let time = 0; time < 2; time++) {
    assert.deepEqual(state.apply(trim, []), { ok: true });
    assert.deepEqual(topic.segments.map(({ number }) => number), [3, 4]);
    assert.deepEqual(topic.cursors, [{ name: "", offset: 10 }]);
  }
  assert.throws(() => segmentAt(topic, 9), /offset 9 of logs was trimmed: its first offset is 10/);
  assert.equal(segmentAt(topic, 10).number, 3);
  assert.ok(state.isGone({ topic: "logs", segment: 2 }));
  assert.ok(!state.isGone({ topic: "logs", segment: 3 }));
  // Whatever is asked for, the open one stays.
  assert.deepEqual(state.apply({ ...trim, firstSegment: 99 }, []), { ok: true });
  assert.deepEqual(topic.segments.map(({ number }) => number), [4]);
  // A seal that was proposed before carries an old cursor.
  const late = seal(4, 1, { by: "run-2", next: 2 }) as Extract<Command, { count: number }>;
  applyAll(state, [{ ...late, cursors: [{ name: "", offset: 3 }] }]);
  assert.deepEqual(topic.cursors, [{ name: "", offset: 15 }]);
});

Deno.test("MetadataState.apply() changes what the topic that is meant keeps", () => {
  const state = new MetadataState();
  applyAll(state, [...nodes, create]);
  const kept = { ...KEEP_ALL, entries: 5 };
  const set = { kind: "setRetention" as const, topic: "logs", retention: kept };
  assert.deepEqual(state.apply({ ...set, bornSegment: 2 }, []), { ok: true });
  assert.deepEqual(state.topics.get("logs")!.retention, KEEP_ALL);
  assert.deepEqual(state.apply({ ...set, bornSegment: 1 }, []), { ok: true });
  assert.deepEqual(state.topics.get("logs")!.retention, kept);
});

/** Written by the program before there was a second format. */
const OLD = {
  create: "01020100000074030000000305000000010000000100000001000000",
  seal:
    "010301000000740100000001020000007231050000000000000007000000000000003200000000000000010100" +
    "0000000000000300000000000000010000000100000001000000",
  snapshot:
    "010100000001000000020000006431010000006801000000010000006802000000020000007231000000000000" +
    "000001000000010000007403000000030500000001000000000000000300000000000000020000000100000002" +
    "000000723101000000010000000205000000000000000700000000000000320000000000000001010000000200" +
    "0000723101000000010000000000000000000000000000000000000000000000000000000000",
};

function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g)!, (digits) => parseInt(digits, 16));
}

Deno.test("decodeCommand() reads what older versions wrote, and encodeCommand() writes it for them", () => {
  const command = decodeCommand(bytesOf(OLD.seal));
  assert.ok(command.kind === "sealSegment" && command.count === 5 && command.sealedMs === 0);
  assert.deepEqual(encodeCommand(command, 1), bytesOf(OLD.seal));
  const made = decodeCommand(bytesOf(OLD.create));
  assert.ok(made.kind === "createTopic" && made.firstSegment === 1);
  assert.deepEqual(made.retention, KEEP_ALL);
  assert.deepEqual(encodeCommand(made, 1), bytesOf(OLD.create));
});

Deno.test("encodeCommand() writes a repair for older versions without what it was decided on", () => {
  const drop = {
    kind: "dropReplica" as const,
    topic: "t",
    segment: 1,
    node: 2,
    expectedChanges: 7,
  };
  assert.deepEqual(decodeCommand(encodeCommand(drop)), drop);
  const old = encodeCommand(drop, REPAIR_FORMAT - 1);
  assert.deepEqual(decodeCommand(old), { ...drop, expectedChanges: null });
});

Deno.test("decodeSnapshot() reads what older versions wrote, and writes it until all nodes read more", () => {
  const old = bytesOf(OLD.snapshot);
  const state = decodeSnapshot(old);
  const topic = state.topics.get("t")!;
  assert.deepEqual(topic.segments.map(({ number, count }) => [number, count]), [[1, 5], [2, null]]);
  assert.deepEqual(encodeSnapshot(state), old);
  state.apply({ kind: "raiseFormat", format: 2 }, []);
  const raised = decodeSnapshot(encodeSnapshot(state));
  assert.equal(raised.format, 2);
  assert.deepEqual(raised.topics.get("t")!.segments.at(-1), topic.segments.at(-1));
});
