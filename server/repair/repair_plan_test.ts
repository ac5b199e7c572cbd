import assert from "node:assert/strict";
import fc from "fast-check";
import { type Command, KEEP_ALL, MetadataState } from "../metadata/mod.ts";
import { RepairList } from "./repair_list.ts";
import { type RepairView, underReplication, wantedReplicas } from "./repair_plan.ts";

/** What someone who has just begun to look would do. */
const repairPlan = (state: MetadataState, view: RepairView, limit: number) =>
  new RepairList().steps(state, view, { limit, nowMs: 0 });

/** Nodes 1 … count, and one topic whose segment 1 is sealed on `replicas`. */
function stateWith(
  options: { nodes: number; replicas: number[]; factor: number; draining?: number[] },
): MetadataState {
  const state = new MetadataState();
  const commands: Command[] = [];
  for (let id = 1; id <= options.nodes; id++) {
    const host = "h";
    const ports = { raftPort: id, clientPort: id };
    const info = {
      id,
      incarnation: `d${id}`,
      raftHost: host,
      clientHost: host,
      run: `r${id}`,
      ...ports,
    };
    commands.push({ kind: "registerNode", ...info });
  }
  const leader = options.replicas[0]!;
  commands.push({
    kind: "createTopic",
    firstSegment: 1,
    retention: KEEP_ALL,
    topic: "t",
    replicationFactor: options.factor,
    durability: null,
    leader,
    replicas: options.replicas,
  }, {
    kind: "sealSegment",
    sealedMs: 1,
    topic: "t",
    segment: 1,
    expectedRun: `r${leader}`,
    count: 5,
    length: 5,
    bytes: 50,
    mayHaveLost: false,
    cursors: [],
    nextLeader: leader,
    nextReplicas: [leader],
  });
  for (const id of options.draining ?? []) commands.push({ kind: "drainNode", id });
  for (const command of commands) assert.deepEqual(state.apply(command, []), { ok: true });
  return state;
}

function viewOf(options: { dead?: number[]; lost?: number[] }): RepairView {
  const { dead = [], lost = [] } = options;
  return {
    isLive: (id) => !dead.includes(id) && !lost.includes(id),
    isLost: (id) => lost.includes(id),
  };
}

Deno.test("repairPlan() copies to a live node when a replica is lost, from a live one", () => {
  const state = stateWith({ nodes: 4, replicas: [1, 2, 3], factor: 3 });
  assert.deepEqual(repairPlan(state, viewOf({}), 9), []);
  assert.deepEqual(
    repairPlan(state, viewOf({ dead: [1] }), 9),
    [],
    "a short absence is waited for",
  );
  assert.deepEqual(repairPlan(state, viewOf({ lost: [1] }), 9), [
    { kind: "copy", topic: "t", segment: 1, node: 4, from: 2 },
  ]);
});

Deno.test("repairPlan() does nothing while there is nobody to copy from or to", () => {
  const state = stateWith({ nodes: 4, replicas: [1, 2, 3], factor: 3 });
  assert.deepEqual(repairPlan(state, viewOf({ lost: [1], dead: [4] }), 9), []);
  const alone = stateWith({ nodes: 2, replicas: [1], factor: 2 });
  assert.deepEqual(repairPlan(alone, viewOf({ dead: [1] }), 9), []);
});

Deno.test("repairPlan() moves a segment off a draining node: first the copy, then the drop", () => {
  const state = stateWith({ nodes: 4, replicas: [1, 2, 3], factor: 3, draining: [2] });
  assert.deepEqual(repairPlan(state, viewOf({}), 9), [
    { kind: "copy", topic: "t", segment: 1, node: 4, from: 1 },
  ]);
  state.apply({ kind: "addReplica", topic: "t", segment: 1, node: 4, expectedChanges: null }, []);
  assert.deepEqual(repairPlan(state, viewOf({}), 9), [
    { kind: "drop", topic: "t", segment: 1, node: 2, keepers: [1, 3, 4] },
  ]);
});

Deno.test("repairPlan() drops what is too much when a lost node comes back", () => {
  const state = stateWith({ nodes: 4, replicas: [1, 2, 3], factor: 3 });
  state.apply({ kind: "addReplica", topic: "t", segment: 1, node: 4, expectedChanges: null }, []);
  const [step] = repairPlan(state, viewOf({}), 9);
  assert.equal(step?.kind, "drop");
});

Deno.test("repairPlan() drops nothing where all others seem lost: who stood still takes them for it", () => {
  const state = stateWith({ nodes: 5, replicas: [1, 2, 3], factor: 3 });
  assert.deepEqual(repairPlan(state, viewOf({ lost: [2, 3, 4, 5] }), 9), []);
});

