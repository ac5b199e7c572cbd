import assert from "node:assert/strict";
import fc from "fast-check";
import { silentLogger } from "../../world/mod.ts";
import { SimClock } from "../../world/sim/mod.ts";
import { RefusedError } from "../errors.ts";
import { type Command, KEEP_ALL, type Metadata, MetadataState } from "../metadata/mod.ts";
import { majorityOf } from "./commit_tracker.ts";
import { needsRecovery } from "./failover.ts";
import { judge, recoverSegment, type RecoveryLink } from "./recovery.ts";
import type { FenceAnswer } from "./replicas.ts";

function answer(node: number, length: number, isCertain = true) {
  return { node, length, entries: length, bytes: length, isCertain, cursors: null };
}

/** Of replicas 1, 2 and 3, where no others are named. */
function judged(
  answers: ReturnType<typeof answer>[],
  { replicas = [1, 2, 3], givenUp = [] }: { replicas?: number[]; givenUp?: number[] } = {},
) {
  return judge(answers, { replicas, givenUp: new Set(givenUp) });
}

Deno.test("judge() takes the longest of R − W + 1 certain answers", () => {
  assert.equal(judged([answer(1, 5)]), null);
  const verdict = judged([answer(1, 5), answer(2, 7)])!;
  assert.deepEqual([verdict.longest.node, verdict.mayHaveLost], [2, false]);
});

Deno.test("judge() takes data of the uncertain, but no vote; where all have answered it says that it may have lost", () => {
  assert.equal(judged([answer(1, 5), answer(2, 9, false)]), null);
  const verdict = judged([answer(1, 5), answer(2, 9, false), answer(3, 4, false)])!;
  assert.deepEqual([verdict.longest.node, verdict.mayHaveLost], [2, true]);
  assert.equal(judged([answer(1, 5), answer(2, 9, false), answer(3, 6)])!.mayHaveLost, false);
});

Deno.test("judge() does not wait for nodes that were given up, and says that it may have lost", () => {
  const stuck = [answer(1, 5), answer(2, 9, false)];
  const verdict = judged(stuck, { givenUp: [3] })!;
  assert.deepEqual([verdict.longest.node, verdict.mayHaveLost], [2, true]);
  assert.equal(judged([answer(1, 5)], { givenUp: [3] }), null);
  // Enough certain answers need nobody to be given up, and lose nothing.
  assert.equal(judged([answer(1, 5), answer(3, 5)], { givenUp: [3] })!.mayHaveLost, false);
  assert.equal(judged([], { replicas: [1], givenUp: [1] }), null);
});

Deno.test("judge() waits for each node that was not given up, whoever answers in its place", () => {
  // Node 1 was given up and answers all the same; node 2 may hold more, and nobody has given it up.
  const answers = [answer(1, 5, false), answer(3, 5)];
  assert.equal(judged(answers, { givenUp: [1] }), null);
  const verdict = judged([...answers, answer(2, 9, false)], { givenUp: [1] })!;
  assert.deepEqual([verdict.longest.node, verdict.mayHaveLost], [2, true]);
});

Deno.test("judge() never seals below what a majority acknowledged, whoever answers", () => {
  const replicas = fc.integer({ min: 1, max: 5 });
  const lengths = fc.array(fc.nat(9), { minLength: 5, maxLength: 5 });
  const answering = fc.array(fc.boolean(), { minLength: 5, maxLength: 5 });
  fc.assert(fc.property(replicas, lengths, answering, (size, all, isAnswering) => {
    const held = all.slice(0, size);
    const acknowledged = [...held].sort((a, b) => b - a)[majorityOf(size) - 1]!;
    const answers = held.flatMap((length, i) => isAnswering[i] ? [answer(i, length)] : []);
    const verdict = judged(answers, { replicas: held.map((_, i) => i) });
    if (verdict === null) assert.ok(answers.length < size - majorityOf(size) + 1);
    else assert.ok(verdict.longest.length >= acknowledged);
  }));
});