Deno.test("repairPlan() drops the replica of a lost node once as many others hold it as should", () => {
  const state = stateWith({ nodes: 3, replicas: [1, 2, 3], factor: 3 });
  const view = viewOf({ lost: [2] });
  assert.deepEqual(repairPlan(state, view, 9), [], "nobody is there to take its place");
  const spare = stateWith({ nodes: 4, replicas: [1, 2, 3, 4], factor: 3 });
  assert.deepEqual(repairPlan(spare, view, 9), [
    { kind: "drop", topic: "t", segment: 1, node: 2, keepers: [1, 3, 4] },
  ]);
});

Deno.test("repairPlan() asks the silent ones, too, whether they hold what a draining node is to give up", () => {
  const state = stateWith({ nodes: 3, replicas: [1, 2, 3], factor: 3, draining: [2] });
  assert.deepEqual(repairPlan(state, viewOf({ lost: [3] }), 9), [
    { kind: "drop", topic: "t", segment: 1, node: 2, keepers: [1, 3] },
  ]);
});

Deno.test("repairPlan() has the lost ones go first of those that are to be removed: they hold the others up", () => {
  const state = stateWith({ nodes: 3, replicas: [1, 2, 3], factor: 3, draining: [2, 3] });
  assert.deepEqual(repairPlan(state, viewOf({ lost: [3] }), 9), [
    { kind: "drop", topic: "t", segment: 1, node: 3, keepers: [1, 2] },
  ]);
  state.apply({ kind: "dropReplica", topic: "t", segment: 1, node: 3, expectedChanges: null }, []);
  assert.deepEqual(repairPlan(state, viewOf({ lost: [3] }), 9), [
    { kind: "drop", topic: "t", segment: 1, node: 2, keepers: [1] },
  ]);
});

Deno.test("repairPlan() has no replica stay with a node that is not there any more", () => {
  const state = stateWith({ nodes: 2, replicas: [1, 2, 9], factor: 3 });
  assert.deepEqual(repairPlan(state, viewOf({}), 9), [
    { kind: "drop", topic: "t", segment: 1, node: 9, keepers: [1, 2] },
  ]);
});

Deno.test("repairPlan() ends: each step, when done, leads to a state that wants nothing", () => {
  const ids = [1, 2, 3, 4, 5];
  const subset = fc.subarray(ids, { minLength: 1, maxLength: 4 });
  fc.assert(fc.property(
    subset,
    fc.subarray(ids, { maxLength: 2 }),
    fc.integer({ min: 1, max: 4 }),
    (replicas, lost, factor) => {
      const state = stateWith({ nodes: 5, replicas, factor, draining: lost.slice(1) });
      const view = viewOf({ lost: lost.slice(0, 1) });
      for (let round = 0; round < 20; round++) {
        const [step] = repairPlan(state, view, 1);
        if (step === undefined) break;
        assert.ok(round < 12, "repair goes round in circles");
        const kind = step.kind === "copy" ? "addReplica" as const : "dropReplica" as const;
        const { topic, segment, node } = step;
        assert.deepEqual(state.apply({ kind, topic, segment, node, expectedChanges: null }, []), {
          ok: true,
        });
      }
      const topic = state.topics.get("t")!;
      const sealed = topic.segments[0]!;
      if (sealed.replicas.some(view.isLive)) {
        // What nobody is left to hold is missed, and can't be repaired.
        const isMissed =
          wantedReplicas(state, topic, view) < Math.min(factor, 5 - state.draining.size);
        assert.equal(underReplication(state, topic, view)(sealed), isMissed);
        assert.ok(sealed.replicas.length <= Math.max(factor, wantedReplicas(state, topic, view)));
      }
    },
  ));
});

Deno.test("RepairList.steps() forgets no segment, whatever changes while it looks at a few at a time", () => {
  const state = stateWith({ nodes: 4, replicas: [1, 2, 3], factor: 3 });
  for (let segment = 2; segment <= 9; segment++) {
    const nodes = { nextLeader: 1, nextReplicas: [1, 2, 3] };
    const counts = { count: 1, length: 1, sealedMs: 1, bytes: 1, mayHaveLost: false, cursors: [] };
    const seal = { kind: "sealSegment" as const, topic: "t", segment, expectedRun: "r1" };
    assert.deepEqual(state.apply({ ...seal, ...counts, ...nodes }, []), { ok: true });
  }
  const list = new RepairList();
  const view = viewOf({ lost: [2] });
  const done: number[] = [];
  for (let round = 0; round < 40; round++) {
    const step = list.steps(state, view, { limit: 1, nowMs: 0 })[0];
    list.changed({ kind: "topic", topic: "t", segment: 9 - round % 9 });
    if (step === undefined) continue;
    const { topic, segment, node } = step;
    if (step.kind === "copy") done.push(segment);
    const kind = step.kind === "copy" ? "addReplica" as const : "dropReplica" as const;
    assert.deepEqual(state.apply({ kind, topic, segment, node, expectedChanges: null }, []), {
      ok: true,
    });
  }
  // The first was sealed on a set of its own, the others on nodes 1, 2 and 3.
  assert.deepEqual([...new Set(done)].sort(), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
  assert.deepEqual(list.steps(state, view, { limit: 9, nowMs: 0 }), []);
});

/** Five topics whose one sealed segment node 3 holds alone, which is to go. */
function drainingState(): MetadataState {
  const state = stateWith({ nodes: 3, replicas: [3], factor: 1 });
  const { leader, replicas, ...topic } = {
    kind: "createTopic" as const,
    firstSegment: 1,
    retention: KEEP_ALL,
    replicationFactor: 1,
    durability: null,
    leader: 3,
    replicas: [3],
  };
  const seal = { count: 5, length: 5, bytes: 5, mayHaveLost: false, cursors: [], sealedMs: 1 };
  const next = { expectedRun: "r3", nextLeader: 1, nextReplicas: [1] };
  for (const name of ["u", "v", "w", "x"]) {
    state.apply({ ...topic, topic: name, leader, replicas }, []);
    const sealed = { kind: "sealSegment" as const, topic: name, segment: 1, ...seal, ...next };
    assert.deepEqual(state.apply(sealed, []), { ok: true });
  }
  state.apply({ kind: "drainNode", id: 3 }, []);
  return state;
}

Deno.test("RepairList.steps() lets no steps that fail hold the others up", () => {
  const state = drainingState();
  const list = new RepairList();
  const tried: string[] = [];
  for (let nowMs = 0; nowMs < 3000; nowMs += 1000) {
    for (const step of list.steps(state, viewOf({}), { limit: 2, nowMs })) {
      tried.push(step.topic);
      list.failed(step, { nowMs, isSlow: false });
    }
  }
  assert.deepEqual([...new Set(tried.slice(0, 5))].sort(), ["t", "u", "v", "w", "x"]);
});

Deno.test("RepairList.steps() takes what failed again later and later, at once when a node changes", () => {
  const state = stateWith({ nodes: 4, replicas: [3], factor: 1, draining: [3] });
  const list = new RepairList();
  const triedAtMs: number[] = [];
  for (let nowMs = 0; nowMs < 100_000; nowMs += 500) {
    for (const step of list.steps(state, viewOf({}), { limit: 2, nowMs })) {
      triedAtMs.push(nowMs);
      list.failed(step, { nowMs, isSlow: false });
    }
  }
  assert.deepEqual(triedAtMs, [0, 1000, 3000, 7000, 15_000, 31_000, 61_000, 91_000]);
  const limits = { limit: 2, nowMs: 92_000 };
  assert.equal(list.steps(state, viewOf({}), limits).length, 0);
  assert.equal(list.steps(state, viewOf({ dead: [2] }), limits).length, 1);
});

Deno.test("RepairList.steps() gives the step behind one that was done at once", () => {
  const state = stateWith({ nodes: 4, replicas: [3], factor: 1, draining: [3] });
  const list = new RepairList();
  const [copy] = list.steps(state, viewOf({}), { limit: 2, nowMs: 0 });
  list.failed(copy!, { nowMs: 0, isSlow: false });
  list.done(copy!);
  const { topic, segment, node } = copy!;
  state.apply({ kind: "addReplica", topic, segment, node, expectedChanges: null }, []);
  assert.equal(list.steps(state, viewOf({}), { limit: 2, nowMs: 1 })[0]?.kind, "drop");
});

Deno.test("RepairList.steps() copies from another node, and to another one, where that has failed", () => {
  const state = stateWith({ nodes: 5, replicas: [1, 2, 3], factor: 3 });
  const list = new RepairList();
  const view = viewOf({ lost: [3] });
  const tried: string[] = [];
  let nowMs = 0;
  const next = (isSlow: boolean) => {
    const [step] = list.steps(state, view, { limit: 1, nowMs });
    assert.ok(step?.kind === "copy");
    list.failed(step, { nowMs, isSlow });
    nowMs += 60_000;
    return `${step.from} to ${step.node}`;
  };
  for (let attempt = 0; attempt < 4; attempt++) tried.push(next(false));
  assert.deepEqual(tried.sort(), ["1 to 4", "1 to 5", "2 to 4", "2 to 5"]);
  const slow = next(true);
  assert.deepEqual([next(true), next(false)], [slow, slow], "it goes on where it was");
  assert.notEqual(next(false), slow);
});