/** Metadata without Raft: commands apply at once. */
function metadataWith(replicas: number[]) {
  const state = new MetadataState();
  const applied: Command[] = [];
  const propose = (command: Command): Promise<void> => {
    const outcome = state.apply(command, []);
    applied.push(command);
    return outcome.ok ? Promise.resolve() : Promise.reject(new RefusedError(outcome.reason));
  };
  propose({
    kind: "createTopic",
    firstSegment: 1,
    retention: KEEP_ALL,
    topic: "t",
    replicationFactor: replicas.length,
    durability: null,
    leader: replicas[0]!,
    replicas,
  });
  return { state, applied, metadata: { state, propose } as unknown as Metadata };
}

function recoveryOf(metadata: Metadata, link: RecoveryLink, clock: SimClock) {
  return recoverSegment({
    metadata,
    link,
    clock,
    logger: silentLogger,
    placeNext: () => ({ leader: 2, replicas: [2, 3] }),
  }, { topic: "t", segment: 1 });
}

Deno.test("recoverSegment() begins, fences, copies the tail to who lacks it, and only then seals", async () => {
  const { metadata, state } = metadataWith([1, 2, 3]);
  const clock = new SimClock();
  const steps: string[] = [];
  const lengths = new Map([[2, 4], [3, 6]]);
  const link: RecoveryLink = {
    fence: (node) => {
      steps.push(`fence ${node}, sealing: ${state.topics.get("t")!.segments[0]!.isSealing}`);
      if (node === 1) return Promise.reject(new Error("it is dead"));
      return Promise.resolve(answer(node, lengths.get(node)!) as FenceAnswer);
    },
    complete: (node, _target, { from, end }) => {
      steps.push(`copy ${from} → ${node} up to ${end}`);
      assert.equal(state.topics.get("t")!.segments[0]!.count, null, "not sealed before the copy");
      return Promise.resolve();
    },
  };
  await recoveryOf(metadata, link, clock);
  assert.deepEqual(steps, [
    "fence 1, sealing: true",
    "fence 2, sealing: true",
    "fence 3, sealing: true",
    "copy 3 → 2 up to 6",
  ]);
  const [sealed, next] = state.topics.get("t")!.segments;
  assert.deepEqual([sealed!.count, sealed!.length, next!.leader], [6, 6, 2]);
});

Deno.test("recoverSegment() seals nothing while too few replicas answer, and works when they do", async () => {
  const { metadata, state } = metadataWith([1, 2, 3]);
  const clock = new SimClock();
  let isBack = false;
  const link: RecoveryLink = {
    fence: (node) =>
      node === 3 || (isBack && node === 2)
        ? Promise.resolve(answer(node, 2) as FenceAnswer)
        : Promise.reject(new Error("it is dead")),
    complete: () => Promise.resolve(),
  };
  await assert.rejects(recoveryOf(metadata, link, clock), /1 of 3 replicas answered/);
  assert.equal(state.topics.get("t")!.segments.length, 1);
  isBack = true;
  await recoveryOf(metadata, link, clock);
  assert.equal(state.topics.get("t")!.segments[0]!.count, 2);
});

Deno.test("recoverSegment() seals nothing that too few replicas hold", async () => {
  const { metadata, state } = metadataWith([1, 2, 3]);
  let isAlive = false;
  const link: RecoveryLink = {
    fence: (node) => Promise.resolve(answer(node, node) as FenceAnswer),
    complete: () => isAlive ? Promise.resolve() : Promise.reject(new Error("it has died since")),
  };
  await assert.rejects(recoveryOf(metadata, link, new SimClock()), /tail could not be copied/);
  assert.equal(state.topics.get("t")!.segments.length, 1);
  isAlive = true;
  await recoveryOf(metadata, link, new SimClock());
  assert.equal(state.topics.get("t")!.segments[0]!.count, 3);
});

Deno.test("recoverSegment() seals what is certain on as many disks as ever, whoever was given up", async () => {
  const { metadata, state } = metadataWith([1, 2, 3]);
  for (const id of [1, 2]) state.givenUp.add(id);
  // Node 1 came back, with an entry that node 2 had acknowledged as well.
  let isOneThere = true;
  const link: RecoveryLink = {
    fence: (node) => {
      if (node === 2 || (node === 1 && !isOneThere)) return Promise.reject(new Error("it is dead"));
      return Promise.resolve(answer(node, node === 1 ? 10 : 9) as FenceAnswer);
    },
    complete: () => Promise.reject(new Error("the disk is full")),
  };
  await assert.rejects(
    recoveryOf(metadata, link, new SimClock()),
    /copied: Error: the disk is full/,
  );
  assert.equal(state.topics.get("t")!.segments.length, 1);
  isOneThere = false;
  const clock = new SimClock();
  await clock.settle(recoveryOf(metadata, link, clock));
  const [sealed] = state.topics.get("t")!.segments;
  assert.deepEqual([sealed!.count, sealed!.mayHaveLost], [9, true]);
});

Deno.test("recoverSegment() counts no copy of a node that was given up where fewer are enough", async () => {
  const { metadata, state } = metadataWith([1, 2, 3]);
  for (const id of [1, 2]) state.givenUp.add(id);
  let isRefused = true;
  const link: RecoveryLink = {
    fence: (node) => {
      if (node === 2) return Promise.reject(new Error("it is dead"));
      return Promise.resolve(answer(node, node === 1 ? 10 : 9, false) as FenceAnswer);
    },
    complete: () => isRefused ? Promise.reject(new Error("the disk is full")) : Promise.resolve(),
  };
  await assert.rejects(recoveryOf(metadata, link, new SimClock()), /tail could not be copied/);
  isRefused = false;
  await recoveryOf(metadata, link, new SimClock());
  const [sealed] = state.topics.get("t")!.segments;
  assert.deepEqual([sealed!.count, sealed!.mayHaveLost], [10, true]);
});

Deno.test("recoverSegment() is harmless where another recovery was first", async () => {
  const { metadata, state, applied } = metadataWith([1, 2, 3]);
  const clock = new SimClock();
  const link: RecoveryLink = {
    fence: (node) => Promise.resolve(answer(node, 3) as FenceAnswer),
    complete: () => Promise.resolve(),
  };
  await Promise.all([recoveryOf(metadata, link, clock), recoveryOf(metadata, link, clock)]);
  await recoveryOf(metadata, link, clock);
  assert.equal(state.topics.get("t")!.segments.length, 2);
  assert.equal(applied.filter((command) => command.kind === "sealSegment").length, 2);
});

Deno.test("recoverSegment() seals nothing of a topic that was deleted meanwhile and made again", async () => {
  const { metadata, applied } = metadataWith([1, 2, 3]);
  const link: RecoveryLink = {
    fence: (node) => Promise.resolve(answer(node, node) as FenceAnswer),
    complete: async (node) => {
      if (node !== 2) return;
      const options = { timeoutMs: 0 };
      await metadata.propose({ kind: "deleteTopic", topic: "t", bornSegment: 1 }, options);
      await metadata.propose({ ...applied[0]!, firstSegment: 2 } as Command, options);
    },
  };
  await recoveryOf(metadata, link, new SimClock()).catch(() => {});
  const kinds = applied.map(({ kind }) => kind);
  assert.deepEqual(kinds, ["createTopic", "beginSeal", "deleteTopic", "createTopic"]);
});

Deno.test("needsRecovery() tells a leader that is gone, or another process, from one that is there", () => {
  const open = metadataWith([1, 2, 3]).state.topics.get("t")!.segments[0]!;
  const info = {
    id: 1,
    incarnation: "",
    raftHost: "",
    raftPort: 1,
    clientHost: "",
    clientPort: 1,
    run: open.leaderRun,
  };
  const isAlive = () => true;
  assert.equal(needsRecovery(open, info, isAlive), false);
  assert.equal(needsRecovery(open, info, () => false), true);
  assert.equal(needsRecovery(open, { ...info, run: "another" }, isAlive), true);
  assert.equal(needsRecovery({ ...open, isSealing: true }, info, isAlive), true);
  assert.equal(needsRecovery({ ...open, replicas: [1] }, info, () => false), false);
});
